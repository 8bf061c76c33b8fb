"""The media parts of the mock's answers."""

import mimetypes
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part

_ANY = "application/octet-stream"


def media_parts(parts: Iterable[dict[str, Any]]) -> Iterator[Part]:
    """Yield the parts of a scripted turn that are no text: `{type: image, image_url: {url}}`."""
    for part in parts:
        kind = part.get("type")
        place = part.get(f"{kind}_url")
        if kind in MEDIA_TYPES and isinstance(place, dict) and place.get("url"):
            url = str(place["url"])
            mime = place.get("mime_type") or _mime_type(url)
            yield Part(str(kind), media=Media(mime, url=url))


def _mime_type(url: str) -> str:
    if url.startswith("data:"):
        return url.removeprefix("data:").partition(",")[0].partition(";")[0] or "text/plain"
    parts = urlsplit(url)
    return mimetypes.guess_type(parts.path or parts.netloc)[0] or _ANY
