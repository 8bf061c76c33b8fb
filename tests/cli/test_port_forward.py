"""The kubectl that a command starts ends with the command, also when it is killed."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT = 100.0
KUBECTL = """\
#!{python}
import os, pathlib, signal
pathlib.Path({pid!r}).write_text(str(os.getpid()))
print("Forwarding from 127.0.0.1:{port} -> 8080", flush=True)
signal.pause()
"""


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_port_forward_does_not_outlive_the_command(
    tmp_path: Path, number: signal.Signals
) -> None:
    pid_file, program = tmp_path / "pid", tmp_path / "kubectl"
    with contextlib.ExitStack() as stack:
        # It accepts the connection and never answers.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = silent.getsockname()[1]
        program.write_text(KUBECTL.format(python=sys.executable, pid=str(pid_file), port=port))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        command = [sys.executable, "-m", "omnia_cli", "chat", "agent", "-n", "space"]
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        process = subprocess.Popen([*command, "--token", "t"], env=environment)
        silent.settimeout(LIMIT)
        stack.enter_context(silent.accept()[0])
        pid = int(pid_file.read_text())
        assert runs(pid)

        process.send_signal(number)
        assert process.wait(LIMIT) == -number

        began = time.monotonic()
        while runs(pid):
            assert time.monotonic() - began < LIMIT
            time.sleep(0.05)
