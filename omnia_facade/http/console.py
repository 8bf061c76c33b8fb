"""The route of the page for people: `GET /`, where an HTTP server runs."""

from aiohttp import web

from omnia_facade.auth.principal import Principal
from omnia_facade.console.page import METHODS, PATH, Page
from omnia_facade.http.route import HttpError


class ConsoleRoute:
    """Serves a page that was put together at the start."""

    public = True
    hint = f"open {PATH} in a browser"

    def __init__(self, page: Page) -> None:
        self._page = page

    def serves(self, path: str) -> bool:
        return path == PATH

    async def answer(
        self,
        request: web.BaseRequest,
        caller: Principal,  # noqa: ARG002 - the port's
    ) -> web.StreamResponse:
        if request.method not in METHODS:
            allow = {"Allow": ", ".join(METHODS)}
            raise HttpError(405, "method_not_allowed", "this page is only read", allow)
        return web.Response(body=self._page.body, headers=self._page.headers)
