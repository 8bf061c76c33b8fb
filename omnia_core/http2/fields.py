"""Header blocks: HPACK (RFC 7541), and what makes a list of fields well-formed."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from hpack import Decoder, HPACKError, OversizedHeaderListError

from omnia_core.http2.errors import ConnectionFailed, ErrorCode

Fields: TypeAlias = Sequence[tuple[str, str]]

# As gRPC's other implementations: more than anybody needs, less than hurts.
MAX_LIST_BYTES = 64 * 1024
_REMEMBERED = 256
_REMEMBERED_BYTES = 1024
_INDEXED = 0x80
_CHANGES_TABLE = 0x60
_STATIC_TABLE = 61
_SEVEN_BITS = 127

_REQUEST = frozenset((":method", ":scheme", ":authority", ":path"))
_REQUIRED = frozenset((":method", ":scheme", ":path"))
_RESPONSE = frozenset((":status",))
_OF_CONNECTIONS = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return a block of literals that no table remembers: any order, any time, any connection."""
    return b"".join(
        b"\x00" + _text(name.encode()) + _text(value.encode()) for name, value in fields
    )


def _text(data: bytes) -> bytes:
    size = len(data)
    if size < _SEVEN_BITS:
        return bytes((size,)) + data
    rest, prefix = size - _SEVEN_BITS, bytearray((_SEVEN_BITS,))
    while rest >= 128:  # noqa: PLR2004 - seven bits a byte
        prefix.append(rest % 128 | 128)
        rest //= 128
    prefix.append(rest)
    return bytes(prefix) + data


class FieldDecoder:
    """Reads the blocks of one connection. Equal blocks that use no table are read once."""

    def __init__(self) -> None:
        self._decoder = Decoder(MAX_LIST_BYTES)
        self._known: dict[bytes, Fields] = {}

    def decode(self, block: bytes) -> Fields:
        """Return the fields.

        Raises:
            ConnectionFailed: the block is broken, or holds too much.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            fields = tuple((str(name), str(value)) for name, value in self._decoder.decode(block))
        except OversizedHeaderListError as error:
            raise ConnectionFailed(
                ErrorCode.ENHANCE_YOUR_CALM, f"more than {MAX_LIST_BYTES} bytes of header fields"
            ) from error
        except (HPACKError, IndexError, ValueError) as error:
            raise ConnectionFailed(
                ErrorCode.COMPRESSION_ERROR, f"a header block cannot be read: {error}"
            ) from error
        if len(self._known) < _REMEMBERED and _is_pure(block):
            self._known[block] = fields
        return fields


def _is_pure(block: bytes) -> bool:
    """Whether a block that can be read neither uses nor changes the connection's table."""
    if len(block) > _REMEMBERED_BYTES:
        return False
    position = 0
    while position < len(block):
        first = block[position]
        if first & _INDEXED:
            index, position = _integer(block, position, 7)
            strings = 0
        elif first & _CHANGES_TABLE:
            return False
        else:
            index, position = _integer(block, position, 4)
            strings = 1 if index else 2
        if index > _STATIC_TABLE:
            return False
        for _ in range(strings):
            length, position = _integer(block, position, 7)
            position += length
    return True


def _integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """Return an integer and the place after it (RFC 7541, section 5.1)."""
    full = (1 << bits) - 1
    value = block[position] & full
    position += 1
    if value < full:
        return value, position
    shift = 0
    while True:
        byte = block[position]
        value += (byte & _SEVEN_BITS) << shift
        shift += 7
        position += 1
        if byte <= _SEVEN_BITS:
            return value, position


def request_problem(fields: Fields) -> str:
    """Return why these are not the fields of a request, or "" (RFC 9113, section 8.3)."""
    problem, pseudo = _split(fields, _REQUEST)
    if problem:
        return problem
    missing = _REQUIRED - pseudo.keys()
    if missing:
        return f"a request without {', '.join(sorted(missing))}"
    return "" if pseudo[":path"] else "a request with an empty :path"


def response_problem(fields: Fields) -> str:
    """Return why these are not the fields of a response, or ""."""
    problem, pseudo = _split(fields, _RESPONSE)
    if problem:
        return problem
    return "" if pseudo.get(":status", "").isdecimal() else "a response without :status"


def trailers_problem(fields: Fields) -> str:
    """Return why these cannot follow a body, or ""."""
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
            return f"{name} after other fields", pseudo
        elif name not in allowed or name in pseudo:
            return f"unexpected {name[:32]}", pseudo
        else:
            pseudo[name] = value
    return "", pseudo


def _regular_problem(name: str, value: str) -> str:
    if not name or name != name.lower() or " " in name:
        return "a field name that is empty, has a space or is not in lower case"
    if name in _OF_CONNECTIONS or (name == "te" and value != "trailers"):
        return f"the field {name} has no meaning in HTTP/2"
    if "\r" in value or "\n" in value or "\0" in value:
        return f"the field {name} has more than one line"
    return ""
