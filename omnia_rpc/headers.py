"""Converts metadata, timeouts and status to and from header fields (gRPC over HTTP/2)."""

import base64
import binascii
from collections.abc import Iterable
from enum import IntEnum
from typing import TypeAlias
from urllib.parse import quote, unquote

from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import Fields

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


_MAX_DETAILS = 1024
_STATUS_DETAILS = "grpc-status-details-bin"


class StatusCode(IntEnum):
    """Status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcFailed(Exception):
    """The call ended with a status other than OK.

    Attributes:
        status_details: the status as a serialized `google.rpc.Status`; b"" for none.
    """

    def __init__(self, code: StatusCode, details: str, status_details: bytes = b"") -> None:
        super().__init__(f"{code.name}: {details or 'no details'}")
        self.code = code
        self.details = details
        self.status_details = status_details


# gRPC over HTTP/2, "HTTP2 Transport Mapping", section Errors.
_STATUS_OF_RESET = {
    Http2ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    Http2ErrorCode.CANCEL: StatusCode.CANCELLED,
    Http2ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    Http2ErrorCode.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}
# gRPC, "HTTP to gRPC Status Code Mapping".
_STATUS_OF_HTTP = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    "429": StatusCode.UNAVAILABLE,
    "502": StatusCode.UNAVAILABLE,
    "503": StatusCode.UNAVAILABLE,
    "504": StatusCode.UNAVAILABLE,
}


def failure_from_reset(code: Http2ErrorCode, reason: str) -> RpcFailed:
    """Return the failure of a call whose stream was reset."""
    return RpcFailed(_STATUS_OF_RESET.get(code, StatusCode.INTERNAL), reason)


def failure_from_trailers(fields: Fields) -> RpcFailed | None:
    """Return the failure in the trailers of a call; None for the status OK."""
    given = dict(fields)
    text = given.get("grpc-status")
    if text is None:
        status = given.get(":status", "200")
        code = _STATUS_OF_HTTP.get(status, StatusCode.UNKNOWN)
        return RpcFailed(code, f"the call ended without a gRPC status (HTTP {status})")
    try:
        code = StatusCode(int(text))
    except ValueError:
        return RpcFailed(StatusCode.UNKNOWN, f"{text[:16]} is not a gRPC status")
    if code is StatusCode.OK:
        return None
    text = unquote(given.get("grpc-message", ""), errors="replace")
    return RpcFailed(code, text, _decode_base64(given.get(_STATUS_DETAILS, "")))


def status_trailers(failed: RpcFailed | None) -> list[tuple[str, str]]:
    """Return the trailers of a call; `failed` None is the status OK."""
    if failed is None:
        return [("grpc-status", "0")]
    fields = [("grpc-status", str(int(failed.code)))]
    if failed.details:
        # Quoting may triple the bytes, and grpcio clients refuse more than 8 KiB of metadata.
        text = failed.details.encode(errors="replace")[:_MAX_DETAILS].decode(errors="ignore")
        fields.append(("grpc-message", quote(text, safe=" !#$&'()*+,/:;=?@[]")))
    if failed.status_details:
        fields += to_fields([(_STATUS_DETAILS, failed.status_details)])
    return fields
