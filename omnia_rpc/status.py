"""gRPC status codes, and how HTTP/2 errors and trailers become a status."""

from enum import IntEnum
from urllib.parse import quote, unquote

from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.fields import Fields

_MAX_DETAILS = 1024


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
    """The call ended with a status other than OK."""

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details or 'no details'}")
        self.code = code
        self.details = details


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
    return RpcFailed(code, unquote(given.get("grpc-message", ""), errors="replace"))


def status_trailers(failed: RpcFailed | None) -> list[tuple[str, str]]:
    """Return the trailers of a call; `failed` None is the status OK."""
    if failed is None:
        return [("grpc-status", "0")]
    fields = [("grpc-status", str(int(failed.code)))]
    if failed.details:
        # Quoting may triple the bytes, and grpcio clients refuse more than 8 KiB of metadata.
        text = failed.details.encode(errors="replace")[:_MAX_DETAILS].decode(errors="ignore")
        fields.append(("grpc-message", quote(text, safe=" !#$&'()*+,/:;=?@[]")))
    return fields
