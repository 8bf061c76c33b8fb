"""The one message of which there are thousands, read by hand: a tenth of what the library takes."""

# Of protobuf's encoding: field number and wire type, length-delimited.
_FIELD_1 = 10  # ServerMessage.chunk, and Chunk.content
_ONE_BYTE = 0x80
# A message with two fields and two lengths of one byte, and a text that is not empty.
_SHORT = range(5, 130)


def chunk_text(data: bytes) -> str | None:
    """Return the text of a ServerMessage that is a chunk with text and nothing else.

    None stands for every other message, and for one that is better left to the library.
    """
    whole = len(data)
    if whole in _SHORT and data[1] == whole - 2 and data[3] == whole - 4:
        at = 4 if data[0] == _FIELD_1 == data[2] else 0
    else:
        at = _long(data)
    if not at:
        return None
    try:
        return data[at:].decode()
    except UnicodeDecodeError:
        return None


def _long(data: bytes) -> int:
    """Return where the text begins, 0 when it is no such message."""
    if not data or data[0] != _FIELD_1:
        return 0
    size, at = _length(data, 1)
    if at + size != len(data) or not size or data[at] != _FIELD_1:
        return 0
    size, at = _length(data, at + 1)
    return at if at + size == len(data) else 0


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
