"""From text and media to parts of Gemini's contents."""

from collections.abc import Sequence

from omnia_core.conversation.parts import Media, Part
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.providers.failure import VendorFailure

_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
_TAKEN = (*_IMAGES, "application/pdf")
_TAKEN_FAMILIES = ("audio/", "video/", "text/")


def text_parts(text: str) -> list[JsonObject]:
    """Return the part of a text; an empty one has none, since the API refuses it."""
    return [{"text": text}] if text else []


def content_parts(text: str, parts: Sequence[Part]) -> list[JsonObject]:
    """Return the parts of a message in order, and its text where they do not hold it.

    Raises:
        VendorFailure: the API does not take a part's media.
    """
    mapped = [
        each
        for part in parts
        for each in (text_parts(part.text) if part.type == "text" else [media_part(part)])
    ]
    if any(part.type == "text" for part in parts):
        return mapped
    # The vendor's advice: the text about an image comes after it.
    return mapped + text_parts(text)


def media_part(part: Part) -> JsonObject:
    """Return the part of an image, a document, sound or a video.

    Raises:
        VendorFailure: the API does not take its media.
    """
    media = part.media or Media()
    kind = media.mime_type or _guessed(media.url)
    if kind not in _TAKEN and not kind.startswith(_TAKEN_FAMILIES):
        raise VendorFailure(
            f'takes no {part.type} of the media type "{kind or "unknown"}"; it takes images (PNG, '
            "JPEG, WebP, HEIC, HEIF), audio, video, PDF and text"
        )
    if media.url:
        return {"fileData": {"fileUri": media.url, "mimeType": kind}}
    return {"inlineData": {"data": media.data, "mimeType": kind}}


def _guessed(url: str) -> str:
    """Return the media type that a URL's path ends like: the API demands one."""
    from mimetypes import guess_type  # noqa: PLC0415 - it reads the system's tables, rarely needed

    return guess_type(url)[0] or ""
