"""Uploads on the file system. Everything here blocks, and is called in threads.

In addition to the layout of `omnia_core.media`:

    <root>/.key                                      with which ids of sessions are made
    <root>/.uploads/<upload id>                      a `PendingUpload`, JSON
    <root>/.uploads/<upload id>.done                 the same, once the upload is complete
    <root>/.uploads/<upload id>.<random>.part        bytes that were received so far
    <root>/<folder of the session>/<media id>.reserved   the same, for the quota
    <root>/<folder of the session>/.owner-<digest>   marks the owner of the session

The volume is shared by several pods: each can continue what another one started.
"""

import contextlib
import errno
import os
import secrets
import time
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
    read_file,
)
from omnia_facade.media.quota import (
    RESERVED,
    PendingUpload,
    UploadQuota,
    read_pending,
    require_owner,
)
from omnia_facade.media.usage import VolumeUsage

UPLOADS = ".uploads"
DONE = ".done"
PART = ".part"
NEW = ".new"
KEY = ".key"
KEY_BYTES = 32
# How often a key is read that another pod is writing, and at which intervals.
KEY_READS = 20
KEY_SECONDS = 0.1


class MediaFiles:
    """Reads and writes below one folder.

    All methods raise `OSError` where the volume cannot be read or written.
    """

    def __init__(self, root: Path, quota: UploadQuota, usage: VolumeUsage) -> None:
        self.root = root
        self._quota = quota
        self._usage = usage

    def reserve(self, pending: PendingUpload, now: datetime) -> None:
        """Reserve room for an upload.

        Raises:
            MediaFailed: the session belongs to another user, or a quota is exhausted.
        """
        self._usage.reserve(pending.media_id, pending.user_id, pending.size_bytes)
        try:
            self._write_reservation(pending, now)
        except BaseException:
            self._usage.release(pending.media_id)
            raise

    def pending(self, upload_id: str) -> tuple[PendingUpload, bool] | None:
        """Return an upload and whether it is complete; None if it is unknown."""
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
        """Remove the bytes of an aborted upload."""
        with self._uploads() as uploads, contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=uploads)

    def keep(self, pending: PendingUpload, part: str, record: MediaRecord) -> bool:
        """Complete an upload; False if another connection or pod was faster."""
        upload_id = pending.upload_id
        with self._uploads() as uploads:
            try:
                # Only one of several connections or pods that have all bytes can rename it.
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
        """Return the record of a file; None if there is no such file."""
        found = find(self.root, ref)
        if found is None:
            return None
        record, descriptor = found
        if descriptor >= 0:
            os.close(descriptor)
        return record

    def _write_reservation(self, pending: PendingUpload, now: datetime) -> None:
        with self._session(pending.session_id) as folder:
            require_owner(folder, pending.user_id)
            self._quota.require(folder, pending.size_bytes, now)
            content = msgspec.json.encode(pending)
            reserved = pending.media_id + RESERVED
            _write(folder, reserved, content)
            try:
                with self._uploads() as uploads:
                    _write(uploads, pending.upload_id, content)
            except OSError:
                # Otherwise it would count although its ticket was not issued.
                _remove(folder, reserved)
                raise

    def _place(self, uploads: int, part: str, record: MediaRecord) -> None:
        media_id = record.media_id
        new = f"{media_id}.{secrets.token_hex(8)}{NEW}"
        with self._session(record.session_id) as folder:
            try:
                _rename(uploads, part, folder, media_id)
                _write(folder, new, msgspec.json.encode(record))
                _rename(folder, new, folder, media_id + META)
                # The names are on the disk once their folder is.
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


def prepare(root: Path) -> bytes:
    """Make the folders that a volume needs for uploads; return its key, which all pods share.

    Raises:
        OSError: the volume cannot be used.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / UPLOADS).mkdir(exist_ok=True, mode=0o700)
    with opened_folder(root) as folder:
        for _ in range(2):
            with contextlib.suppress(FileExistsError):
                _write(folder, KEY, secrets.token_bytes(KEY_BYTES))
            for _ in range(KEY_READS):
                key = read_file(folder, KEY)
                if len(key) == KEY_BYTES:
                    return key
                # Another pod is writing it.
                time.sleep(KEY_SECONDS)
            # That pod has ended.
            _remove(folder, KEY)
    raise OSError(errno.EIO, f"the file {KEY} is not complete")


def _create(folder: int, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o640, dir_fd=folder)


def _write(folder: int, name: str, content: bytes) -> None:
    """Write a small file, and flush it to the disk before anything refers to it."""
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
    """Remove files that may be absent; the sweep removes those that remain."""
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


def _rename(source: int, name: str, target: int, new: str) -> None:
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
