"""An MCP server: in the test's own loop over HTTP, or a program that speaks over its pipes."""

import asyncio
import base64
import contextlib
import gc
import os
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from mcp import types
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.programs import PYTHON
from tests.services import LIMIT

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Calls:
    """What a server in the test's own loop was asked.

    Attributes:
        slow: is set when `slow` was called; `answers` lets it end; `cancelled` tells that it was.
        asked: is set when `moody` was called; it does what `mood` says: slow, huge, or "".
    """

    def __init__(self) -> None:
        self.slow, self.answers, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.asked = asyncio.Event()
        self.mood = ""


def make(calls: Calls) -> MCPServer:  # noqa: C901 - a list of tools
    """Return a server whose tools do what their names say."""
    server = MCPServer("tools", log_level="CRITICAL")

    @server.tool(structured_output=False)
    def echo(text: str) -> str:
        """Repeat."""
        return text

    @server.tool()
    def structured(count: int) -> dict[str, Any]:
        """Return JSON."""
        return {"count": count, "name": "ä"}

    @server.tool(structured_output=False)
    def mixed() -> list[Any]:
        """Return media beside text."""
        return [
            "before",
            Image(data=PIXEL, format="png"),
            types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav"),
            types.ResourceLink(
                type="resource_link", uri="file:///a.csv", name="rows", mime_type="text/csv"
            ),
            types.EmbeddedResource(
                type="resource",
                resource=types.TextResourceContents(uri="memo://1", text="remember"),
            ),
            types.EmbeddedResource(
                type="resource",
                resource=types.BlobResourceContents(
                    uri="file:///a.pdf", blob="AAAA", mime_type="application/pdf"
                ),
            ),
            types.EmbeddedResource(
                type="resource",
                resource=types.BlobResourceContents(uri="file:///a.bin", blob="AAAA"),
            ),
        ]

    @server.tool(structured_output=False)
    def fails() -> str:
        """Fail."""
        raise ToolError("no such order")

    @server.tool(structured_output=False)
    def huge() -> str:
        """Return more than anybody wants."""
        return "x" * (11 << 20)

    @server.tool(structured_output=False)
    async def slow() -> str:
        """Wait."""
        calls.slow.set()
        try:
            await calls.answers.wait()
        except asyncio.CancelledError:
            calls.cancelled.set()
            raise
        return "at last"

    @server.tool(structured_output=False)
    async def moody() -> str:
        """Do what the test says."""
        calls.asked.set()
        match calls.mood:
            case "slow":
                return await slow()
            case "huge":
                return huge()
            case _:
                return "by mcp"

    @server.tool(structured_output=False)
    async def grow(ctx: Context[Any]) -> str:
        """Add a tool, and tell."""
        server.add_tool(echo, name="grown", structured_output=False)
        await ctx.notify_tools_changed()
        with contextlib.suppress(Exception):
            await ctx.session.send_tool_list_changed()
        return "grown"

    @server.tool()
    def environment() -> dict[str, str]:
        """Return what the server was started with."""
        return dict(os.environ) | {"PWD": str(Path.cwd())}

    @server.tool(structured_output=False)
    def child() -> str:
        """Start a process that nobody waits for; return its id."""
        return str(subprocess.Popen(["sleep", "1000"]).pid)

    @server.tool(structured_output=False)
    def end() -> str:
        """End without a word."""
        os._exit(3)

    return server


class Door:
    """In front of a server: sees the headers, and may shut.

    Attributes:
        refuses: the status that every request is answered with, 0 for none.
        old: whether the protocol of 2026 is not known.
        headers: of the requests, in order.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refuses = 0
        self.old = False
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        status = self.refuses
        if self.old and "mcp-method" in self.headers[-1] and not status:
            new = self.headers[-1]["mcp-method"] == "server/discover"
            status = 400 if new else 0
        if not status:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Served:
    """A server that listens."""

    def __init__(self, calls: Calls, door: Door, url: str, server: uvicorn.Server) -> None:
        self.calls = calls
        self.door = door
        self.url = url
        self.server = server

    def cut(self) -> None:
        """Cut every connection, as a machine that dies does."""
        for each in list(self.server.server_state.connections):
            if each.transport:
                each.transport.abort()


# For tests in which connections break, beside `forget`.
LEFT_OPEN = (
    "ignore:Exception ignored in. <function MemoryObject:pytest.PytestUnraisableExceptionWarning"
)


def forget() -> None:
    """Take away the streams in memory that the SDK leaves open of connections that break.

    They would be found, and told as a warning, in some later test.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextlib.asynccontextmanager
async def serving(
    transport: str,
    port: int,
    *,
    calls: Calls | None = None,
    json: bool = False,
    tls: tuple[Path, Path] | None = None,
) -> AsyncIterator[Served]:
    """Serve until the end of the block, which cuts every connection; `tls` are two files."""
    calls = calls or Calls()
    mcp = make(calls)
    door = Door(
        mcp.sse_app() if transport == "sse" else mcp.streamable_http_app(json_response=json)
    )
    config = uvicorn.Config(
        door,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=0,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    server = uvicorn.Server(config)
    path = "/sse" if transport == "sse" else "/mcp"
    running = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(LIMIT):
            while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
                await asyncio.sleep(0.005)
        served = Served(calls, door, f"http{'s' if tls else ''}://127.0.0.1:{port}{path}", server)
        yield served
    finally:
        served.cut()
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def running(transport: str, port: int) -> AsyncIterator[None]:
    """Run the server as a program until the end of the block, which kills it."""
    command = [PYTHON, "-m", "tests.runtime.mcp_server", transport, str(port)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(LIMIT):
            while not await _listens(port):
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


if __name__ == "__main__":
    if "--noisy" in sys.argv:
        sys.stderr.write("starting\n" + "y" * 200_000 + "\n")
    asked = make(Calls())
    match sys.argv[1:]:
        case ["sse", port]:
            asked.run("sse", host="127.0.0.1", port=int(port))
        case ["streamable-http", port]:
            asked.run("streamable-http", host="127.0.0.1", port=int(port))
        case _:
            asked.run("stdio")
