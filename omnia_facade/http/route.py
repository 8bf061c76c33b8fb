"""The port between the HTTP server and what it serves. Only pods that serve HTTP import this."""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from omnia_facade.auth.principal import Principal


class HttpError(Exception):
    """A request that gets no answer but this: `{"error": …, "detail": …}` and what `more` adds."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.body = {"error": error, "detail": detail, **more}

    @property
    def response(self) -> web.Response:
        """The answer."""
        return web.Response(
            status=self.status,
            body=orjson.dumps(self.body),
            content_type="application/json",
            headers=self.headers,
        )


class Route(Protocol):
    """Serves some paths."""

    public: bool
    """Whether nobody needs a credential. Only what says nothing of this agent may be."""

    @property
    def hint(self) -> str:
        """What can be asked here, for who asked for something else."""

    def serves(self, path: str) -> bool:
        """Whether this route answers, whatever the method."""

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        """Answer a request; of a public route the caller is anonymous.

        It is cancelled when the client goes away.

        Raises:
            HttpError: the answer is this error.
        """
