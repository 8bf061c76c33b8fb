"""The lines that the programs of one `omnia up` print, in a file for `omnia logs`."""

import contextlib
import os
from pathlib import Path
from typing import Self

from omnia_cli.local.report import Reporter, Serving, VersionChange

LOG = ".log"
# A larger file is replaced by a new one, and kept beside it.
LARGEST_BYTES = 8 * 1024 * 1024


def file_before(file: Path) -> Path:
    """Return the file in whose place a log file was begun."""
    return file.with_suffix(f"{LOG}.before")


class LogFile:
    """The lines of all programs of one `omnia up`, each with its title in front.

    A disk that is full costs lines, and nothing else.
    """

    def __init__(self, file: Path) -> None:
        self.path = file
        self._size = 0
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the file."""
        for file in (self.path, file_before(self.path)):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)

    def write(self, title: str, text: str) -> None:
        """Append a line of a program."""
        data = f"{title}\t{text}\n".encode(errors="replace")
        with contextlib.suppress(OSError):
            if self._size + len(data) > LARGEST_BYTES:
                self.path.replace(file_before(self.path))
                self._size = 0
            descriptor = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
            self._size += len(data)


class LoggedReporter:
    """Another reporter, with the lines of programs in a file too."""

    def __init__(self, reporter: Reporter, log: LogFile) -> None:
        self._reporter = reporter
        self._log = log

    def ready(self, agent: Serving) -> None:
        self._reporter.ready(agent)

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        self._reporter.serving(agents, sessions)

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        self._reporter.reloaded(name, versions)

    def removed(self, name: str) -> None:
        self._reporter.removed(name)

    def failed(self, name: str, reason: str) -> None:
        self._reporter.failed(name, reason)

    def repaired(self, name: str) -> None:
        self._reporter.repaired(name)

    def note(self, name: str, text: str) -> None:
        self._reporter.note(name, text)

    def line(self, title: str, text: str) -> None:
        self._log.write(title, text)
        self._reporter.line(title, text)
