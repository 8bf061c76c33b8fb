"""From text and media to content blocks of the Messages API."""

import base64
import binascii
from collections.abc import Sequence

from omnia_core.conversation.parts import Media, Part
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.providers.failure import VendorFailure

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"


def text_blocks(text: str) -> list[JsonObject]:
    """Return the block of a text; a blank one has none, since the API refuses it."""
    return [{"type": "text", "text": text}] if text.strip() else []


def content_blocks(text: str, parts: Sequence[Part]) -> list[JsonObject]:
    """Return the blocks of a message: its parts in order, and its text where they do not hold it.

    Raises:
        VendorFailure: the API does not take a part's media.
    """
    media = [block for part in parts for block in _part(part)]
    if any(part.type == "text" for part in parts):
        return media
    # The vendor's advice: Claude works best when images come before the text about them.
    return media + text_blocks(text)


def media_blocks(parts: Sequence[Part]) -> list[JsonObject]:
    """Return the blocks of the parts that are not text.

    Raises:
        VendorFailure: the API does not take a part's media.
    """
    return [block for part in parts if part.type != "text" for block in _part(part)]


def _part(part: Part) -> list[JsonObject]:
    if part.type == "text":
        return text_blocks(part.text)
    media = part.media or Media()
    source = None
    if part.type == "image":
        source = _image(media)
    elif part.type == "document":
        source = _document(media)
    if source is None:
        raise VendorFailure(
            f'takes no {part.type} of the media type "{media.mime_type or "unknown"}"; it takes '
            "images (JPEG, PNG, GIF, WebP) and documents (PDF, plain text)"
        )
    return [{"type": part.type, "source": source}]


def _image(media: Media) -> JsonObject | None:
    if media.url and (not media.mime_type or media.mime_type in _IMAGES):
        return {"type": "url", "url": media.url}
    if media.data and media.mime_type in _IMAGES:
        return {"type": "base64", "media_type": media.mime_type, "data": media.data}
    return None


def _document(media: Media) -> JsonObject | None:
    if media.url and media.mime_type in ("", _PDF):
        return {"type": "url", "url": media.url}
    if media.data and media.mime_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": media.data}
    if media.data and media.mime_type.startswith("text/"):
        # Markdown, CSV and the like are plain text to the API, which knows no other name.
        return {"type": "text", "media_type": "text/plain", "data": _decoded(media.data)}
    return None


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise VendorFailure(f"was given a text document that is no UTF-8 text ({error})") from error
