"""The one message of which there are thousands, read by hand: a tenth of what the library takes."""

# Of protobuf's encoding: field number and wire type, length-delimited.
_FIELD_1 = b"\n"  # ServerMessage.chunk, and Chunk.content
_ONE_BYTE = 0x80


def chunk_text(data: bytes) -> str | None:
    """Return the text of a ServerMessage that is a chunk with text and nothing else.

    None stands for every other message, and for one that is better left to the library.
    """
    if data[:1] != _FIELD_1:
        return None
    size, at = _length(data, 1)
    if at + size != len(data) or data[at : at + 1] != _FIELD_1:
        return None
    size, at = _length(data, at + 1)
    if at + size != len(data):
        return None
    try:
        return data[at:].decode()
    except UnicodeDecodeError:
        return None


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length and the place after it; -1 where it is not one of up to three bytes."""
    size = shift = 0
    for byte in data[at : at + 3]:
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < _ONE_BYTE:
            return size, at
        shift += 7
    return -1, at
