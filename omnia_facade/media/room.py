"""Whose a session is, and whether it may have another upload. What is here blocks."""

import contextlib
import os
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from omnia_core.media import UNREADABLE, StorageRef, Time, is_media_id, read_file
from omnia_facade.media.port import MediaErrorCode, MediaRefused

RESERVED = ".reserved"
OWNER = ".owner-"


class Limits(Struct, frozen=True):
    """What a session may have.

    Attributes:
        size: of all its files, in bytes; the first file may have any.
        files: their number.
        pending: uploads that are requested and not complete.
    """

    size: int
    files: int
    pending: int


class Pending(Struct, frozen=True):
    """An upload that was requested; `user_id` may do it until `expires_at`."""

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
        """What the upload is going to be called."""
        return StorageRef(self.session_id, self.media_id)


class _Use(Struct):
    size: int = 0
    files: int = 0
    pending: int = 0


def require_owner(folder: int, user_id: str) -> None:
    """Let the first user of a session be the only one; nobody's session is everybody's.

    Raises:
        MediaRefused: it is somebody else's.
    """
    own = owner_name(user_id)
    _require_no_other(folder, own)
    try:
        os.close(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=folder))
    except FileExistsError:
        return
    try:
        # Another pod may have looked at the same moment, for somebody else.
        _require_no_other(folder, own)
    except MediaRefused:
        os.unlink(own, dir_fd=folder)
        raise


def require_room(folder: int, size: int, limits: Limits, now: datetime) -> None:
    """Let a session have another upload of some bytes.

    Raises:
        MediaRefused: it has enough.
    """
    use = _use(folder, now)
    if use.pending >= limits.pending:
        raise MediaRefused(
            MediaErrorCode.CONFLICT,
            f"{limits.pending} uploads of this session are requested and not complete; finish"
            " one first",
        )
    if use.files + use.pending >= limits.files:
        raise MediaRefused(
            MediaErrorCode.STORAGE_FULL,
            f"this session has {limits.files} files, which is as many as it may have",
        )
    if use.files + use.pending and use.size + size > limits.size:
        raise MediaRefused(
            MediaErrorCode.STORAGE_FULL,
            f"the files of this session would have {use.size + size} bytes together; they may"
            f" have {limits.size}",
        )
    volume = os.fstatvfs(folder)
    if volume.f_bavail * volume.f_frsize < size:
        raise MediaRefused(MediaErrorCode.STORAGE_FULL, "the volume of the uploads is full")


def owner_name(user_id: str) -> str:
    """Return the name of the file that says whose a session is."""
    return OWNER + sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_pending(folder: int, name: str) -> Pending | None:
    """Return an upload that was requested, from a file of a folder; None when it is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(read_file(folder, name), type=Pending)
    except UNREADABLE:
        return None


def _require_no_other(folder: int, own: str) -> None:
    there = {each for each in os.listdir(folder) if each.startswith(OWNER)}
    if there - {own, owner_name("")}:
        raise MediaRefused(MediaErrorCode.NOT_FOUND, "there is no such session")


def _use(folder: int, now: datetime) -> _Use:
    use = _Use()
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another pod may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if is_media_id(entry.name):
                    use.files += 1
                    use.size += entry.stat(follow_symlinks=False).st_size
                elif entry.name.endswith(RESERVED):
                    pending = read_pending(folder, entry.name)
                    if pending and pending.expires_at > now:
                        use.pending += 1
                        use.size += pending.size_bytes
    return use
