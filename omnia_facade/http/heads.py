"""Routes that need the head of a request only, where the HTTP server answers."""

from aiohttp import web

from omnia_core.http.head import RequestHead, joined_headers
from omnia_core.jsonvalue import json_bytes
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.router import HeadRoute


class HeadHttpRoute:
    """Serves a `HeadRoute`."""

    public = False

    def __init__(self, route: HeadRoute) -> None:
        self._route = route

    @property
    def hint(self) -> str:
        return self._route.hint

    def serves(self, path: str) -> bool:
        return self._route.serves(path)

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        head = RequestHead(request.method, request.path, request.query_string, headers)
        body = json_bytes(await self._route.answer(head, caller))
        return web.Response(
            status=self._route.status,
            body=body,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
