"""The HTTP server behind the entrance: authenticates requests and dispatches them to routes.

aiohttp reads and writes the messages. This adds limits of time, and JSON answers to every error.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from omnia_core.jsonvalue import json_bytes
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.entrance.errors import HttpError, RejectedRequest, Rejection, unauthorized
from omnia_facade.entrance.head import joined_headers
from omnia_facade.timings import USUAL, Timings

MAX_FIELD_BYTES = 32 * 1024

_log = structlog.get_logger()


class HttpRoute(Protocol):
    """Serves some paths."""

    public: bool
    """Whether requests need no credential. Such a route must reveal nothing about the agent."""

    @property
    def hint(self) -> str:
        """What can be requested here, for the answer to a request for another path."""

    def serves(self, path: str) -> bool:
        """Whether this route serves a path, with any method."""

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        """Answer a request; the caller of a public route is anonymous.

        Cancelled when the client disconnects.

        Raises:
            HttpError: the request is answered with this error.
        """


class HttpServer:
    """Dispatches each request to the first route that serves its path."""

    def __init__(
        self,
        routes: Sequence[HttpRoute],
        authenticator: Authenticator,
        rejected: Callable[[Rejection], None],
    ) -> None:
        """`rejected` counts rejections by reason."""
        self._routes = tuple(routes)
        self._authenticator = authenticator
        self._rejected = rejected

    def runner(self, drain_seconds: float, timings: Timings = USUAL) -> web.ServerRunner:
        """Return the server; it does not listen by itself.

        Its cleanup waits up to `drain_seconds` for requests in progress.
        """
        connections = _ConnectionFactory(self._handle, timings)
        return web.ServerRunner(connections, shutdown_timeout=drain_seconds)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except HttpError as error:
            if isinstance(error, RejectedRequest):
                self._rejected(error.reason)
            response = error_response(error)
        except Exception:  # noqa: BLE001 - the caller gets JSON whatever happens
            _log.exception("request crashed", path=request.path)
            detail = "the request could not be answered; see the facade's log"
            response = error_response(HttpError(500, "internal_error", detail))
        if "Expect" in request.headers or request.content.exception():
            # It is not known where the next request begins.
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = next((route for route in self._routes if route.serves(request.path)), None)
        if route and route.public:
            return await route.answer(request, ANONYMOUS)
        caller = await self._authenticated(request)
        if route is None:
            hints = "; ".join(route.hint for route in self._routes)
            raise RejectedRequest(404, Rejection.NOT_FOUND, f"nothing is served here; {hints}")
        return await route.answer(request, caller)

    async def _authenticated(self, request: web.BaseRequest) -> Principal:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        try:
            return await self._authenticator.authenticate(headers)
        except Unauthorized as error:
            raise unauthorized(str(error)) from error


def error_response(error: HttpError) -> web.Response:
    """Return the answer with this error."""
    return web.Response(
        status=error.status,
        body=json_bytes(error.body),
        content_type="application/json",
        headers=error.headers,
    )


class HttpConnection(web.RequestHandler):
    """A connection that a client may use for several requests."""

    __slots__ = ("_send_seconds",)

    def __init__(self, *args: Any, send_seconds: float, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._send_seconds = send_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Without a write buffer, an answer counts as sent only when the kernel has all of it.
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._fail_body()

    def _fail_body(self) -> None:
        """Propagate a parse error to the body reader; aiohttp's parser does not."""
        if len(self._messages) > 1:
            payload = self._messages[-2][1]
        elif self._current_request:
            payload = self._current_request.content
        else:
            return
        if not payload.is_eof():
            payload.set_exception(web.RequestPayloadError("the body has invalid framing"))
            payload.feed_eof()

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
            error = HttpError(status, "internal_error", "see the facade's log")
        response = error_response(error)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # aiohttp's own value reveals its version and that of Python.
        resp.headers.setdefault("Server", "omnia")
        transport = request.transport
        if transport is None:
            return await super().finish_response(request, resp, start_time)
        timer = self._loop.call_later(self._send_seconds, transport.abort)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            timer.cancel()


class _ConnectionFactory(web.Server):
    """Makes the protocol of each connection."""

    def __init__(self, handler: Any, timings: Timings) -> None:
        # A handler is cancelled when its client disconnects.
        super().__init__(handler, handler_cancellation=True)
        self._timings = timings

    def __call__(self) -> HttpConnection:
        return HttpConnection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            # A slowly arriving head does not restart it.
            keepalive_timeout=self._timings.keep_alive,
            lingering_time=self._timings.linger,
            # A token with many claims exceeds aiohttp's default.
            max_field_size=MAX_FIELD_BYTES,
            send_seconds=self._timings.send,
        )
