"""A server on loopback that answers as Prometheus and others do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from omnia_core.jsonvalue import JsonObject


@dataclass
class Server:
    """A server that answers what it is told to."""

    url: str = ""
    status: int = 200
    answer: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(
            (request.method, request.path_qs, request.headers.get("authorization", ""))
        )
        if self.hold is not None:
            await self.hold.wait()
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(body=body, status=self.status, headers=self.headers)


@asynccontextmanager
async def answering() -> AsyncIterator[Server]:
    """Run a server."""
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}"
    yield found
    if found.hold is not None:
        found.hold.set()
    await runner.cleanup()


def success(kind: str, result: Any) -> JsonObject:
    """Return an answer of Prometheus."""
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def series(*values: str) -> JsonObject:
    """Return an instant vector of Prometheus."""
    return success("vector", [{"metric": {}, "value": [1.5, each]} for each in values])
