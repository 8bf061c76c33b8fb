"""The ServerMessage that carries a piece of text, encoded and decoded by hand.

A conversation has thousands of them, and this takes a tenth of the time of the protobuf library.
"""

# Protobuf: field 1, length-delimited. Both ServerMessage.chunk and Chunk.content have it.
_TAG = b"\n"
_TAG_BYTE = _TAG[0]
_CONTINUES = 0x80
# A content of fewer bytes has two lengths of one byte: its own, and that of the field around it.
_SHORT_CONTENT = 126
# The size of a message with two tags, two lengths of one byte, and a text that is not empty.
_SHORT_MESSAGE = range(5, 130)


def chunk_message(text: str) -> bytes:
    """Return the ServerMessage of a chunk with this text, as bytes."""
    content = text.encode()
    size = len(content)
    if size < _SHORT_CONTENT:
        return b"\n%c\n%c%b" % (size + 2, size, content)
    inner = _TAG + _varint(size) + content
    return _TAG + _varint(len(inner)) + inner


def chunk_text(data: bytes) -> str | None:
    """Return the text of a ServerMessage that is a chunk with text and nothing else.

    None: any other message; the caller has to parse it with the protobuf library.
    """
    whole = len(data)
    if whole in _SHORT_MESSAGE and data[1] == whole - 2 and data[3] == whole - 4:
        at = 4 if data[0] == _TAG_BYTE == data[2] else 0
    else:
        at = _long(data)
    if not at:
        return None
    try:
        return data[at:].decode()
    except UnicodeDecodeError:
        return None


def _long(data: bytes) -> int:
    """Return the position of the text; 0 when the message is not such a chunk."""
    if not data or data[0] != _TAG_BYTE:
        return 0
    size, at = _length(data, 1)
    if at + size != len(data) or not size or data[at] != _TAG_BYTE:
        return 0
    size, at = _length(data, at + 1)
    return at if at + size == len(data) else 0


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length of up to three bytes and the position after it; -1 when it is longer."""
    size = shift = 0
    for byte in data[at : at + 3]:
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return size, at
        shift += 7
    return -1, at


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= _CONTINUES:
        encoded.append(number & 0x7F | _CONTINUES)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
