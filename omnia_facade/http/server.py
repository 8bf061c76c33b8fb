"""The HTTP server behind the entrance: authenticates requests and dispatches them to routes."""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from aiohttp import web

from omnia_core.http.connection import admit, error_response
from omnia_core.http.errors import HttpError
from omnia_core.http.head import joined_headers
from omnia_core.http.hosts import HostRule
from omnia_core.http.received import ConnectionSettings, ReceiveBudget
from omnia_core.http.server import LimitedServer
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.entrance.admission import misdirected
from omnia_facade.entrance.errors import RejectedRequest, Rejection, unauthorized
from omnia_facade.timings import Timings

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
        hosts: HostRule,
    ) -> None:
        """`rejected` counts rejections by reason; `hosts` says which Host headers are served."""
        self._routes = tuple(routes)
        self._authenticator = authenticator
        self._rejected = rejected
        self._hosts = hosts

    def runner(
        self, drain_seconds: float, timings: Timings, budget: ReceiveBudget
    ) -> web.ServerRunner:
        """Return the server; it does not listen by itself.

        Its cleanup waits up to `drain_seconds` for requests in progress.
        """
        settings = ConnectionSettings(
            head=timings.head,
            keep_alive=timings.keep_alive,
            linger=timings.linger,
            send=timings.send,
            budget=budget,
            refused=lambda error: self._rejected(Rejection(error)),
        )
        # A handler is cancelled when its client disconnects.
        server = LimitedServer(self._handle, settings, handler_cancellation=True)
        return web.ServerRunner(server, shutdown_timeout=drain_seconds)

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
        if not self._hosts.allows(request.headers.get("Host", "")):
            raise misdirected()
        route = next((route for route in self._routes if route.serves(request.path)), None)
        if route and route.public:
            return await route.answer(request, ANONYMOUS)
        caller = await self._authenticated(request)
        if route is None:
            hints = "; ".join(route.hint for route in self._routes)
            raise RejectedRequest(404, Rejection.NOT_FOUND, f"nothing is served here; {hints}")
        admit(request)
        return await route.answer(request, caller)

    async def _authenticated(self, request: web.BaseRequest) -> Principal:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        # `authenticated` of the entrance is one file more for every call of a function.
        try:
            return await self._authenticator.authenticate(headers)
        except Unauthorized as error:
            raise unauthorized(str(error)) from error
