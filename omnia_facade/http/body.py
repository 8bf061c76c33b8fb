"""Reads the body of a request within limits of size and time."""

import asyncio
from typing import TypeVar

from aiohttp import web

from omnia_core.http.errors import HttpError

Body = TypeVar("Body", bytes, bytearray)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# aiohttp decodes these while it reads; the limit is for the decoded size.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


async def read_body(request: web.BaseRequest, *, limit: int, seconds: float) -> bytes:
    """Return the whole body, with its Content-Encoding decoded.

    Reading stops when it exceeds `limit` bytes or takes longer than `seconds`.

    Raises:
        HttpError: 408, 413, 415, 417; 400 if the body has invalid framing.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise HttpError(
            415,
            "unsupported_media_type",
            f'the Content-Encoding "{encoding[:64]}" is not supported; use gzip, deflate or none',
        )
    expects_continue = _expects_continue(request)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    if expects_continue and request.transport:
        request.transport.write(_CONTINUE)
    try:
        if request.content.is_eof():
            # A short body arrives with its head: it can be read without waiting.
            return _within(limit, request.content.read_nowait())
        body = bytearray()
        async with asyncio.timeout(seconds):
            async for data in request.content.iter_any():
                body += data
                _within(limit, body)
        return bytes(body)
    except TimeoutError:
        raise HttpError(
            408, "request_timeout", f"the body was not complete after {seconds:g} s"
        ) from None
    except web.RequestPayloadError as error:
        raise invalid_framing() from error


def send_continue(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, if the client sent it.

    Raises:
        HttpError: 417: the client expects something else.
    """
    if _expects_continue(request) and request.transport:
        request.transport.write(_CONTINUE)


def invalid_framing() -> HttpError:
    """Return the error for a body whose chunks or length are invalid."""
    return HttpError(400, "bad_request", "the body has invalid framing")


def _expects_continue(request: web.BaseRequest) -> bool:
    """Whether the client waits for `100 Continue` before it sends the body."""
    expected = request.headers.get("Expect")
    if expected is None:
        return False
    if expected.lower() != "100-continue":
        raise HttpError(
            417, "expectation_failed", f'"Expect: {expected[:64]}" is not supported; omit it'
        )
    return request.version >= (1, 1)


def _within(limit: int, body: Body) -> Body:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "payload_too_large", f"the body is larger than {limit} bytes")
