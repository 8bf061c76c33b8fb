"""Which agents `omnia up` runs on this machine, so that `omnia chat` finds them by name."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from omnia_cli.local.report import Serving


def folder(environ: Mapping[str, str]) -> Path:
    """Return where running agents are announced (XDG Base Directory: state)."""
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "omnia" / "running"


@contextlib.contextmanager
def announced(environ: Mapping[str, str]) -> Iterator[Path]:
    """Keep a file of this process for `announce`, and take it away at the end."""
    file = folder(environ) / f"{os.getpid()}.json"
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def announce(file: Path, agents: Sequence[Serving]) -> None:
    """Write the running agents."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_bytes(msgspec.json.encode(list(agents)))


def running(environ: Mapping[str, str]) -> list[Serving]:
    """List what runs, newest first; files of processes that have ended are taken away."""
    found: list[Serving] = []
    files = folder(environ).glob("*.json")
    for file in sorted(files, key=lambda each: each.stat().st_mtime, reverse=True):
        if not _alive(int(file.stem)):
            file.unlink(missing_ok=True)
            continue
        with contextlib.suppress(msgspec.DecodeError, OSError):
            found += msgspec.json.decode(file.read_bytes(), type=list[Serving])
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
