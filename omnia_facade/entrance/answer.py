"""Whole HTTP answers for requests that no server behind the door will see."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson


def answer(
    status: int,
    error: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    *,
    head_only: bool = False,
) -> bytes:
    """Return a response with the error body that functions have, after which the door closes.

    With `head_only` it is that of a HEAD request: the body is left out, its length is told.
    """
    # A detail may quote bytes of the request that are no UTF-8.
    said = detail.encode(errors="replace").decode()
    body = orjson.dumps({"error": error, "detail": said})
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else body)
