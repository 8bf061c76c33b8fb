"""The first agent of one's own: made, checked, run and talked to."""

import json
import subprocess
import time
from pathlib import Path

from omnia_cli.running import announced_any
from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Start, with_port
from tests.services import free_port


def test_the_folder_of_a_new_agent_runs_and_answers(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    def omnia(*words: str, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*OMNIA, *words],
            cwd=cwd,
            env={**environment, "PYTHONPATH": str(ROOT)},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )

    made = omnia("init", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "mine"
    agent = folder / "agent.yaml"
    agent.write_text(with_port(agent.read_text(), free_port()))
    checked = omnia("validate", cwd=folder)
    assert (checked.returncode, checked.stderr) == (0, "0 errors, 0 warnings\n")
    evaluated = omnia("eval", cwd=folder)
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    assert "an order is looked up" in evaluated.stdout
    # As a script does it: the command waits for the agent, which `omnia up` only begins to start.
    running = start(folder)
    deadline = time.monotonic() + LIMIT
    while not announced_any(environment):
        assert time.monotonic() < deadline, "omnia up does not start"
        time.sleep(0.02)
    once = omnia("chat", "mine", "hello", cwd=tmp_path)
    assert (once.returncode, once.stdout.count("\n")) == (0, 1), once.stderr
    assert once.stderr.startswith('waiting for "mine"')
    running.wait("serving")
    said = omnia("chat", "mine", cwd=tmp_path, text="Where is order A-1001?\n")
    assert said.returncode == 0, said.stderr
    assert "Order A-1001 (oak desk) is on its way" in said.stdout
    listed = omnia("sessions", "list", "--agent", "mine", "--json", cwd=folder).stdout
    session = json.loads(listed.splitlines()[0])["id"]
    # The results come after the answer, which does not wait for them.
    deadline = time.monotonic() + LIMIT
    while "eval errors" not in (shown := omnia("sessions", "show", session, cwd=folder).stdout):
        assert time.monotonic() < deadline, shown
    assert "eval short of turn 1: passed 1.00 (inline)" in shown
    assert "eval errors of turn 1: passed 1.00 (inline)" in shown
