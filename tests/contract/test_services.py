"""Servers of the tests end with the process that started them, however that ends."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import LIMIT, ends_with_us

ROOT = Path(__file__).parents[2]
STARTS = """
import subprocess, sys
from tests.services import ends_with_us
print(subprocess.Popen(ends_with_us("sleep", "1000")).pid, flush=True)
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
            os.close(server)
