"""Programs that the tests start by a fork end as programs of their own do."""

import os
import select
import signal
import subprocess

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
