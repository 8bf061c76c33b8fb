"""The port to the storage of uploads, for HTTP and for WebSocket."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from omnia_facade.auth.principal import Principal


class MediaErrorCode(StrEnum):
    """Why an upload or a download fails."""

    INPUT_INVALID = "input_invalid"
    NOT_FOUND = "not_found"
    EXPIRED = "media_expired"
    TOO_LARGE = "payload_too_large"
    CONFLICT = "upload_conflict"
    STORAGE_FULL = "storage_full"
    STORAGE_FAILED = "storage_failed"
    OVERLOADED = "overloaded"
    AGENT_UNAVAILABLE = "agent_unavailable"
    TOO_MANY_OF_USER = "too_many_of_user"


class MediaFailed(Exception):
    """An upload or a download that is rejected or failed; the message is for the client."""

    def __init__(self, code: MediaErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UploadRequest(Struct, frozen=True):
    """A file that a client wants to upload; it must have exactly `size_bytes` bytes."""

    session_id: str
    filename: str
    mime_type: str
    size_bytes: int


class UploadTicket(Struct, frozen=True):
    """The permission to upload one file.

    Attributes:
        upload_id: identifies the upload; `upl-` and 32 hexadecimal digits.
        upload_url: where the bytes are PUT.
        storage_ref: `omnia://sessions/<session_id>/media/<media_id>`, for `media.storage_ref`.
        expires_at: RFC 3339, UTC; the upload must be complete by then.
    """

    upload_id: str
    upload_url: str
    storage_ref: str
    expires_at: str


class StoredFile(Struct, frozen=True):
    """A complete upload. Times are RFC 3339, UTC; `download_url` is where its bytes are."""

    storage_ref: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: str
    expires_at: str
    download_url: str = ""


class UploadWriter(Protocol):
    """Writes the bytes of one upload. Its opener calls `finish` or `abort` in the end."""

    async def write(self, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            MediaFailed: more bytes than announced, or they cannot be stored.
        """

    async def finish(self) -> StoredFile:
        """Complete the upload.

        Raises:
            MediaFailed: fewer bytes than announced, or they cannot be stored.
        """

    async def abort(self) -> None:
        """Discard the bytes; the upload can be sent again until its ticket expires."""


class Uploads(Protocol):
    """Issues tickets, and stores uploads. All methods raise `MediaFailed`."""

    async def request(self, request: UploadRequest, caller: Principal) -> UploadTicket:
        """Return a ticket."""

    async def open(self, upload_id: str, caller: Principal) -> UploadWriter:
        """Start to write an upload that the same caller requested."""

    def watch(self, upload_id: str, completed: Callable[[StoredFile], None]) -> Callable[[], None]:
        """Call `completed` once the upload is complete; the returned function ends the watch."""
