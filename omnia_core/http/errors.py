"""HTTP error answers: `{"error": code, "detail": text}` with a status, without an HTTP library."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from omnia_core.jsonvalue import json_bytes


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


def response_bytes(error: HttpError, *, head_only: bool = False) -> bytes:
    """Return a whole HTTP/1.1 response, after which the connection closes.

    With `head_only` the body is left out, as for a HEAD request; its length is not.
    """
    return json_response(error.status, error.body, error.headers, head_only=head_only)


def json_response(
    status: int,
    document: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    head_only: bool = False,
) -> bytes:
    """Return a whole HTTP/1.1 response with a JSON document, as `response_bytes`."""
    body = json_bytes({**document})
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else body)
