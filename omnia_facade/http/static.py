"""The route of a document that is built at the start."""

from aiohttp import hdrs, web

from omnia_core.http.content import StaticContent
from omnia_core.http.errors import HttpError
from omnia_facade.auth.principal import Principal

_METHODS = ("GET", "HEAD")


class StaticRoute:
    """Serves one document at one path."""

    def __init__(self, path: str, document: StaticContent, *, hint: str, public: bool) -> None:
        self.public = public
        self.hint = hint
        self._path = path
        self._document = document

    def serves(self, path: str) -> bool:
        return path == self._path

    async def answer(
        self,
        request: web.BaseRequest,
        caller: Principal,  # noqa: ARG002 - the port's
    ) -> web.StreamResponse:
        if request.method not in _METHODS:
            allowed = ", ".join(_METHODS)
            raise HttpError(
                405, "method_not_allowed", f"this path allows {allowed} only", {"Allow": allowed}
            )
        headers, body = self._document.content(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        return web.Response(body=body, headers=headers)
