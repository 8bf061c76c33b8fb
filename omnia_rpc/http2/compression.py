"""Header blocks of a peer: HPACK (RFC 7541)."""

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from omnia_rpc.http2.errors import ConnectionFailed, ErrorCode
from omnia_rpc.http2.fields import Fields

# As gRPC's other implementations: more than anybody needs, less than hurts.
MAX_LIST_BYTES = 64 * 1024
# A list beyond it is no mistake.
MAX_BORNE_BYTES = 1024 * 1024
_FIELD_BYTES = 32
_REMEMBERED = 256
_REMEMBERED_BYTES = 1024
_INDEXED = 0x80
_ADDED = 0x40
_RESIZED = 0x20
_HUFFMAN = 0x80
_STATIC_TABLE = 61
_TABLE_BYTES = 4096
_SEVEN_BITS = 127
_LONGEST_SHIFT = 28


class FieldsRefused(Exception):
    """A list of fields is not taken. The blocks after it can be read."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FieldDecoder:
    """Reads the blocks of one connection. Equal blocks that use no table are read once."""

    def __init__(self) -> None:
        self._table = HeaderTable()
        self._known: dict[bytes, Fields] = {}

    def decode(self, block: bytes) -> Fields:
        """Return the fields.

        Raises:
            FieldsRefused: the list is too long, or not text.
            ConnectionFailed: the block is broken, or holds far too much.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            found, pure = self._read(block)
        except (HPACKError, IndexError, ValueError) as error:
            raise ConnectionFailed(
                ErrorCode.COMPRESSION_ERROR, f"a header block cannot be read: {error}"
            ) from error
        try:
            fields = tuple((name.decode(), value.decode()) for name, value in found)
        except UnicodeDecodeError as error:
            raise FieldsRefused(ErrorCode.PROTOCOL_ERROR, "a field is not UTF-8") from error
        if pure and len(block) <= _REMEMBERED_BYTES and len(self._known) < _REMEMBERED:
            self._known[block] = fields
        return fields

    def _read(self, block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Return the fields, and whether they neither used nor changed the connection's table."""
        found: list[tuple[bytes, bytes]] = []
        table, position, size, pure, began = self._table, 0, 0, True, False
        while position < len(block):
            first = block[position]
            if first & _INDEXED:
                index, position = _integer(block, position, 7)
                name, value = table.get_by_index(index)
                pure = pure and index <= _STATIC_TABLE
            elif first & (_ADDED | _RESIZED) == _RESIZED:
                room, position = _integer(block, position, 5)
                if room > _TABLE_BYTES or began:
                    raise ValueError("the table is resized to too much, or after a field")
                table.maxsize = room
                pure = False
                continue
            else:
                added = bool(first & _ADDED)
                index, position = _integer(block, position, 6 if added else 4)
                if index:
                    name = table.get_by_index(index)[0]
                else:
                    name, position = _string(block, position)
                value, position = _string(block, position)
                pure = pure and not added and index <= _STATIC_TABLE
                if added:
                    table.add(name, value)
            began = True
            size += len(name) + len(value) + _FIELD_BYTES
            if size <= MAX_LIST_BYTES:
                found.append((name, value))
            elif size > MAX_BORNE_BYTES:
                raise ConnectionFailed(ErrorCode.ENHANCE_YOUR_CALM, _too_large(size))
        if size > MAX_LIST_BYTES:
            raise FieldsRefused(ErrorCode.ENHANCE_YOUR_CALM, _too_large(size))
        return found, pure


def _too_large(size: int) -> str:
    return f"{size} bytes of header fields; at most {MAX_LIST_BYTES} are taken"


def _string(block: bytes, position: int) -> tuple[bytes, int]:
    """Return a string and the place after it (RFC 7541, section 5.2)."""
    packed = block[position] & _HUFFMAN
    length, start = _integer(block, position, 7)
    end = start + length
    if end > len(block):
        raise ValueError("a string breaks off")
    text = block[start:end]
    return (decode_huffman(text) if packed else text), end


def _integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """Return an integer and the place after it (RFC 7541, section 5.1)."""
    full = (1 << bits) - 1
    value = block[position] & full
    position += 1
    if value < full:
        return value, position
    shift = 0
    while shift <= _LONGEST_SHIFT:
        byte = block[position]
        value += (byte & _SEVEN_BITS) << shift
        shift += 7
        position += 1
        if byte <= _SEVEN_BITS:
            return value, position
    raise ValueError("an integer is too long")
