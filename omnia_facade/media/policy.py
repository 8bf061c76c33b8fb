"""What is taken, how long it is kept, and how clients are told of it."""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from omnia_core.media import MediaRecord, StorageRef, is_session_id
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaRefused,
    Stored,
    Ticket,
    UploadRequest,
)
from omnia_facade.media.room import Pending

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


class Policy(Struct, frozen=True):
    """The rules of one agent.

    Attributes:
        public_url: address of this agent as clients see it.
        max_file_size: in bytes.
        ttl: how long a file is kept.
    """

    public_url: str
    max_file_size: int
    ttl: timedelta

    def pending(self, request: UploadRequest, user_id: str, now: datetime) -> Pending:
        """Permit an upload.

        Raises:
            MediaRefused: it is not taken.
        """
        for problem in _problems(request):
            raise MediaRefused(MediaErrorCode.INPUT_INVALID, problem)
        if request.size_bytes > self.max_file_size:
            raise MediaRefused(
                MediaErrorCode.TOO_LARGE,
                f"the file has {request.size_bytes} bytes; this agent takes {self.max_file_size}",
            )
        return Pending(
            f"upl-{secrets.token_hex(16)}",
            request.session_id,
            secrets.token_hex(16),
            request.filename,
            request.mime_type,
            request.size_bytes,
            user_id,
            now + TICKET_LIFETIME,
        )

    def ticket(self, pending: Pending) -> Ticket:
        """Tell of the permission."""
        return Ticket(
            pending.upload_id,
            f"{self.public_url}/media/upload/{pending.upload_id}",
            str(pending.ref),
            text(pending.expires_at),
        )

    def record(self, pending: Pending, now: datetime) -> MediaRecord:
        """Return the record of an upload that is complete."""
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

    def stored(self, record: MediaRecord) -> Stored:
        """Tell of a file."""
        return Stored(
            str(StorageRef(record.session_id, record.media_id)),
            record.filename,
            record.mime_type,
            record.size_bytes,
            text(record.created_at),
            text(record.expires_at),
            f"{self.public_url}/media/download/{record.session_id}/{record.media_id}",
        )


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def text(moment: datetime) -> str:
    """Return a time as RFC 3339 has it."""
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
