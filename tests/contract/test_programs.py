"""Programs that the tests start by a fork end as programs of their own do."""

import os
import select
import signal
import subprocess
import sys

import pytest

from tests.programs import PYTHON, ROOT, SERVERS
from tests.services import LIMIT


@pytest.mark.skipif(not SERVERS, reason="only Linux has it: programs are not forked")
def test_a_program_that_was_killed_and_waited_for_does_nothing_more() -> None:
    (server,) = SERVERS
    program = subprocess.Popen(
        [PYTHON, "-m", "tests.contract.waiting_program"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with program:
        assert program.stdout
        forked = os.pidfd_open(int(program.stdout.readline()))
        # On a busy machine, the server may have to wait for its turn.
        os.kill(server, signal.SIGSTOP)
        try:
            program.kill()
            program.wait()
            ended, _, _ = select.select([forked], [], [], LIMIT)
            assert ended
        finally:
            os.kill(server, signal.SIGCONT)
            os.close(forked)


LOOKS = """
import os, signal, subprocess, tests.conftest
os.kill(os.getpid(), signal.SIGHUP)
subprocess.run(["grep", "SigIgn", "/proc/self/status"], check=True)
"""


@pytest.mark.skipif(not SERVERS, reason="only Linux has it: /proc")
def test_programs_of_the_tests_ignore_no_end_of_their_terminal_under_nohup() -> None:
    done = subprocess.run(
        ["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh", sys.executable, "-c", LOOKS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )
    # The tests themselves live on.
    assert done.returncode == 0, done
    ignored = int(done.stdout.split()[1], 16)
    assert not ignored & (1 << signal.SIGHUP - 1 | 1 << signal.SIGINT - 1)
