"""Ownership and quota of a session's uploads. Everything here blocks."""

import contextlib
import os
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from omnia_core.media import UNREADABLE, StorageRef, Time, is_media_id, read_file
from omnia_facade.media.port import MediaErrorCode, MediaFailed

RESERVED = ".reserved"
OWNER = ".owner-"


class PendingUpload(Struct, frozen=True):
    """An upload that was requested; `user_id` may send it until `expires_at`."""

    upload_id: str
    session_id: str
    media_id: str
    filename: str
    mime_type: str
    size_bytes: int
    user_id: str
    expires_at: Time

    @property
    def ref(self) -> StorageRef:
        """The reference of the complete file."""
        return StorageRef(self.session_id, self.media_id)


class UploadQuota(Struct, frozen=True):
    """The limits of a session.

    Attributes:
        size: of all files together, in bytes; the first file may exceed it.
        files: their number.
        pending: uploads that are requested and not complete.
    """

    size: int
    files: int
    pending: int

    def require(self, folder: int, size: int, now: datetime) -> None:
        """Require room for another upload of `size` bytes in the folder of a session.

        Raises:
            MediaFailed: a limit is reached.
        """
        usage = _usage(folder, now)
        if usage.pending >= self.pending:
            raise MediaFailed(
                MediaErrorCode.CONFLICT,
                f"{self.pending} uploads of this session are requested and not complete; finish"
                " one first",
            )
        if usage.files + usage.pending >= self.files:
            raise MediaFailed(
                MediaErrorCode.STORAGE_FULL,
                f"this session has {self.files} files, which is its limit",
            )
        if usage.files + usage.pending and usage.size + size > self.size:
            raise MediaFailed(
                MediaErrorCode.STORAGE_FULL,
                f"the files of this session would have {usage.size + size} bytes together; the"
                f" limit is {self.size}",
            )
        volume = os.fstatvfs(folder)
        if volume.f_bavail * volume.f_frsize < size:
            raise MediaFailed(MediaErrorCode.STORAGE_FULL, "the volume of the uploads is full")


class _Usage(Struct):
    size: int = 0
    files: int = 0
    pending: int = 0


def require_owner(folder: int, user_id: str) -> None:
    """Require that the session belongs to this user.

    The first authenticated user owns the session; anonymous sessions are shared.

    Raises:
        MediaFailed: it belongs to another user.
    """
    own = owner_name(user_id)
    _require_no_other_owner(folder, own)
    try:
        os.close(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=folder))
    except FileExistsError:
        return
    try:
        # Another pod may have created the file of another user at the same time.
        _require_no_other_owner(folder, own)
    except MediaFailed:
        os.unlink(own, dir_fd=folder)
        raise


def owner_name(user_id: str) -> str:
    """Return the name of the file that marks the owner of a session."""
    return OWNER + sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_pending(folder: int, name: str) -> PendingUpload | None:
    """Read a requested upload from a file in a folder; None if the content is invalid.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(read_file(folder, name), type=PendingUpload)
    except UNREADABLE:
        return None


def _require_no_other_owner(folder: int, own: str) -> None:
    owners = {name for name in os.listdir(folder) if name.startswith(OWNER)}
    if owners - {own, owner_name("")}:
        raise MediaFailed(MediaErrorCode.NOT_FOUND, "there is no such session")


def _usage(folder: int, now: datetime) -> _Usage:
    usage = _Usage()
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another pod may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if is_media_id(entry.name):
                    usage.files += 1
                    usage.size += entry.stat(follow_symlinks=False).st_size
                elif entry.name.endswith(RESERVED):
                    pending = read_pending(folder, entry.name)
                    if pending and pending.expires_at > now:
                        usage.pending += 1
                        usage.size += pending.size_bytes
    return usage
