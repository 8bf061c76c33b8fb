"""The HTTP server behind the door: who is asking, and which route answers."""

from collections.abc import Sequence

import structlog
from aiohttp import web

from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.http.admission import AUTHENTICATE
from omnia_facade.http.head import joined
from omnia_facade.http.route import HttpError, Route

_log = structlog.get_logger()


class HttpServer:
    """Asks the first route that serves a path, and has a proper answer to everything else."""

    def __init__(self, routes: Sequence[Route], authenticator: Authenticator) -> None:
        self._routes = tuple(routes)
        self._authenticator = authenticator

    def runner(self, drain_seconds: float) -> web.ServerRunner:
        """Return the server; it listens on nothing by itself.

        Its end waits `drain_seconds` for requests that are being answered.
        """
        server = web.Server(self._handle, access_log=None)
        return web.ServerRunner(server, shutdown_timeout=drain_seconds)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except HttpError as error:
            return error.response
        except Exception:  # noqa: BLE001 - the caller gets JSON whatever happens
            _log.exception("request crashed", path=request.path)
            detail = "the request could not be answered; the facade's log says why"
            return HttpError(500, "internal_error", detail).response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = next((each for each in self._routes if each.serves(request.path)), None)
        if route and route.public:
            return await route.answer(request, ANONYMOUS)
        caller = await self._authenticated(request)
        if route is None:
            served = "; ".join(each.hint for each in self._routes)
            raise HttpError(404, "not_found", f"nothing is served here; {served}")
        return await route.answer(request, caller)

    async def _authenticated(self, request: web.BaseRequest) -> Principal:
        headers = joined((name.lower(), value) for name, value in request.headers.items())
        try:
            return await self._authenticator.authenticate(headers)
        except Unauthorized as error:
            raise HttpError(401, "unauthorized", str(error), AUTHENTICATE) from error
