"""The one message of which there are thousands, written by hand: a tenth of what the library takes.

`omnia_facade.runtime_client.chunk` reads it in the same way.
"""

# Of protobuf's encoding: field number and wire type, length-delimited.
_FIELD_1 = b"\n"  # ServerMessage.chunk, and Chunk.content
# A content of fewer bytes has lengths of one byte, its own and that of the field around it.
_SHORT = 126


def chunk_message(text: str) -> bytes:
    """Return the ServerMessage of a chunk with this text, as bytes."""
    content = text.encode()
    size = len(content)
    if size < _SHORT:
        return b"\n%c\n%c%b" % (size + 2, size, content)
    inner = _FIELD_1 + _varint(size) + content
    return _FIELD_1 + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
