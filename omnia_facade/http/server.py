"""The HTTP server behind the door: who is asking, and which route answers."""

from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.entrance.admission import AUTHENTICATE
from omnia_facade.entrance.head import joined
from omnia_facade.entrance.rejections import Rejection
from omnia_facade.http.connection import ConnectionServer
from omnia_facade.http.route import HttpError, Route
from omnia_facade.timings import USUAL, Timings

_log = structlog.get_logger()


class HttpServer:
    """Asks the first route that serves a path, and has a proper answer to everything else."""

    def __init__(
        self,
        routes: Sequence[Route],
        authenticator: Authenticator,
        rejected: Callable[[Rejection], None],
    ) -> None:
        """`rejected` counts why somebody was refused."""
        self._routes = tuple(routes)
        self._authenticator = authenticator
        self._rejected = rejected

    def runner(self, drain_seconds: float, timings: Timings = USUAL) -> web.ServerRunner:
        """Return the server; it listens on nothing by itself.

        Its end waits `drain_seconds` for requests that are being answered.
        """
        server = ConnectionServer(self._handle, timings)
        return web.ServerRunner(server, shutdown_timeout=drain_seconds)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except HttpError as error:
            response = error.response
        except Exception:  # noqa: BLE001 - the caller gets JSON whatever happens
            _log.exception("request crashed", path=request.path)
            detail = "the request could not be answered; the facade's log says why"
            response = HttpError(500, "internal_error", detail).response
        if "Expect" in request.headers or request.content.exception():
            # Where the next request begins, nobody knows.
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = next((each for each in self._routes if each.serves(request.path)), None)
        if route and route.public:
            return await route.answer(request, ANONYMOUS)
        caller = await self._authenticated(request)
        if route is None:
            self._rejected(Rejection.NOT_FOUND)
            served = "; ".join(each.hint for each in self._routes)
            raise HttpError(404, "not_found", f"nothing is served here; {served}")
        return await route.answer(request, caller)

    async def _authenticated(self, request: web.BaseRequest) -> Principal:
        headers = joined((name.lower(), value) for name, value in request.headers.items())
        try:
            return await self._authenticator.authenticate(headers)
        except Unauthorized as error:
            self._rejected(Rejection.UNAUTHORIZED)
            raise HttpError(401, "unauthorized", str(error), AUTHENTICATE) from error
