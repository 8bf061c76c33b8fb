"""Converts call metadata and timeouts to and from header fields (gRPC over HTTP/2, Requests)."""

import base64
import binascii
from collections.abc import Iterable
from typing import TypeAlias

from omnia_rpc.http2.fields import Fields

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
ReceivedMetadata: TypeAlias = dict[str, str | bytes | tuple[bytes, ...]]

CONTENT_TYPE = "application/grpc"
_BINARY = "-bin"
_RESERVED = ("grpc-", ":")
_PROTOCOL_FIELDS = frozenset(("te", "content-type", "user-agent"))
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_DIGITS = 8


def to_fields(metadata: Metadata) -> list[tuple[str, str]]:
    """Return metadata as header fields.

    Raises:
        ValueError: a name or a value is not allowed; the message names it.
    """
    fields: list[tuple[str, str]] = []
    for name, value in metadata:
        if isinstance(value, bytes):
            if not name.endswith(_BINARY):
                raise ValueError(
                    f"the metadata {name} has bytes as value, so its name has to end with -bin"
                )
            fields.append((name, base64.b64encode(value).rstrip(b"=").decode()))
        elif name != name.lower() or not (value.isascii() and value.isprintable()):
            raise ValueError(f"the metadata {name}: expected a lower-case name and printable ASCII")
        else:
            fields.append((name, value))
    return fields


def from_fields(fields: Fields) -> ReceivedMetadata:
    """Return the metadata among the fields of a request.

    The texts of a repeated name are joined by commas; its bytes become a tuple, in order.
    """
    metadata: ReceivedMetadata = {}
    binary: dict[str, tuple[bytes, ...]] = {}
    for name, value in fields:
        if name.startswith(_RESERVED) or name in _PROTOCOL_FIELDS:
            continue
        if name.endswith(_BINARY):
            # Several values may be joined by commas, which base64 does not contain.
            values = tuple(_decode_base64(part.strip()) for part in value.split(","))
            binary[name] = binary.get(name, ()) + values
        elif name in metadata:
            metadata[name] = f"{metadata[name]!s}, {value}"
        else:
            metadata[name] = value
    for name, values in binary.items():
        metadata[name] = values[0] if len(values) == 1 else values
    return metadata


def is_grpc(content_type: str) -> bool:
    """Whether a content type is gRPC with any message format; grpc-web is another protocol."""
    rest = content_type.removeprefix(CONTENT_TYPE)
    return rest != content_type and (not rest or rest[0] in "+;")


def encode_timeout(seconds: float) -> str:
    """Return `grpc-timeout` for a number of seconds: at most eight digits, rounded up."""
    for unit, size in (("m", 1e-3), ("S", 1.0), ("M", 60.0), ("H", 3600.0)):
        count = max(1, -int(-seconds // size))
        if len(str(count)) <= _DIGITS:
            return f"{count}{unit}"
    return "99999999H"


def decode_timeout(text: str) -> float | None:
    """Return the seconds of a `grpc-timeout`; None when it is malformed."""
    size = _UNITS.get(text[-1:])
    digits = text[:-1]
    if size is None or not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS:
        return None
    return int(digits) * size


def _decode_base64(value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
