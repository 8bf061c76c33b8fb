"""HTTP error answers: `{"error": code, "detail": text}` with a status, without an HTTP library."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from omnia_core.jsonvalue import json_bytes

# In seconds. Another pod may answer at once; a full pod needs some time to have room again.
RETRY_NOW = {"Retry-After": "1"}
RETRY_LATER = {"Retry-After": "10"}


class Rejection(StrEnum):
    """Why the facade itself rejects a request or a message; a label of a metric.

    The first part are `error` codes of HTTP answers too.
    """

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    MISDIRECTED_REQUEST = "misdirected_request"
    NOT_FOUND = "not_found"
    UPGRADE_REQUIRED = "upgrade_required"
    HEAD_TOO_LARGE = "head_too_large"
    INTERNAL_ERROR = "internal_error"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_CONNECTIONS_OF_USER = "too_many_connections_of_user"
    DRAINING = "draining"
    OVERLOADED = "overloaded"

    MESSAGE_RATE = "message_rate"
    FRAME_RATE = "frame_rate"
    TOO_MUCH_RECEIVED = "too_much_received"
    TOO_MUCH_UNREAD = "too_much_unread"


class HttpError(Exception):
    """A request is answered with this error.

    Attributes:
        status: the HTTP status.
        error: the code.
        headers: what the answer has besides Content-Type and Content-Length.
        body: the answer; `more` adds to it.
    """

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})
        self.body = {"error": error, "detail": detail, **more}


class RejectedRequest(HttpError):
    """A request that the facade rejects before anything else sees it; counted by its reason."""

    def __init__(
        self,
        status: int,
        reason: Rejection,
        detail: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, reason, detail, headers)
        self.reason = reason


def unauthorized(detail: str) -> RejectedRequest:
    """Reject a request without a valid credential."""
    return RejectedRequest(401, Rejection.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})


def too_many_connections() -> RejectedRequest:
    """Reject a connection because the pod is full."""
    return RejectedRequest(
        503,
        Rejection.TOO_MANY_CONNECTIONS,
        "this server has reached its connection limit; try again later",
        RETRY_LATER,
    )


def too_many_connections_of_user() -> RejectedRequest:
    """Reject a connection because its user has reached the limit."""
    return RejectedRequest(
        429,
        Rejection.TOO_MANY_CONNECTIONS_OF_USER,
        "this user has reached the limit of connections per user; close one first",
        RETRY_LATER,
    )


def shutting_down() -> RejectedRequest:
    """Reject a request because the pod is draining."""
    return RejectedRequest(
        503, Rejection.DRAINING, "this server is shutting down; try again", RETRY_NOW
    )


def response_bytes(error: HttpError, *, head_only: bool = False) -> bytes:
    """Return a whole HTTP/1.1 response, after which the connection closes.

    With `head_only` the body is left out, as for a HEAD request; its length is not.
    """
    # A detail may quote bytes of the request that are not UTF-8.
    detail = str(error.body["detail"]).encode(errors="replace").decode()
    body = json_bytes({**error.body, "detail": detail})
    lines = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in error.headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else body)
