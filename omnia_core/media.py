"""Files and names of uploads on the volume that the containers of a pod share.

<root>/<folder of the session>/<media id>         the content
<root>/<folder of the session>/<media id>.meta    a `MediaRecord` as JSON; written last
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Self, TypeAlias

import msgspec
from msgspec import Meta, Struct

META = ".meta"

# The errors of msgspec for bytes that are not the JSON of a type.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Time: TypeAlias = Annotated[datetime, Meta(tz=True)]

# The session ids that the WebSocket protocol accepts.
_SESSION_ID = r"[A-Za-z0-9._:-]{1,128}"
_MEDIA_ID = r"[0-9a-f]{32}"
_REFERENCE = re.compile(f"omnia://sessions/({_SESSION_ID})/media/({_MEDIA_ID})")
# A file system may be case-insensitive, and `..` is the parent folder.
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_HASHED = "="
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class StorageRef(Struct, frozen=True):
    """The name of an upload: `omnia://sessions/<session_id>/media/<media_id>`."""

    session_id: str
    media_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a reference.

        Raises:
            ValueError: the text is not a reference; the message shows the format.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise ValueError(
                'expected "omnia://sessions/<session_id>/media/<media_id>" with a media id of 32'
                f' hexadecimal digits, found "{text[:256]}"'
            )
        return cls(found[1], found[2])

    @classmethod
    def of(cls, session_id: str, media_id: str) -> Self:
        """Make a reference from its two ids.

        Raises:
            ValueError: an id is invalid.
        """
        return cls.parse(f"omnia://sessions/{session_id}/media/{media_id}")

    def __str__(self) -> str:
        return f"omnia://sessions/{self.session_id}/media/{self.media_id}"


class MediaRecord(Struct, frozen=True):
    """The record of an upload.

    Attributes:
        user_id: the user who uploaded it; "" when anonymous.
        expires_at: from then on it is not served.
    """

    session_id: str
    media_id: str
    filename: str
    mime_type: str
    size_bytes: int
    user_id: str
    created_at: Time
    expires_at: Time

    def open_to(self, user_id: str) -> bool:
        """Whether a user may download it; an anonymous upload is open to everybody."""
        return self.user_id in ("", user_id)


def is_session_id(text: str) -> bool:
    """Whether a text is a valid id of a session with uploads."""
    return re.fullmatch(_SESSION_ID, text) is not None


def is_media_id(text: str) -> bool:
    """Whether a text is a valid id of an upload."""
    return re.fullmatch(_MEDIA_ID, text) is not None


def folder_name(session_id: str) -> str:
    """Return the folder of a session: its id or, if that is not a safe name, a hash of it."""
    if _PLAIN.fullmatch(session_id):
        return session_id
    return _HASHED + sha256(session_id.encode()).hexdigest()


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Open a folder for use as `dir_fd`; symbolic links are refused.

    Raises:
        OSError: there is no such folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(folder: int, name: str) -> int:
    """Open a regular file of a folder; symbolic links are refused.

    Raises:
        OSError: there is no such file.
    """
    # Opening a pipe would block.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", name)
    return descriptor


def read_file(folder: int, name: str) -> bytes:
    """Return the content of a file in a folder.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(open_file(folder, name), "rb") as file:
        return file.read()


def find(root: Path, ref: StorageRef) -> tuple[MediaRecord, int] | None:
    """Return the record of an upload and a descriptor of its content, which the caller closes.

    The descriptor is -1 when the content is deleted already. None: there is no such upload.

    Raises:
        OSError: the volume cannot be read.
    """
    try:
        with opened_folder(root / folder_name(ref.session_id)) as folder:
            record = read_record(folder, ref.media_id)
            if record is None or record.session_id != ref.session_id:
                return None
            return record, _bytes(folder, ref.media_id)
    except OSError as error:
        if is_absence(error):
            return None
        raise


def read_record(folder: int, media_id: str) -> MediaRecord | None:
    """Return the record of an upload in the folder of a session; None when it is invalid.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(read_file(folder, media_id + META), type=MediaRecord)
    except UNREADABLE:
        return None


def is_absence(error: OSError) -> bool:
    """Whether an error means that a file does not exist, or is a symbolic link."""
    return error.errno in _ABSENT


def _bytes(folder: int, media_id: str) -> int:
    try:
        return open_file(folder, media_id)
    except OSError as error:
        if is_absence(error):
            return -1
        raise
