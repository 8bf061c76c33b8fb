"""The type of an image by its first bytes: vendors refuse a request whose image is of another."""

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
# The types that are recognized, and another name of one of them.
_RECOGNIZED = frozenset({*_STARTS.values(), "image/webp", "image/jpg", "image/*"})


def image_type(data: bytes, named: str) -> str | None:
    """Return the type of an image that is `named` so; None when these bytes are no such image."""
    found = next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)
    if found is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        found = "image/webp"
    return found or (None if named in _RECOGNIZED else named)
