"""Ends the processes of a command that dies without ending them itself, as by SIGKILL.

The reaper is a small program beside them, run from this file. It reads from a pipe which processes
run; when the pipe ends, it ends those that are left and removes the private folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

# Time between SIGTERM and SIGKILL.
GRACE_SECONDS = 5.0
_INTERVAL = 0.05


class Reaper:
    """The reaper, as the command sees it: a context manager that starts and ends the program."""

    def __init__(self, *private: Path) -> None:
        """`private` are the folders that are removed."""
        folders = map(str, private)
        # Without site packages it starts fast; in a session of its own no terminal ends it.
        self._program = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", __file__, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._program.stdin:
            with contextlib.suppress(OSError):
                self._program.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._program.wait(2 * GRACE_SECONDS)

    def watch(self, group: int) -> None:
        """Add a process group."""
        self._write(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Remove a process group that has ended."""
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        if self._program.stdin:
            # Someone may have killed the reaper; everything else still works.
            with contextlib.suppress(OSError):
                self._program.stdin.write(line.encode())
                self._program.stdin.flush()


def main() -> None:
    """Wait for the end of standard input, then end the process groups that are left."""
    groups: set[int] = set()
    for line in sys.stdin:
        change, group = line[0], int(line[1:])
        if change == "+":
            groups.add(group)
        else:
            groups.discard(group)
    left = {group for group in groups if _send(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
        left = {group for group in left if _send(group, 0)}
    for group in left:
        _send(group, signal.SIGKILL)
    for folder in sys.argv[1:]:
        shutil.rmtree(folder, ignore_errors=True)


def _send(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether the group exists."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
