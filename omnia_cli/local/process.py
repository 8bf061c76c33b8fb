"""One process on this machine: its files, its environment, how it starts and ends."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omnia_cli.reaper import Reaper

# Variables of a login session that programs need. No other variable of the caller is passed on.
INHERITED = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
STOP_SECONDS = 5.0
# The exit code of a program whose configuration is invalid.
UNUSABLE = 2


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the caller's environment that every process gets."""
    return {name: environ[name] for name in INHERITED if name in environ}


@dataclass(frozen=True)
class Ended:
    """How a process ended; `code` is negative for a signal."""

    code: int
    reason: str


@dataclass(frozen=True)
class ProcessSpec:
    """The command, environment and files of a process.

    Attributes:
        title: the name that people read, such as `support-agent/facade`.
        environment: all variables; nothing else is inherited.
        files: written before the start, and rewritten when only they change.
        folders: created before the start.
        read_at_start: files whose change needs a restart.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[Path, bytes] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    read_at_start: frozenset[Path] = frozenset()

    def restarts(self, new: "ProcessSpec") -> bool:
        """Whether a change to `new` needs a restart."""
        if (self.command, dict(self.environment)) != (new.command, dict(new.environment)):
            return True
        watched = self.read_at_start | new.read_at_start
        return any(self.files.get(path) != new.files.get(path) for path in watched)


def write_files(old: Mapping[Path, bytes], spec: ProcessSpec) -> bool:
    """Write the files, each atomically, and delete old ones; return whether any changed."""
    for folder in spec.folders:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    changed = False
    for path, content in spec.files.items():
        if old.get(path) == content and path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(content)
        beside.replace(path)
        changed = True
    for path in old.keys() - spec.files.keys():
        path.unlink(missing_ok=True)
        changed = True
    return changed


class Process:
    """A started process. `on_line` is called with each line that it prints."""

    def __init__(self, spec: ProcessSpec, on_line: Callable[[str], None], reaper: Reaper) -> None:
        self.spec = spec
        self._reaper = reaper
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._last: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int:
        """The process id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches only the parent.

        Raises:
            OSError: the program cannot be executed.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self.spec.command,
            env=dict(self.spec.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
        )
        self._reaper.watch(self.pid)
        self._reader = asyncio.create_task(self._read(self._process))

    async def wait(self) -> Ended:
        """Wait for the end."""
        assert self._process  # noqa: S101 - started
        code = await self._process.wait()
        self._reaper.forget(self.pid)
        if self._reader:
            await asyncio.wait([self._reader], timeout=1)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = next((line for line in reversed(self._last) if line.strip()), "")
        return Ended(code, f"{how}: {last.strip()}" if last else how)

    async def stop(self, *, grace: float = STOP_SECONDS) -> None:
        """Send SIGTERM, and SIGKILL after `grace` seconds."""
        if not self.running or not self._process:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()
        self._reaper.forget(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout  # noqa: S101 - it is a pipe
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line beyond the limit
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\n")
            self._last.append(text)
            self._on_line(text)
