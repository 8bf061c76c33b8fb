"""An OpenID provider on loopback: its configuration and its keys, as a real one publishes them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from omnia_core.jsonvalue import JsonObject
from tests.facade.signing import Issuer


class Provider:
    """What it answers is the tests' to change; `asked` counts the requests by path."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.configuration: JsonObject = {}
        self.jwks: Any = None
        self.status = 200
        self.asked: dict[str, int] = {}
        self.hold: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return self.issuer.url

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        if self.hold is not None:
            await self.hold.wait()
        if request.path.endswith("/.well-known/openid-configuration"):
            known = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.configuration}
            return web.json_response(known, status=self.status)
        return web.json_response(
            self.jwks if self.jwks is not None else {"keys": self.issuer.keys}, status=self.status
        )


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    """Serve a provider with one key."""
    provider = Provider()
    runner = web.ServerRunner(web.Server(provider.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    provider.issuer.url = f"http://127.0.0.1:{port}/realm"
    provider.issuer.add("p1")
    try:
        yield provider
    finally:
        if provider.hold is not None:
            provider.hold.set()
        await runner.cleanup()
