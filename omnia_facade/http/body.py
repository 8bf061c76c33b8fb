"""A request's body, read within bounds of size and time."""

import asyncio
from typing import TypeVar

from aiohttp import web

from omnia_facade.http.route import HttpError

Body = TypeVar("Body", bytes, bytearray)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What aiohttp undoes while it reads; the size of what comes out is what counts.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


async def read_body(request: web.BaseRequest, *, limit: int, seconds: float) -> bytes:
    """Return the whole body, with its Content-Encoding undone.

    Reading stops where it is larger than `limit` bytes or takes longer than `seconds`.

    Raises:
        HttpError: 408, 413, 415, 417; 400 when it breaks its own framing.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise HttpError(
            415,
            "unsupported_media_type",
            f'the Content-Encoding "{encoding[:64]}" is not known; send gzip, deflate or none',
        )
    waits = _waits(request)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    if waits and request.transport:
        request.transport.write(_CONTINUE)
    try:
        if request.content.is_eof():
            # It came with its head, as short ones do: nothing is waited for.
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
        raise HttpError(400, "bad_request", "the body breaks its own framing") from error


def invite(request: web.BaseRequest) -> None:
    """Tell a client that waits for it that the body is wanted.

    Raises:
        HttpError: 417: it expects something else.
    """
    if _waits(request) and request.transport:
        request.transport.write(_CONTINUE)


def _waits(request: web.BaseRequest) -> bool:
    """Whether the client sends the body only when it is told that it is wanted."""
    expected = request.headers.get("Expect")
    if expected is None:
        return False
    if expected.lower() != "100-continue":
        raise HttpError(
            417, "expectation_failed", f'"Expect: {expected[:64]}" is not known here; leave it out'
        )
    return request.version >= (1, 1)


def _within(limit: int, body: Body) -> Body:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "payload_too_large", f"the body is larger than {limit} bytes")
