"""The route that cancels a turn, where the HTTP server answers."""

from aiohttp import web

from omnia_core.http.head import RequestHead, joined_headers
from omnia_core.jsonvalue import json_bytes
from omnia_facade.auth.principal import Principal
from omnia_facade.cancellation import TurnCancel


class CancelRoute:
    """Serves `POST /sessions/{id}/cancel`."""

    public = False
    hint = "cancel a turn with POST /sessions/{id}/cancel"

    def __init__(self, cancel: TurnCancel) -> None:
        self._cancel = cancel

    def serves(self, path: str) -> bool:
        return self._cancel.serves(path)

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        head = RequestHead(request.method, request.path, request.query_string, headers)
        body = await self._cancel.answer(head, caller)
        return web.Response(status=202, body=json_bytes(body), content_type="application/json")
