"""The route of the document that describes the others: `GET /openapi.json`."""

import orjson
from aiohttp import web

from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal
from omnia_facade.http.route import HttpError

PATH = "/openapi.json"
_METHODS = ("GET", "HEAD")


class OpenApiRoute:
    """Serves a document that was built at the start."""

    public = False

    def __init__(self, document: JsonObject) -> None:
        self._body = orjson.dumps(document)

    @property
    def hint(self) -> str:
        return f"read GET {PATH}"

    def serves(self, path: str) -> bool:
        return path == PATH

    async def answer(
        self,
        request: web.BaseRequest,
        caller: Principal,  # noqa: ARG002 - the port's
    ) -> web.StreamResponse:
        if request.method not in _METHODS:
            allow = {"Allow": ", ".join(_METHODS)}
            raise HttpError(405, "method_not_allowed", "this document is only read", allow)
        return web.Response(body=self._body, content_type="application/json")
