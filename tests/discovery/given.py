"""Handlers and servers that several tests use."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.discovery import DiscoveryContext, Egress, HandlerTools, ServerDiscovery
from tests.services import free_port

CONTEXT = DiscoveryContext("shop")
TOOL: JsonObject = {
    "name": "find_order",
    "description": "Find an order",
    "inputSchema": {"type": "object"},
}


def handler(**fields: object) -> ToolHandler:
    return ToolHandler.model_validate_json(json.dumps(fields))


def mcp(endpoint: str, transport: str = "streamable-http", **fields: object) -> ToolHandler:
    config: JsonObject = {"transport": transport, "endpoint": endpoint}
    config |= {key: fields.pop(key) for key in ["toolFilter"] if key in fields}
    return handler(**{"name": "weather"} | fields, type="mcp", mcpConfig=config)


def openapi(url: str, **fields: object) -> ToolHandler:
    config: JsonObject = {"specURL": url}
    config |= {key: fields.pop(key) for key in ["operationFilter", "baseURL"] if key in fields}
    return handler(name="pets", type="openapi", openAPIConfig=config, **fields)


def http(url: str, **fields: object) -> ToolHandler:
    return handler(name="orders", type="http", tool=TOOL, httpConfig={"endpoint": url}, **fields)


def grpc(endpoint: str, **fields: object) -> ToolHandler:
    config = {"endpoint": endpoint}
    return handler(name="stock", type="grpc", tool=TOOL, grpcConfig=config, **fields)


async def discover(asked: ToolHandler, context: DiscoveryContext = CONTEXT) -> HandlerTools:
    return await ServerDiscovery(Egress(lambda _: False)).discover(asked, context)


@contextlib.asynccontextmanager
async def web_server(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Answer every request; yield the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Accept connections and say nothing; yield the port."""
    done = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(wait, "127.0.0.1", port)
    try:
        yield port
    finally:
        done.set()
        server.close()
        await server.wait_closed()
