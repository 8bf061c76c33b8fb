"""`omnia up` whose terminal is closed, or that is killed: nothing of it is left."""

import contextlib
import functools
import os
import pty
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.end_to_end.conftest import LIMIT, OMNIA_STARTED, Start
from tests.end_to_end.test_up import alive
from tests.services import free_port

Example = Callable[[str], Path]


def ends(condition: Callable[[], bool]) -> bool:
    """Wait until a condition no longer holds; return False after the limit."""
    began = time.monotonic()
    while condition():
        if time.monotonic() - began > LIMIT:
            return False
        time.sleep(0.05)
    return True


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return alive(pid)
    return state != "Z"


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_the_processes_and_the_private_folder_end_with_omnia_up(
    start: Start, example: Example, tmp_path: Path, number: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    up = start(example("support-agent"), omnia=OMNIA_STARTED, TMPDIR=str(temporary))
    ready = up.wait("ready")
    up.wait("serving")
    port = urlsplit(ready["url"]).port or 0
    assert len(list(temporary.glob("omnia-*"))) == 1

    code = up.stop(number)

    assert code == (0 if number is signal.SIGHUP else -signal.SIGKILL)
    for pid in ready["pids"].values():
        assert ends(functools.partial(runs, pid))
    assert ends(lambda: listens(port))
    assert ends(lambda: bool(list(temporary.glob("omnia-*"))))


def test_a_temporary_folder_whose_path_is_too_long_for_a_socket(
    start: Start, example: Example, tmp_path: Path, environment: dict[str, str]
) -> None:
    temporary = tmp_path / ("long" * 30)
    temporary.mkdir()
    up = start(example("hello-agent"), omnia=OMNIA_STARTED, TMPDIR=str(temporary))
    up.wait("serving")
    (file,) = (Path(environment["XDG_STATE_HOME"]) / "omnia/running").glob("*.json")
    (agent,) = orjson.loads(file.read_bytes())
    control = Path(agent["control"])
    assert control.is_socket()

    up.stop(signal.SIGKILL)

    assert ends(control.parent.exists)
    assert ends(lambda: bool(list(temporary.glob("omnia-*"))))


def test_a_closed_terminal_ends_omnia_up(example: Example, environment: dict[str, str]) -> None:
    port = free_port()
    folder = example("hello-agent")
    (file,) = folder.glob("*.yaml")
    text = file.read_text()
    file.write_text(text.replace(text.split("port: ")[1].split("\n")[0], str(port), 1))
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *OMNIA_STARTED, "up", "-f", str(folder)],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment,
    )
    os.close(its_end)
    shown = ""
    while "Ctrl-C" not in shown:
        shown += os.read(terminal, 4096).decode(errors="replace")
    assert listens(port)

    os.close(terminal)

    assert process.wait(LIMIT) is not None
    assert ends(lambda: listens(port))


def test_a_program_under_nohup_stays(start: Start, example: Example) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        up = start(example("echo-agent"))
    finally:
        signal.signal(signal.SIGHUP, before)
    up.wait("serving")
    up.process.send_signal(signal.SIGHUP)

    with pytest.raises(subprocess.TimeoutExpired):
        up.process.wait(1)
