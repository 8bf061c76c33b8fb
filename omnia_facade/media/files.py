"""The uploads on the file system. Everything here blocks: it is called in threads.

Beside the layout of `omnia_core.media`:

    <root>/.uploads/<upload id>                      a `Pending`, JSON
    <root>/.uploads/<upload id>.done                 the same, when the upload is complete
    <root>/.uploads/<upload id>.<random>.part        bytes on their way
    <root>/<folder of the session>/<media id>.reserved   the same `Pending`, for the limits
    <root>/<folder of the session>/.owner-<digest>   whose session it is

All of it is on the volume that several pods share: each of them can go on where another stopped.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from omnia_core.media import (
    META,
    MediaRecord,
    StorageRef,
    find,
    folder_name,
    opened_folder,
)
from omnia_facade.media.room import (
    RESERVED,
    Limits,
    Pending,
    read_pending,
    require_owner,
    require_room,
)

UPLOADS = ".uploads"
DONE = ".done"
PART = ".part"
NEW = ".new"


class MediaFiles:
    """Reads and writes below one folder.

    All methods raise `OSError` where the volume cannot be read or written.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self._limits = limits

    def prepare(self) -> None:
        """Make the folder of the uploads."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / UPLOADS).mkdir(exist_ok=True, mode=0o700)

    def reserve(self, pending: Pending, now: datetime) -> None:
        """Note an upload that is going to come.

        Raises:
            MediaRefused: the session is somebody else's, or has enough.
        """
        with self._session(pending.session_id) as folder:
            require_owner(folder, pending.user_id)
            require_room(folder, pending.size_bytes, self._limits, now)
            content = msgspec.json.encode(pending)
            reserved = pending.media_id + RESERVED
            _write(folder, reserved, content)
            try:
                with self._uploads() as uploads:
                    _write(uploads, pending.upload_id, content)
            except OSError:
                # It would count for as long as a ticket that nobody has.
                _remove(folder, reserved)
                raise

    def pending(self, upload_id: str) -> tuple[Pending, bool] | None:
        """Return an upload and whether it is complete; None when it is unknown."""
        with self._uploads() as uploads:
            for name, done in ((upload_id, False), (upload_id + DONE, True)):
                with contextlib.suppress(FileNotFoundError):
                    if found := read_pending(uploads, name):
                        return found, done
        return None

    def begin(self, upload_id: str) -> tuple[str, int]:
        """Return name and descriptor of a new file for the bytes of an upload."""
        name = f"{upload_id}.{secrets.token_hex(8)}{PART}"
        with self._uploads() as uploads:
            return name, _create(uploads, name)

    def forget(self, part: str) -> None:
        """Remove the bytes of an upload that does not go on."""
        with self._uploads() as uploads, contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=uploads)

    def keep(self, pending: Pending, part: str, record: MediaRecord) -> bool:
        """Make an upload complete; False when somebody else was faster."""
        upload_id = pending.upload_id
        with self._uploads() as uploads:
            try:
                # Of several who have the bytes, over two connections or in two pods, one can.
                _rename(uploads, upload_id, uploads, upload_id + DONE)
            except FileNotFoundError:
                return False
            try:
                self._place(uploads, part, record)
            except OSError:
                with contextlib.suppress(OSError):
                    _rename(uploads, upload_id + DONE, uploads, upload_id)
                raise
        return True

    def find(self, ref: StorageRef) -> tuple[MediaRecord, int] | None:
        """Return the record of a file and a descriptor of its bytes, as `omnia_core.media` does."""
        return find(self.root, ref)

    def record(self, ref: StorageRef) -> MediaRecord | None:
        """Return the record of a file, None when there is none."""
        found = find(self.root, ref)
        if found is None:
            return None
        record, descriptor = found
        if descriptor >= 0:
            os.close(descriptor)
        return record

    def _place(self, uploads: int, part: str, record: MediaRecord) -> None:
        media_id = record.media_id
        new = f"{media_id}.{secrets.token_hex(8)}{NEW}"
        with self._session(record.session_id) as folder:
            try:
                _rename(uploads, part, folder, media_id)
                _write(folder, new, msgspec.json.encode(record))
                _rename(folder, new, folder, media_id + META)
                # Names are on the disk when their folder is.
                os.fsync(folder)
            except OSError:
                _remove(folder, media_id + META, new, media_id)
                raise
            _remove(folder, media_id + RESERVED)

    def _uploads(self) -> contextlib.AbstractContextManager[int]:
        return opened_folder(self.root / UPLOADS)

    @contextmanager
    def _session(self, session_id: str) -> Iterator[int]:
        path = self.root / folder_name(session_id)
        path.mkdir(exist_ok=True)
        with opened_folder(path) as folder:
            yield folder


def _create(folder: int, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o640, dir_fd=folder)


def _write(folder: int, name: str, content: bytes) -> None:
    """Write a small file that is whole on the disk before it is mentioned anywhere."""
    descriptor = _create(folder, name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        _remove(folder, name)
        raise


def _remove(folder: int, *names: str) -> None:
    """Remove what may be there; what cannot be removed is left to the sweep."""
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


def _rename(source: int, name: str, target: int, new: str) -> None:
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
