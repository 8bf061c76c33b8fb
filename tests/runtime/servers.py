"""Real HTTP servers on the loopback address."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.services import close_with_clients


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    port: int = 0,
    tls: tuple[Path, Path] | None = None,
) -> AsyncIterator[str]:
    """Serve every path with `handler`, and yield the URL; `tls` are a certificate and its key."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    server = site._server
    assert server
    port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # asyncio's server
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
        await close_with_clients(server)


def chunk(
    delta: dict[str, Any], finish: str | None = None, usage: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A chunk as chat completions sends it."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [] if usage else choices,
        "usage": usage,
    }


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 10,
    "total_tokens": 110,
    "prompt_tokens_details": {"cached_tokens": 40},
}


def call_piece(index: int, **fields: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    call_id = fields.pop("id", None)
    piece = {"index": index, "function": fields}
    return {"tool_calls": [piece | ({"id": call_id, "type": "function"} if call_id else {})]}


class ChatServer:
    """Speaks chat completions.

    Attributes:
        bodies, headers: what was asked, in order.
        chunks: what is answered.
        hold: when set, the answer stops after the chunks until the client goes.
        left: is set when the client of a held answer has gone.
    """

    path = "/v1/chat/completions"

    def __init__(self, chunks: Sequence[dict[str, Any]] = (), *, hold: bool = False) -> None:
        self.chunks = chunks
        self.hold = hold
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = asyncio.Event()
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.done = True

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        assert request.path == self.path
        self.bodies.append(orjson.loads(await request.read()))
        self.headers.append(dict(request.headers))
        if self.refusal:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in self.chunks:
            await response.write(self.event(each))
        if self.hold:
            await self._until_gone(request)
        elif self.done:
            await response.write(b"data: [DONE]\n\n")
        return response

    def event(self, content: dict[str, Any]) -> bytes:
        """Return an event as it is sent."""
        return b"data: " + orjson.dumps(content) + b"\n\n"

    async def _until_gone(self, request: web.Request) -> None:
        while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp signals it in no other way
            await asyncio.sleep(0.01)
        self.left.set()
