"""Fields as we send them, and what makes a list of fields well-formed."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Fields: TypeAlias = Sequence[tuple[str, str]]

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
