"""The text of bytes that have a media type: its character set, or that they are no text."""

import codecs
import re

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
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?([A-Za-z0-9_.:-]+)""")
_DECLARATION_BYTES = 1024
_NOT_SHOWN = re.compile(r"(?is)<(script|style|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_MARKUP = re.compile(r"<[^<>]*>")
_BINARY = frozenset({"application/gzip", "application/pdf", "application/zip"})


def media_kind(content_type: str) -> str | None:
    """Return the type of the part that shows content to a model: image or audio."""
    kind = content_type.partition("/")[0]
    # SVG is XML text, and no vendor accepts it as an image.
    return kind if kind in ("image", "audio") and content_type != "image/svg+xml" else None


def decode_text(body: bytes, content_type: str, charset: str | None) -> str | None:
    """Return the text without its byte order mark; None when the bytes are no text.

    A type that is neither known as text nor as binary is text when its bytes are. JSON is UTF-8
    where its bytes are, whatever the server says. Text without a charset that is not UTF-8 is
    Windows-1252, as in browsers.
    """
    codec = next((codec for mark, codec in _MARKS if body.startswith(mark)), None)
    if codec is None and _is_json(content_type) and is_utf8(body):
        codec = "utf-8"
    codec = codec or _codec(charset) or _codec(_declared(body, content_type))
    is_text = content_type in _TEXT or content_type.startswith("text/")
    if is_text or content_type.endswith(("+json", "+xml", "+yaml")):
        codec = codec or ("utf-8" if is_utf8(body) else "windows-1252")
        return body.decode(codec, errors="replace").removeprefix("\ufeff")
    if content_type in _BINARY or content_type.startswith(("video/", "font/")):
        return None
    try:
        text = body.decode(codec or "utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.removeprefix("\ufeff")


def is_utf8(body: bytes) -> bool:
    """Whether bytes are UTF-8 text without the NUL characters of UTF-16."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def html_text(text: str) -> str:
    """Return the words of an HTML page, without its scripts and styles."""
    return " ".join(_MARKUP.sub(" ", _NOT_SHOWN.sub(" ", text)).split())


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _declared(body: bytes, content_type: str) -> str | None:
    """Return the charset that an XML or HTML text names in its first lines."""
    if not content_type.endswith(("xml", "html")):
        return None
    found = _DECLARED.search(body[:_DECLARATION_BYTES])
    return found[1].decode() if found else None


def _codec(charset: str | None) -> str | None:
    """Return the codec of a charset; None when it is missing, unknown, or no charset."""
    try:
        found = codecs.lookup(charset.strip("\"' ")) if charset else None
    except (LookupError, ValueError):
        return None
    # Python has codecs from bytes to bytes, such as zip, under names like those of charsets.
    return found.name if found is not None and found._is_text_encoding else None  # noqa: SLF001
