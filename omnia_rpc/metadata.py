"""Metadata and timeouts of calls as header fields (gRPC over HTTP/2, section Requests)."""

import base64
import binascii
from collections.abc import Iterable
from typing import TypeAlias

from omnia_rpc.http2.fields import Fields

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
Received: TypeAlias = dict[str, str | bytes | tuple[bytes, ...]]

CONTENT_TYPE = "application/grpc"
_BINARY = "-bin"
_RESERVED = ("grpc-", ":")
_OWN = frozenset(("te", "content-type", "user-agent"))
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_DIGITS = 8


def to_fields(metadata: Metadata) -> list[tuple[str, str]]:
    """Return metadata as fields.

    Raises:
        ValueError: a name or a value cannot be sent.
    """
    fields: list[tuple[str, str]] = []
    for name, value in metadata:
        if isinstance(value, bytes):
            if not name.endswith(_BINARY):
                raise ValueError(f"the metadata {name} has bytes, so its name must end with -bin")
            fields.append((name, base64.b64encode(value).rstrip(b"=").decode()))
        elif name != name.lower() or not (value.isascii() and value.isprintable()):
            raise ValueError(f"the metadata {name} is not lower-case, or not printable ASCII")
        else:
            fields.append((name, value))
    return fields


def from_fields(fields: Fields) -> Received:
    """Return what of a request's fields is metadata.

    A name that comes more than once has its texts joined by commas, or all its bytes in order.
    """
    metadata: Received = {}
    binary: dict[str, tuple[bytes, ...]] = {}
    for name, value in fields:
        if name.startswith(_RESERVED) or name in _OWN:
            continue
        if name.endswith(_BINARY):
            # Several values may also come as one, and base64 has no comma.
            values = tuple(_bytes(each.strip()) for each in value.split(","))
            binary[name] = binary.get(name, ()) + values
        elif name in metadata:
            metadata[name] = f"{metadata[name]!s}, {value}"
        else:
            metadata[name] = value
    for name, values in binary.items():
        metadata[name] = values[0] if len(values) == 1 else values
    return metadata


def is_grpc(content_type: str) -> bool:
    """Whether a body is gRPC's, whatever its messages are; grpc-web is another protocol."""
    rest = content_type.removeprefix(CONTENT_TYPE)
    return rest != content_type and (not rest or rest[0] in "+;")


def timeout_text(seconds: float) -> str:
    """Return the value of `grpc-timeout`: at most eight digits, rounded up."""
    for unit, size in (("m", 1e-3), ("S", 1.0), ("M", 60.0), ("H", 3600.0)):
        count = max(1, -int(-seconds // size))
        if len(str(count)) <= _DIGITS:
            return f"{count}{unit}"
    return "99999999H"


def timeout_seconds(text: str) -> float | None:
    """Return the value of `grpc-timeout`, or None when it is none."""
    size = _UNITS.get(text[-1:])
    digits = text[:-1]
    if size is None or not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS:
        return None
    return int(digits) * size


def _bytes(value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
