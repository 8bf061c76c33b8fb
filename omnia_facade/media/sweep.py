"""Removes expired files and abandoned uploads, a few entries at a time, and counts the others."""

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import structlog

from omnia_core.media import META, is_media_id, opened_folder, read_record
from omnia_facade.media.files import DONE, NEW, PART, UPLOADS
from omnia_facade.media.port import MediaFailed
from omnia_facade.media.quota import OWNER, RESERVED, read_pending
from omnia_facade.media.threads import in_thread
from omnia_facade.media.usage import VolumeUsage

SWEEP_SECONDS = 15.0
SWEEP_ENTRIES = 1000

# An expired file is reported as expired for so long, and as unknown afterwards. Abandoned uploads
# are kept for so long after their ticket.
REMEMBERED = timedelta(hours=1)

_Entry: TypeAlias = tuple[Path, str]
_TEMPORARY = (PART, NEW, RESERVED, DONE)

_log = structlog.get_logger()


class MediaSweeper:
    """Goes through the folder in rounds, some entries at each step."""

    def __init__(
        self, root: Path, now: Callable[[], datetime], ticket: timedelta, usage: VolumeUsage
    ) -> None:
        """`ticket` is the lifetime of a ticket."""
        self._root = root
        self._now = now
        self._ticket = ticket
        self._kept = ticket + REMEMBERED
        self._usage = usage
        self._left = self._round()

    async def run(self) -> None:
        """Sweep until cancelled; the first round without a pause, because it counts the files."""
        counted = False
        while True:
            if counted:
                await asyncio.sleep(SWEEP_SECONDS)
            try:
                counted |= await in_thread(self.step, SWEEP_ENTRIES)
            except MediaFailed:
                counted = True
            except Exception:  # noqa: BLE001 - the other entries are swept all the same
                _log.exception("an upload was not swept")
                counted = True

    def step(self, entries: int) -> bool:
        """Check some entries; return whether the round is complete. Blocks."""
        now = self._now()
        for _ in range(entries):
            entry = next(self._left, None)
            if entry is None:
                self._usage.round_ended()
                self._left = self._round()
                return True
            # Other pods sweep the same volume.
            with contextlib.suppress(OSError):
                self._check(*entry, now)
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

    def _check(self, path: Path, name: str, now: datetime) -> None:
        with opened_folder(path) as folder:
            if not name:
                self._remove_session(path, folder, now)
            elif name.endswith(META) and is_media_id(name.removesuffix(META)):
                self._check_record(folder, name.removesuffix(META), now)
            elif self._is_abandoned(path, folder, name) and self._is_old(folder, name, now):
                os.unlink(name, dir_fd=folder)
            else:
                self._count_unfinished(folder, name, now)

    def _count_unfinished(self, folder: int, name: str, now: datetime) -> None:
        """Count a reserved upload, and bytes that no reservation counts any more."""
        if name.endswith(RESERVED):
            pending = read_pending(folder, name)
            if pending:
                size = pending.size_bytes if pending.expires_at > now else 0
                self._usage.count(pending.media_id, pending.user_id, size)
        elif name.endswith(PART) and self._is_old(folder, name, now, self._ticket):
            size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            self._usage.count(name, "", size)

    def _check_record(self, folder: int, media_id: str, now: datetime) -> None:
        record = read_record(folder, media_id)
        if record is None:
            if self._is_old(folder, media_id + META, now):
                os.unlink(media_id + META, dir_fd=folder)
            return
        if record.expires_at > now:
            self._usage.count(media_id, record.user_id, record.size_bytes)
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(media_id, dir_fd=folder)
        if record.expires_at + REMEMBERED <= now:
            os.unlink(media_id + META, dir_fd=folder)

    @staticmethod
    def _is_abandoned(path: Path, folder: int, name: str) -> bool:
        if path.name == UPLOADS or name.endswith(_TEMPORARY):
            return True
        return is_media_id(name) and _record_of(folder, name) is None

    def _is_old(self, folder: int, name: str, now: datetime, age: timedelta | None = None) -> bool:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return now.timestamp() - status.st_mtime > (age or self._kept).total_seconds()

    def _remove_session(self, path: Path, folder: int, now: datetime) -> None:
        """Remove the folder of a session without files; without an owner it is not a session."""
        names = os.listdir(folder)
        owners = [name for name in names if name.startswith(OWNER)]
        if not owners or len(owners) < len(names) or not self._is_old(folder, ".", now):
            return
        for name in owners:
            os.unlink(name, dir_fd=folder)
        path.rmdir()


def _record_of(folder: int, media_id: str) -> object | None:
    try:
        return read_record(folder, media_id)
    except FileNotFoundError:
        return None


def _is_folder(path: Path) -> bool:
    """Whether there is a readable folder that is not a symbolic link."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _names(folder: Path) -> Iterator[str]:
    """Yield the names in a folder as they are read: there may be too many for memory."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name
    except OSError:
        return
