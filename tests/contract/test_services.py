"""Servers of the tests end with the process that started them, however that ends."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import LIMIT, ends_with_us

ROOT = Path(__file__).parents[2]
# The server itself tells its number, when it runs.
STARTS = """
import subprocess, sys
from tests.services import ends_with_us
server = subprocess.Popen(ends_with_us("sh", "-c", "echo $$; exec sleep 1000"))
sys.stdin.read()
"""


@pytest.mark.skipif(ends_with_us("x") == ["x"], reason="only Linux has it, with setpriv")
def test_a_server_ends_when_the_tests_are_killed() -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTS],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with tests:
        assert tests.stdout
        server = os.pidfd_open(int(tests.stdout.readline()))
        try:
            tests.kill()
            ended, _, _ = select.select([server], [], [], LIMIT)
            assert ended
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(server, signal.SIGKILL)
            os.close(server)
