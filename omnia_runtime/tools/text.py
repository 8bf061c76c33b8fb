"""The text of bytes that have a media type: its character set, or that they are no text."""

import codecs

# The first bytes of a text that say how it is encoded; UTF-32 before UTF-16, whose mark it has.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/sql",
        "application/toml",
        "application/x-javascript",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
        "image/svg+xml",
    }
)
_BINARY = frozenset({"application/gzip", "application/pdf", "application/zip"})


def media_kind(content_type: str) -> str | None:
    """Return the type of the part that shows content to a model: image or audio."""
    kind = content_type.partition("/")[0]
    # SVG is XML text, and no vendor accepts it as an image.
    return kind if kind in ("image", "audio") and content_type != "image/svg+xml" else None


def decode_text(body: bytes, content_type: str, charset: str | None) -> str | None:
    """Return the text without its byte order mark; None when the bytes are no text.

    A type that is neither known as text nor as binary is text when its bytes are.
    """
    marked = next((codec for mark, codec in _MARKS if body.startswith(mark)), None)
    codec = marked or _codec(charset) or "utf-8"
    is_text = content_type in _TEXT or content_type.startswith("text/")
    if is_text or content_type.endswith(("+json", "+xml", "+yaml")):
        return body.decode(codec, errors="replace").removeprefix("\ufeff")
    if content_type in _BINARY or content_type.startswith(("video/", "font/")):
        return None
    try:
        text = body.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.removeprefix("\ufeff")


def _codec(charset: str | None) -> str | None:
    """Return the codec of a charset; None when it is missing, unknown, or no charset."""
    try:
        found = codecs.lookup(charset.strip("\"' ")) if charset else None
    except (LookupError, ValueError):
        return None
    # Python has codecs from bytes to bytes, such as zip, under names like those of charsets.
    return found.name if found is not None and found._is_text_encoding else None  # noqa: SLF001
