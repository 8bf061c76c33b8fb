"""The history as a program."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.services import LIMIT, free_port, wait_listening

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("url", "says"),
    [(None, "OMNIA_HISTORY_URL: missing"), ("redis://:s3cret@h", "expected postgresql://")],
)
def test_a_bad_environment_is_one_line_and_exit_code_2(url: str | None, says: str) -> None:
    given = {"OMNIA_HISTORY_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", "omnia_history"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        check=False,
        timeout=150,
    )
    told = done.stderr.decode()
    assert (done.returncode, says in told) == (2, True)
    assert "s3cret" not in told
    assert "Traceback" not in told


def test_the_first_line_has_the_version_and_metrics_need_no_credential(tmp_path: Path) -> None:
    port, errors = free_port(), tmp_path / "stderr"
    environment = {
        "PATH": os.environ["PATH"],
        "OMNIA_HISTORY_URL": f"postgresql://127.0.0.1:{free_port()}/none",
        "OMNIA_HISTORY_PORT": str(port),
        "OMNIA_HISTORY_NAMESPACE": "shop",
    }
    with errors.open("wb") as sink:
        program = subprocess.Popen(
            [sys.executable, "-m", "omnia_history"], cwd=ROOT, env=environment, stderr=sink
        )
    try:
        wait_listening(port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT) as answer:
            assert "process_resident_memory_bytes" in answer.read().decode()
    finally:
        program.terminate()
        program.wait(LIMIT)
    first = json.loads(errors.read_text().splitlines()[0])
    assert (first["event"], first["component"]) == ("starting", "history")
    assert first["version"]
    assert first["namespace"] == "shop"
