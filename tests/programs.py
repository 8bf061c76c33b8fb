"""How the tests start programs of the project.

`PYTHON` starts `-m omnia_…` by a fork of a process that has loaded its modules (`fork_server.py`):
that costs a tenth of a start. Anything else it executes. A test of the start itself, of memory, of
a terminal or of what /proc shows uses `sys.executable`.
"""

import atexit
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


FOR_SOCKETS = "/tmp"  # noqa: S108 - folders in it are private
"""Where folders of sockets are: a socket's path has 104 bytes at most, and $TMPDIR may be long."""

SERVERS: list[int] = []
"""The process that forks; it is waited for only in the end."""


def _python() -> str:
    """Start the server, and return a program that is used as Python is."""
    folder = tempfile.TemporaryDirectory(prefix="omnia-programs-", dir=FOR_SOCKETS)
    address = Path(folder.name) / "socket"
    program = Path(folder.name) / "python"
    client = [sys.executable, "-IS", str(ROOT / "tests/fork_client.py"), str(address)]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n')
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)
        number = str(listener.fileno())
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/fork_server.py"), number, str(program)],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            cwd=ROOT,
        )
    owner = os.getpid()
    SERVERS.append(server.pid)

    def end() -> None:
        # A fork of this process ends without it.
        if os.getpid() == owner and server.stdin:
            server.stdin.close()
            server.wait()
            folder.cleanup()

    atexit.register(end)
    return str(program)


# Linux tells the server when a program ends.
PYTHON = _python() if hasattr(os, "pidfd_open") else sys.executable
