"""The agents that run on this machine, so that `omnia chat` finds them by name."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from omnia_cli.local.report import AgentState, Serving
from omnia_cli.state import state_home


class StateUnusable(Exception):
    """The folder of the running agents cannot be written; the message is for people."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"the state folder {folder} cannot be used: {error.strerror}; free space or correct its"
            " permissions, or set XDG_STATE_HOME to a folder that can be written"
        )


def folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the running agents."""
    return state_home(environ) / "running"


@contextlib.contextmanager
def announced(environ: Mapping[str, str]) -> Iterator[Path]:
    """Announce an `omnia up` that has not read its manifests yet; delete the file at the end.

    Yields:
        The file of this process, for `announce`.

    Raises:
        StateUnusable: the file cannot be written.
    """
    file = folder(environ) / f"{os.getpid()}.json"
    try:
        announce(file, None)
        yield file
    finally:
        # Without the folder there is no file either.
        with contextlib.suppress(OSError):
            file.unlink()


def starting(environ: Mapping[str, str], name: str) -> bool:
    """Whether an agent starts: it is announced so, or an `omnia up` has not read its manifests."""
    announcements = [_read(file) for file in _files(environ) if _alive(int(file.stem))]
    return any(
        agents is None
        or any(agent.is_named(name) and agent.state is AgentState.STARTING for agent in agents)
        for agents in announcements
    )


def announced_any(environ: Mapping[str, str]) -> bool:
    """Whether any `omnia up` runs."""
    return any(_alive(int(file.stem)) for file in _files(environ))


def announce(file: Path, agents: Sequence[Serving] | None) -> None:
    """Write the agents that run or start, atomically; None while the manifests are not read.

    Raises:
        StateUnusable: the file cannot be written.
    """
    beside = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(msgspec.json.encode(agents if agents is None else list(agents)))
        beside.replace(file)
    except OSError as error:
        raise StateUnusable(file.parent, error) from error


def running(environ: Mapping[str, str]) -> list[Serving]:
    """List the agents that serve, newest first; delete the files of processes that have ended."""
    return [each for each in listed(environ) if each.state is AgentState.READY]


def listed(environ: Mapping[str, str]) -> list[Serving]:
    """List the agents that serve or start; otherwise as `running`."""
    found: list[Serving] = []
    for file in sorted(_files(environ), key=_modified, reverse=True):
        if _alive(int(file.stem)):
            found += _read(file) or []
        else:
            for left in folder(environ).glob(f"{file.stem}.*"):
                left.unlink(missing_ok=True)
    return found


def occupant(environ: Mapping[str, str], port: int) -> str:
    """Return the name of the program that uses a port, for a message."""
    for agent in listed(environ):
        if urlsplit(agent.url).port == port:
            return f'the agent "{agent.name}" of another `omnia up`'
        if agent.hub and urlsplit(agent.hub).port == port:
            return "the console of another `omnia up`"
    return "another program"


def _files(environ: Mapping[str, str]) -> list[Path]:
    return [file for file in folder(environ).glob("*.json") if file.stem.isdecimal()]


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # another process has deleted it
        return 0.0


def _read(file: Path) -> list[Serving] | None:
    with contextlib.suppress(msgspec.DecodeError, OSError):
        return msgspec.json.decode(file.read_bytes(), type=list[Serving] | None)
    return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
