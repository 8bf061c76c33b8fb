"""HTTP/1.1 connections on aiohttp, with limits for clients that are not known yet.

aiohttp's parser gets one message at a time: a head when it is complete and the request before it
is answered, and the body when the handler asks for it. Until then the bytes wait here, where they
are counted, and reading pauses. So a head is bounded before it is parsed, a client that sends many
requests at once waits for its answers like one that does not, and a request that is refused costs
no more than its head.
"""

import asyncio
from typing import Any, cast

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from omnia_core.http.errors import HttpError, response_bytes
from omnia_core.http.head import END, MAX_HEAD_BYTES, MAX_HEAD_FIELDS
from omnia_core.http.received import (
    ALLOWANCE,
    UNFINISHED,
    ConnectionSettings,
    HeadTooLarge,
    ReceivedBytes,
    discard_slowly,
    head_size,
)
from omnia_core.jsonvalue import json_bytes

MAX_FIELD_BYTES = 32 * 1024
# Chunks are handed over at their ends. After so many, other connections have their turn.
_MAX_PIECES = 16

_log = structlog.get_logger()


def error_response(error: HttpError) -> web.Response:
    """Return the answer with this error."""
    return web.Response(
        status=error.status,
        body=json_bytes(error.body),
        content_type="application/json",
        headers=error.headers,
    )


def admit(request: web.BaseRequest) -> None:
    """Receive the body of a request, after its caller has been authenticated."""
    if isinstance(request.protocol, HttpConnection):
        request.protocol.admit()


