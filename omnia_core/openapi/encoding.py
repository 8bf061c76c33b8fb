"""The character encoding of a document: YAML 1.2 and older JSON allow more than UTF-8."""

import codecs

from omnia_core.errors import ConfigurationError

# UTF-32 before UTF-16, whose byte order mark it begins with.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    # Without a mark: a document begins with an ASCII character.
    (b"\0\0\0", "utf-32-be"),
    (b"\0", "utf-16-be"),
)


def decode_document(content: bytes) -> str:
    """Return the text of a document, without a byte order mark.

    Raises:
        ConfigurationError: it is no text in UTF-8, UTF-16 or UTF-32.
    """
    codec = next((codec for mark, codec in _MARKS if content.startswith(mark)), "utf-8")
    if codec == "utf-8" and content[1:2] == b"\0":
        codec = "utf-32-le" if content[1:4] == b"\0\0\0" else "utf-16-le"
    try:
        return content.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the document is not text in {codec.upper()}: correct the address"
        ) from error
