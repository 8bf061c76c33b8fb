"""The history as a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        timeout=40,
    )
    told = done.stderr.decode()
    assert (done.returncode, says in told) == (2, True)
    assert "s3cret" not in told
    assert "Traceback" not in told
