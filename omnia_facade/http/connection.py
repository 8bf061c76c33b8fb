"""One HTTP connection: what aiohttp does, within bounds of time, and JSON whatever goes wrong."""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from omnia_facade.http.route import HttpError
from omnia_facade.timings import Timings

MAX_FIELD_BYTES = 32 * 1024

_log = structlog.get_logger()


class Connection(web.RequestHandler):
    """A connection that a client may keep open for several requests."""

    __slots__ = ("_send_seconds",)

    def __init__(self, *args: Any, send_seconds: float, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._send_seconds = send_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Nothing of an answer stays in this process unseen: its sending ends when it is sent.
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._end_body()

    def _end_body(self) -> None:
        """Tell who reads a body that its rest cannot be read: the parser tells nobody."""
        if len(self._messages) > 1:
            payload = self._messages[-2][1]
        elif self._current_request:
            payload = self._current_request.content
        else:
            return
        if not payload.is_eof():
            payload.set_exception(web.RequestPayloadError("the body breaks its own framing"))
            payload.feed_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request, after which the connection ends."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer was sent")
        if isinstance(exc, LineTooLong):
            refused = HttpError(431, "head_too_large", "the request's headers are too large")
        elif isinstance(exc, HttpProcessingError):
            said = " ".join((message or "").split())[:200]
            refused = HttpError(400, "bad_request", f"this is no HTTP/1.1 request: {said}")
        else:
            _log.error("a connection crashed", exc_info=exc)
            refused = HttpError(status, "internal_error", "the facade's log says why")
        response = refused.response
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # aiohttp would tell everybody its version and Python's.
        resp.headers.setdefault("Server", "omnia")
        transport = request.transport
        if transport is None:
            return await super().finish_response(request, resp, start_time)
        timer = self._loop.call_later(self._send_seconds, transport.abort)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            timer.cancel()


class ConnectionServer(web.Server):
    """Makes connections."""

    def __init__(self, handler: Any, timings: Timings) -> None:
        # Who has gone is not answered: a handler ends with its connection.
        super().__init__(handler, handler_cancellation=True)
        self._timings = timings

    def __call__(self) -> Connection:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            # It is not begun anew by a head that comes in drops.
            keepalive_timeout=self._timings.keep_alive,
            lingering_time=self._timings.linger,
            # A token with many claims is longer than aiohttp would take.
            max_field_size=MAX_FIELD_BYTES,
            send_seconds=self._timings.send,
        )
