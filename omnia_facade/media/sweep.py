"""What has expired, and what was left half done, is removed a little at a time."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from omnia_core.media import META, is_media_id, opened_folder, read_record
from omnia_facade.media.files import DONE, NEW, PART, UPLOADS
from omnia_facade.media.room import OWNER, RESERVED

# Of what is expired it is known for so long that it was there; what nobody finished lies as long.
REMEMBERED = timedelta(hours=1)

_Entry: TypeAlias = tuple[Path, str]
_SCRAPS = (PART, NEW, RESERVED, DONE)


class Sweeper:
    """Goes around the folder again and again, some entries each time. Blocks."""

    def __init__(self, root: Path, now: Callable[[], datetime], ticket: timedelta) -> None:
        """`ticket` is how long an upload may take from its request."""
        self._root = root
        self._now = now
        self._kept = ticket + REMEMBERED
        self._left: Iterator[_Entry] = iter(())

    def step(self, entries: int) -> bool:
        """Look at some entries; return whether the round is complete."""
        now = self._now()
        for _ in range(entries):
            entry = next(self._left, None)
            if entry is None:
                self._left = self._round()
                return True
            # Other pods sweep the same volume.
            with contextlib.suppress(OSError):
                self._look(*entry, now)
        return False

    def _round(self) -> Iterator[_Entry]:
        for folder in _names(self._root):
            path = self._root / folder
            if not _is_folder(path):
                continue
            for name in _names(path):
                yield path, name
            if folder != UPLOADS:
                yield path, ""

    def _look(self, path: Path, name: str, now: datetime) -> None:
        with opened_folder(path) as folder:
            if not name:
                self._leave(path, folder, now)
            elif name.endswith(META) and is_media_id(name.removesuffix(META)):
                self._record(folder, name.removesuffix(META), now)
            elif self._is_scrap(path, folder, name) and self._is_old(folder, name, now):
                os.unlink(name, dir_fd=folder)

    def _record(self, folder: int, media_id: str, now: datetime) -> None:
        record = read_record(folder, media_id)
        if record is None:
            if self._is_old(folder, media_id + META, now):
                os.unlink(media_id + META, dir_fd=folder)
            return
        if record.expires_at > now:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(media_id, dir_fd=folder)
        if record.expires_at + REMEMBERED <= now:
            os.unlink(media_id + META, dir_fd=folder)

    @staticmethod
    def _is_scrap(path: Path, folder: int, name: str) -> bool:
        if path.name == UPLOADS or name.endswith(_SCRAPS):
            return True
        return is_media_id(name) and _record_of(folder, name) is None

    def _is_old(self, folder: int, name: str, now: datetime) -> bool:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return now.timestamp() - status.st_mtime > self._kept.total_seconds()

    def _leave(self, path: Path, folder: int, now: datetime) -> None:
        """Remove the folder of a session without files; those of others are not ours."""
        left = os.listdir(folder)
        owners = [each for each in left if each.startswith(OWNER)]
        if not owners or len(owners) < len(left) or not self._is_old(folder, ".", now):
            return
        for each in owners:
            os.unlink(each, dir_fd=folder)
        path.rmdir()


def _record_of(folder: int, media_id: str) -> object | None:
    try:
        return read_record(folder, media_id)
    except FileNotFoundError:
        return None


def _is_folder(path: Path) -> bool:
    """Whether there is a folder that is no symbolic link; one that cannot be read is none."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _names(folder: Path) -> Iterator[str]:
    """Yield the names in a folder as they are read, which never holds all of them."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name
    except OSError:
        return
