"""The port between those who take uploads, over HTTP or WebSocket, and where they are kept."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from omnia_facade.auth.principal import Principal


class MediaErrorCode(StrEnum):
    """Why an upload or a download is not served."""

    INPUT_INVALID = "input_invalid"
    NOT_FOUND = "not_found"
    EXPIRED = "media_expired"
    TOO_LARGE = "payload_too_large"
    CONFLICT = "upload_conflict"
    STORAGE_FULL = "storage_full"
    STORAGE_FAILED = "storage_failed"
    OVERLOADED = "overloaded"
    TOO_MANY_OF_USER = "too_many_of_user"


class MediaRefused(Exception):
    """An upload or a download that is not served; the message is for the client."""

    def __init__(self, code: MediaErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UploadRequest(Struct, frozen=True):
    """A file that a client wants to upload; `size_bytes` is what it says, and is held to."""

    session_id: str
    filename: str
    mime_type: str
    size_bytes: int


class Ticket(Struct, frozen=True):
    """The permission to upload one file.

    Attributes:
        upload_id: names the upload; `upl-` and 32 hexadecimal digits.
        upload_url: where the bytes are PUT.
        storage_ref: `omnia://sessions/<session_id>/media/<media_id>`, for `media.storage_ref`.
        expires_at: RFC 3339, UTC; the bytes have to be there by then.
    """

    upload_id: str
    upload_url: str
    storage_ref: str
    expires_at: str


class Stored(Struct, frozen=True):
    """A file that is there. Times are RFC 3339, UTC; `download_url` is where its bytes are."""

    storage_ref: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: str
    expires_at: str
    download_url: str = ""


class UploadWriter(Protocol):
    """Takes the bytes of one upload; whoever opened it calls `finish` or `abort` in the end."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            MediaRefused: there are more than were announced, or they cannot be kept.
        """

    async def finish(self) -> Stored:
        """Keep the file.

        Raises:
            MediaRefused: there are fewer bytes than were announced, or they cannot be kept.
        """

    async def abort(self) -> None:
        """Forget what was written; the upload can be begun anew until its ticket expires."""


class Uploads(Protocol):
    """Gives tickets, and takes the bytes. All methods raise `MediaRefused`."""

    async def request(self, request: UploadRequest, caller: Principal) -> Ticket:
        """Return a ticket."""

    async def open(self, upload_id: str, caller: Principal) -> UploadWriter:
        """Begin to take the bytes of an upload that the same caller requested."""

    def watch(self, upload_id: str, completed: Callable[[Stored], None]) -> Callable[[], None]:
        """Call back once when the upload is complete; what is returned ends the watch."""
