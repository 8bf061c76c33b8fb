"""Encodes header fields, and validates received ones (RFC 9113, section 8)."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

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
