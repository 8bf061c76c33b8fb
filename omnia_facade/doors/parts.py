"""Media of a client's message as parts, and media of an answer as URLs."""

import re
from base64 import b64encode
from collections.abc import Sequence

from omnia_core.conversation.parts import Media, Part
from omnia_facade.backend.events import MediaChunk
from omnia_facade.doors.errors import invalid

# RFC 2397; only base64 carries media.
_DATA_URL = re.compile(r"data:([^;,\s]{1,255})?(?:;[^;,\s]{1,255})*;base64,", re.IGNORECASE)
_HTTP_URL = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_UPLOADS = "omnia://sessions/"
_KINDS = ("image", "audio", "video")
# Media of an answer that is put together in memory.
MAX_MEDIA_BYTES = 32 << 20
ANY_TYPE = "application/octet-stream"


def part_type(mime_type: str) -> str:
    """Return the type of a part with media of this MIME type."""
    kind = mime_type.partition("/")[0].lower()
    return kind if kind in _KINDS else "file"


def text_part(text: str) -> Part:
    """Return a part of text."""
    return Part("text", text)


def media_part(
    url: str,
    mime_type: str = "",
    *,
    parameter: str,
    public_url: str,
    filename: str | None = None,
) -> Part:
    """Return the part of media by its URL: a data URL, http or https, or an upload of this agent.

    Args:
        url: as the client sent it.
        mime_type: as the client says; that of a data URL otherwise.
        parameter: where it is in the request, for the error.
        public_url: the address of this agent: an upload is passed on by its name.
        filename: as the client says.

    Raises:
        DoorFailed: it is none of these.
    """
    found = _DATA_URL.match(url)
    if found:
        return data_part(
            url[found.end() :], mime_type or found[1] or "", parameter=parameter, filename=filename
        )
    reference = _upload(url, public_url)
    if reference:
        media = Media(mime_type, storage_ref=reference, filename=filename)
        return Part(part_type(mime_type), media=media)
    if not _HTTP_URL.fullmatch(url):
        raise invalid(
            f'{parameter} is a data URL with base64, an https or an http URL; found "{url[:40]}"',
            parameter,
        )
    return Part(part_type(mime_type), media=Media(mime_type, url=url, filename=filename))


def data_part(data: str, mime_type: str, *, parameter: str, filename: str | None = None) -> Part:
    """Return the part of media that is base64.

    Raises:
        DoorFailed: it is not.
    """
    if not _BASE64.fullmatch(data):
        raise invalid(f"{parameter} is not base64", parameter)
    mime_type = mime_type or ANY_TYPE
    data = data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    return Part(part_type(mime_type), media=Media(mime_type, data=data, filename=filename))


def media_url(media: Media) -> str:
    """Return the URL of media of an answer: its own, or one with its bytes."""
    return media.url or f"data:{media.mime_type or ANY_TYPE};base64,{media.data}"


def stored_media_url(media: Media, public_url: str) -> str:
    """Return the URL of stored media; an upload has its download below `public_url`."""
    if media.storage_ref.startswith(_UPLOADS):
        session_id, _, media_id = media.storage_ref.removeprefix(_UPLOADS).partition("/media/")
        return f"{public_url.rstrip('/')}/media/download/{session_id}/{media_id}"
    return media_url(media)


def require_content(content: str, parts: Sequence[Part], parameter: str) -> None:
    """Check that a message has content.

    Raises:
        DoorFailed: it has none.
    """
    if not content and not any(part.media or part.text for part in parts):
        raise invalid(f"{parameter} needs a message with text or media", parameter)


def _upload(url: str, public_url: str) -> str:
    """Return the `storage_ref` of a download URL of this agent; "" for any other URL."""
    prefix = f"{public_url.rstrip('/')}/media/download/"
    if not public_url or not url.startswith(prefix):
        return ""
    session_id, _, media_id = url.removeprefix(prefix).partition("/")
    return f"{_UPLOADS}{session_id}/media/{media_id}"


class MediaPieces:
    """Puts together media that a runtime streams in pieces."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: dict[str, list[bytes]] = {}
        self._size = 0

    def add(self, chunk: MediaChunk) -> Media | None:
        """Add a piece; return the media with its last. What exceeds `MAX_MEDIA_BYTES` is lost."""
        self._size += len(chunk.data)
        if self._size > MAX_MEDIA_BYTES:
            self._pieces.clear()
            return None
        pieces = self._pieces.setdefault(chunk.media_id, [])
        pieces.append(chunk.data)
        if not chunk.is_last:
            return None
        del self._pieces[chunk.media_id]
        return Media(chunk.mime_type, data=b64encode(b"".join(pieces)).decode())
