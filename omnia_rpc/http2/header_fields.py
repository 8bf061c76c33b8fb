"""Encodes, decodes and validates header fields (RFC 7541; RFC 9113, section 8)."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from omnia_rpc.http2.errors import ConnectionFailed, Http2ErrorCode

Fields: TypeAlias = Sequence[tuple[str, str]]

_SEVEN_BITS = 127

_REQUEST = frozenset((":method", ":scheme", ":authority", ":path"))
_REQUIRED = frozenset((":method", ":scheme", ":path"))
_RESPONSE = frozenset((":status",))
_CONNECTION_SPECIFIC = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return a header block of literals without indexing (RFC 7541, section 6.2.2).

    It depends on no table, so it can be cached, and concatenated with other such blocks.
    """
    return b"".join(
        b"\x00" + _string(name.encode()) + _string(value.encode()) for name, value in fields
    )


def _string(data: bytes) -> bytes:
    size = len(data)
    if size < _SEVEN_BITS:
        return bytes((size,)) + data
    rest, prefix = size - _SEVEN_BITS, bytearray((_SEVEN_BITS,))
    while rest >= 128:  # noqa: PLR2004 - seven bits a byte
        prefix.append(rest % 128 | 128)
        rest //= 128
    prefix.append(rest)
    return bytes(prefix) + data


def request_problem(fields: Fields) -> str:
    """Return what is wrong with the fields of a request, or "" (RFC 9113, section 8.3)."""
    problem, pseudo = _split(fields, _REQUEST)
    if problem:
        return problem
    missing = _REQUIRED - pseudo.keys()
    if missing:
        return f"a request without {', '.join(sorted(missing))}"
    return "" if pseudo[":path"] else "a request with an empty :path"


def response_problem(fields: Fields) -> str:
    """Return what is wrong with the fields of a response, or ""."""
    problem, pseudo = _split(fields, _RESPONSE)
    if problem:
        return problem
    return "" if pseudo.get(":status", "").isdecimal() else "a response without :status"


def trailers_problem(fields: Fields) -> str:
    """Return what is wrong with the fields of trailers, or ""."""
    return _split(fields, frozenset())[0]


def _split(fields: Fields, allowed: frozenset[str]) -> tuple[str, dict[str, str]]:
    pseudo: dict[str, str] = {}
    regular = False
    for name, value in fields:
        if name[:1] != ":":
            regular = True
            problem = _regular_problem(name, value)
            if problem:
                return problem, pseudo
        elif regular:
            return f"{name} after regular fields", pseudo
        elif name not in allowed or name in pseudo:
            return f"unexpected {name[:32]}", pseudo
        else:
            pseudo[name] = value
    return "", pseudo


def _regular_problem(name: str, value: str) -> str:
    if not name or name != name.lower() or " " in name:
        return "a field name that is empty, contains a space or is not lower-case"
    if name in _CONNECTION_SPECIFIC or (name == "te" and value != "trailers"):
        return f"the field {name} is not allowed in HTTP/2"
    if "\r" in value or "\n" in value or "\0" in value:
        return f"the field {name} contains a line break or NUL"
    return ""


# As in the other implementations of gRPC.
MAX_LIST_BYTES = 64 * 1024
# A longer list is not a mistake but an attack, so the connection is closed.
MAX_TOLERATED_BYTES = 1024 * 1024
# Overhead of a field in the size of a list (RFC 9113, section 6.5.2).
_FIELD_BYTES = 32
_CACHED_BLOCKS = 256
_CACHED_BLOCK_BYTES = 1024
_INDEXED = 0x80
_WITH_INDEXING = 0x40
_TABLE_SIZE_UPDATE = 0x20
_HUFFMAN = 0x80
_STATIC_TABLE = 61
_TABLE_BYTES = 4096

_LONGEST_SHIFT = 28


class FieldsRefused(Exception):
    """A list of fields is refused; later blocks of the connection can still be decoded."""

    def __init__(self, code: Http2ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class HpackDecoder:
    """Decodes the blocks of one connection; equal blocks that use no dynamic table are cached."""

    def __init__(self) -> None:
        self._table = HeaderTable()
        self._cache: dict[bytes, Fields] = {}

    def decode(self, block: bytes) -> Fields:
        """Return the fields.

        Raises:
            FieldsRefused: the list is too long, or is not UTF-8.
            ConnectionFailed: the block is malformed, or the list is far too long.
        """
        cached = self._cache.get(block)
        if cached is not None:
            return cached
        try:
            found, static = self._decode(block)
        except (HPACKError, IndexError, ValueError) as error:
            raise ConnectionFailed(
                Http2ErrorCode.COMPRESSION_ERROR, f"a header block cannot be decoded: {error}"
            ) from error
        try:
            fields = tuple((name.decode(), value.decode()) for name, value in found)
        except UnicodeDecodeError as error:
            raise FieldsRefused(Http2ErrorCode.PROTOCOL_ERROR, "a field is not UTF-8") from error
        if static and len(block) <= _CACHED_BLOCK_BYTES and len(self._cache) < _CACHED_BLOCKS:
            self._cache[block] = fields
        return fields

    def _decode(self, block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Return the fields, and whether they neither used nor changed the dynamic table."""
        found: list[tuple[bytes, bytes]] = []
        table, position, size, static, has_fields = self._table, 0, 0, True, False
        while position < len(block):
            first = block[position]
            if first & _INDEXED:
                index, position = _integer(block, position, 7)
                name, value = table.get_by_index(index)
                static = static and index <= _STATIC_TABLE
            elif first & (_WITH_INDEXING | _TABLE_SIZE_UPDATE) == _TABLE_SIZE_UPDATE:
                limit, position = _integer(block, position, 5)
                if limit > _TABLE_BYTES or has_fields:
                    raise ValueError("a table size update that is too large, or after a field")
                table.maxsize = limit
                static = False
                continue
            else:
                add_to_table = bool(first & _WITH_INDEXING)
                index, position = _integer(block, position, 6 if add_to_table else 4)
                if index:
                    name = table.get_by_index(index)[0]
                else:
                    name, position = _read_string(block, position)
                value, position = _read_string(block, position)
                static = static and not add_to_table and index <= _STATIC_TABLE
                if add_to_table:
                    table.add(name, value)
            has_fields = True
            size += len(name) + len(value) + _FIELD_BYTES
            if size <= MAX_LIST_BYTES:
                found.append((name, value))
            elif size > MAX_TOLERATED_BYTES:
                raise ConnectionFailed(Http2ErrorCode.ENHANCE_YOUR_CALM, _too_large(size))
        if size > MAX_LIST_BYTES:
            raise FieldsRefused(Http2ErrorCode.ENHANCE_YOUR_CALM, _too_large(size))
        return found, static


def _too_large(size: int) -> str:
    return f"{size} bytes of header fields; at most {MAX_LIST_BYTES} are accepted"


def _read_string(block: bytes, position: int) -> tuple[bytes, int]:
    """Return a string and the position after it (RFC 7541, section 5.2)."""
    huffman_coded = block[position] & _HUFFMAN
    length, start = _integer(block, position, 7)
    end = start + length
    if end > len(block):
        raise ValueError("a string is truncated")
    text = block[start:end]
    return (decode_huffman(text) if huffman_coded else text), end


def _integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """Return an integer and the position after it (RFC 7541, section 5.1)."""
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
