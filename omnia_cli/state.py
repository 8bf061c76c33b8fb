"""The state folders of this machine: which agents run, and the conversations of each project."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_FILE = "sessions.db"
_PROJECT = "project"
_LOCK = "up.lock"


def state_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of all state (XDG Base Directory: state)."""
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "omnia"


@dataclass(frozen=True)
class Project:
    """The state of the manifests in one folder.

    Attributes:
        manifests: the folder of the manifests, or of the first of several.
        folder: the state folder.
    """

    manifests: Path
    folder: Path

    @classmethod
    def of(cls, paths: Sequence[Path], environ: Mapping[str, str]) -> "Project":
        """Return the project of the paths that a command got: the folder of the first one."""
        first = paths[0].resolve()
        manifests = first if first.is_dir() else first.parent
        digest = sha256(os.fsencode(manifests)).hexdigest()[:8]
        return cls(manifests, state_home(environ) / f"{manifests.name or 'root'}-{digest}")

    @property
    def sessions(self) -> Path:
        """The file of the conversations."""
        return self.folder / _FILE

    @property
    def used_at(self) -> float:
        """When the conversations were last written, in seconds since the epoch; 0 without any."""
        files = (self.sessions, self.sessions.with_name(f"{_FILE}-wal"))
        return max(map(_modified, files))

    def is_near(self, folder: Path) -> bool:
        """Whether the manifests are in a folder, around it or below it."""
        return folder.is_relative_to(self.manifests) or self.manifests.is_relative_to(folder)

    def create(self) -> None:
        """Make the state folder, and note in it whose it is.

        Raises:
            OSError: it cannot be made.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / _PROJECT).write_bytes(os.fsencode(self.manifests))

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Yield whether no other `omnia up` uses the state folder; hold it meanwhile.

        Raises:
            OSError: the folder cannot be used.
        """
        import fcntl  # noqa: PLC0415 - not every system has it; only `omnia up` needs it

        with (self.folder / _LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def projects(environ: Mapping[str, str]) -> list[Project]:
    """List the projects with conversations, the last used one first."""
    found: list[Project] = []
    for file in state_home(environ).glob(f"*/{_PROJECT}"):
        with contextlib.suppress(OSError):
            found.append(Project(Path(os.fsdecode(file.read_bytes())), file.parent))
    kept = [project for project in found if project.sessions.exists()]
    return sorted(kept, key=lambda project: project.used_at, reverse=True)


def nearest(found: Sequence[Project], here: Path) -> Project | None:
    """Return the first project in, around or below a folder; else the first of all."""
    near = (project for project in found if project.is_near(here))
    return next(near, found[0] if found else None)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # it does not exist
        return 0.0
