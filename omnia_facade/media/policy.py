"""The rules for uploads: what is accepted, how long it is kept, and how it is described."""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from omnia_core.media import MediaRecord, StorageRef, is_session_id
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
)
from omnia_facade.media.quota import PendingUpload

TICKET_LIFETIME = timedelta(minutes=15)
MAX_NAME = 255
MAX_TYPE = 255

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110, section 5.6.2
# RFC 9110, section 8.3.1.
_MIME_TYPE = re.compile(
    rf"{_TOKEN}/{_TOKEN}"
    rf"(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|\"[^\"\\\x00-\x1f\x7f-\U0010ffff]*\"))*"
)
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class MediaPolicy(Struct, frozen=True):
    """The rules of one agent.

    Attributes:
        public_url: the address of this agent for clients.
        max_file_size: in bytes.
        ttl: how long a file is kept.
    """

    public_url: str
    max_file_size: int
    ttl: timedelta

    def pending(self, request: UploadRequest, user_id: str, now: datetime) -> PendingUpload:
        """Accept an upload.

        Raises:
            MediaFailed: the request is invalid, or the file too large.
        """
        for problem in _problems(request):
            raise MediaFailed(MediaErrorCode.INPUT_INVALID, problem)
        if request.size_bytes > self.max_file_size:
            raise MediaFailed(
                MediaErrorCode.TOO_LARGE,
                f"the file has {request.size_bytes} bytes; the limit is {self.max_file_size}",
            )
        return PendingUpload(
            f"upl-{secrets.token_hex(16)}",
            request.session_id,
            secrets.token_hex(16),
            request.filename,
            request.mime_type,
            request.size_bytes,
            user_id,
            now + TICKET_LIFETIME,
        )

    def ticket(self, pending: PendingUpload) -> UploadTicket:
        """Return the ticket of an upload."""
        return UploadTicket(
            pending.upload_id,
            f"{self.public_url}/media/upload/{pending.upload_id}",
            str(pending.ref),
            rfc3339(pending.expires_at),
        )

    def record(self, pending: PendingUpload, now: datetime) -> MediaRecord:
        """Return the record of a complete upload."""
        return MediaRecord(
            pending.session_id,
            pending.media_id,
            pending.filename,
            pending.mime_type,
            pending.size_bytes,
            pending.user_id,
            now,
            now + self.ttl,
        )

    def stored(self, record: MediaRecord) -> StoredFile:
        """Return the description of a file."""
        return StoredFile(
            str(StorageRef(record.session_id, record.media_id)),
            record.filename,
            record.mime_type,
            record.size_bytes,
            rfc3339(record.created_at),
            rfc3339(record.expires_at),
            f"{self.public_url}/media/download/{record.session_id}/{record.media_id}",
        )


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Format a time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _problems(request: UploadRequest) -> Iterator[str]:
    if not is_session_id(request.session_id):
        yield "session_id: expected up to 128 letters, digits and . _ : -"
    if not 0 < len(request.filename) <= MAX_NAME or _UNPRINTABLE.search(request.filename):
        yield f"filename: expected up to {MAX_NAME} printable characters"
    if len(request.mime_type) > MAX_TYPE or not _MIME_TYPE.fullmatch(request.mime_type):
        yield 'mime_type: expected a media type such as "image/png"'
    if request.size_bytes < 1:
        yield "size_bytes: expected at least 1"
