"""Whole HTTP answers for requests that no server behind the door will see."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson


def answer(status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a response with the error body that functions have, after which the door closes."""
    body = orjson.dumps({"error": error, "detail": detail})
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