class HttpConnection(web.RequestHandler):
    """A connection that a client may use for several requests."""

    __slots__ = (
        "_admitted",
        "_body",
        "_body_left",
        "_body_tail",
        "_discarding",
        "_head_timer",
        "_overhead",
        "_received",
        "_send_timer",
        "_settings",
    )

    def __init__(self, server: web.Server, settings: ConnectionSettings) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=cast("Any", None),
            # A slowly arriving head does not restart it.
            keepalive_timeout=settings.keep_alive,
            lingering_time=settings.linger,
            # A token with many claims exceeds aiohttp's default.
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEAD_FIELDS,
        )
        self._settings = settings
        self._received = ReceivedBytes(settings.budget)
        # The body of the request that is being answered; None between requests.
        self._body: StreamReader | None = None
        # Bytes that it still has; None when it comes in chunks.
        self._body_left: int | None = 0
        self._body_tail = b""
        # Bytes of chunk sizes and trailers since the last byte of content.
        self._overhead = 0
        self._admitted = False
        self._discarding = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Without a write buffer, writing pauses until the kernel has all of an answer.
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._discard()
        self._stop_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            if self.transport is not None:
                discard_slowly(self.transport)
        elif not data:
            # aiohttp continues with a body that it may have paused.
            if self._body is not None and not self._body.is_eof():
                self._feed_body(b"")
                self._advance()
        elif self._received:
            self._keep(data)
        elif self._body is None:
            self._begin(data)
        elif self._admitted and len(data) <= (self._body_left or 0):
            self._feed_body(data)
        else:
            self._keep(data)

    def log_exception(self, *args: Any, exc_info: Any = None, **more: Any) -> None:
        """Log an error, unless it is in a body that no handler read: that is the client's fault."""
        if not isinstance(exc_info, HttpProcessingError | web.RequestPayloadError):
            super().log_exception(*args, exc_info=exc_info, **more)

    def _begin(self, data: bytes) -> None:
        """Parse the head of the next request, which most often arrives in one piece."""
        try:
            size = head_size(data)
        except HeadTooLarge:
            size = None
        if size is None or not self._received.hold(size):
            self._keep(data)
            return
        self._stop_head_timer()
        self._parse_head(data[:size])
        if len(data) > size:
            self._keep(data[size:])

    def _keep(self, data: bytes) -> None:
        if self._received.add(data):
            self._advance()
        else:
            self._refuse_for_want_of_memory()

    @property
    def is_idle(self) -> bool:
        """Whether the connection is open and no request is being answered."""
        return self._body is None and self.transport is not None

    def admit(self) -> None:
        """Receive the body of the current request, after its caller has been authenticated."""
        if not self._admitted:
            self._admitted = True
            self._received.admit()
            size = len(self._received)
            if size and size <= (self._body_left or 0):
                self._feed_body(self._received.take(size))
            if size:
                # Reading may have been paused until now.
                self._advance()

    def _advance(self) -> None:
        """Hand over what can be parsed now; then pause reading, or go on."""
        for _ in range(_MAX_PIECES):
            if not self._received or self._close or self._force_close:
                break
            if not (self._hand_over_head() if self._body is None else self._hand_over_body()):
                break
        else:
            self._loop.call_soon(self._advance)
            self._pause_reading_for_buffer()
            return
        waits = self._head_timer is None and len(self._received) > ALLOWANCE
        if waits and not self._buffer_paused:
            self._pause_reading_for_buffer()
        elif self._buffer_paused and not waits:
            self._resume_reading_for_buffer()

    def _hand_over_head(self) -> bool:
        try:
            size = self._received.head_size()
        except HeadTooLarge as error:
            self._refuse(HttpError(431, "head_too_large", str(error)))
            return False
        if size is None:
            self._limit_head_time()
            return False
        self._stop_head_timer()
        head = self._received.take_head(size)
        if head is None:
            self._refuse_for_want_of_memory()
            return False
        self._parse_head(head)
        return True

    def _parse_head(self, head: bytes) -> None:
        super().data_received(head)
        if not self._messages:
            # Empty lines before a request are permitted (RFC 9112, section 2.2).
            self._received.expect_head()
            if head.strip():
                self._refuse(HttpError(400, "bad_request", "this is not a valid HTTP/1.1 request"))
            return
        message, body = self._messages[-1]
        self._body = body
        self._admitted = False
        self._body_left = 0
        if not body.is_eof() and isinstance(message, RawRequestMessage):
            length = None if message.chunked else message.headers.get("Content-Length")
            self._body_left = None if length is None else int(length)
            self._body_tail = b""
            self._overhead = 0

    def _hand_over_body(self) -> bool:
        """Hand over a piece that does not exceed the current message."""
        if not self._admitted or self._reading_paused or self._body_left == 0:
            # The answer, the handler or the next request has its turn first.
            return False
        if self._body_left is None:
            # A body in chunks can end only there.
            piece = self._received.take(self._received.size_to_end(self._body_tail))
            self._body_tail = (self._body_tail + piece)[1 - len(END) :]
        else:
            piece = self._received.take(min(self._body_left, len(self._received)))
        self._feed_body(piece)
        return True

    def _feed_body(self, data: bytes) -> None:
        body = self._body
        if body is None:
            return
        before = body.total_bytes
        if self._body_left is not None:
            self._body_left -= len(data)
        super().data_received(data)
        if body.is_eof():
            self._body_left = 0
        elif self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            # aiohttp's parser does not report an error to the reader of the body.
            self._fail_body(body, "the body has invalid framing")
        elif body.total_bytes != before:
            self._overhead = 0
        elif not self._reading_paused:
            self._overhead += len(data)
            if self._overhead > MAX_HEAD_BYTES:
                self._fail_body(body, "the chunk sizes or trailers of the body are too large")

    def _fail_body(self, body: StreamReader, reason: str) -> None:
        body.set_exception(web.RequestPayloadError(reason))
        body.feed_eof()
        self._discard()

    def _refuse_for_want_of_memory(self) -> None:
        error = HttpError(503, "overloaded", UNFINISHED, {"Retry-After": "1"})
        if self._body is None:
            self._refuse(error)
        else:
            # The answer to the request before it comes first, and may take long.
            self._discard()
            self.force_close()

    def _refuse(self, error: HttpError) -> None:
        """Answer a head that is not parsed, and close when the client had time to read it."""
        transport = self.transport
        self._settings.refused(error.error)
        self._discard()
        if transport is not None and not transport.is_closing():
            transport.write(response_bytes(error))
            if transport.can_write_eof():
                transport.write_eof()
            self._loop.call_later(self._settings.linger, self.force_close)

    def _discard(self) -> None:
        """Drop what arrived and what will arrive."""
        self._discarding = True
        self._received.clear()
        self._stop_head_timer()
        if self._buffer_paused:
            self._resume_reading_for_buffer()

    def _limit_head_time(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._settings.head, self.force_close)

    def _stop_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _resume_reading_if_drained(self) -> None:
        """Leave reading paused: `_advance` resumes it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a message that is not a valid request, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer was sent")
        if isinstance(exc, LineTooLong):
            error = HttpError(431, "head_too_large", "the request's headers are too large")
        elif isinstance(exc, HttpProcessingError):
            reason = " ".join((message or "").split())[:200]
            error = HttpError(400, "bad_request", f"this is not a valid HTTP/1.1 request: {reason}")
        else:
            _log.error("a connection crashed", exc_info=exc)
            error = HttpError(status, "internal_error", "see the server's log")
        response = error_response(error)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # aiohttp's own value reveals its version and that of Python.
        resp.headers.setdefault("Server", "omnia")
        admitted = self._admitted
        # What is left of the body may have arrived.
        self.admit()
        body = self._body
        if body is not None and (not body.is_eof() or body.exception()):
            # It is not known where the next request begins.
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._body = None
            if not resp.keep_alive:
                self._discard()
            elif not self._received.expect_head():
                self._refuse_for_want_of_memory()
            elif not admitted:
                # A client without a credential does not hold its place for long.
                self._limit_head_time()
            if self._received:
                # Other connections have their turn before the next request of this one.
                self._loop.call_soon(self._advance)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.transport is not None:
            self._send_timer = self._loop.call_later(self._settings.send, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def _stop_send_timer(self) -> None:
        if self._send_timer:
            self._send_timer.cancel()
            self._send_timer = None
