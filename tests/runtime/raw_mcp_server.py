"""An MCP server that answers with given JSON, valid or not, and a source connected to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
from aiohttp import web

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.mcp.handler import MCPSource
from omnia_runtime.tools.retry import Backoff
from tests.runtime.mcp_server import forget
from tests.runtime.servers import serving
from tests.services import LIMIT

OBJECT: JsonObject = {"type": "object", "properties": {}}
GOOD: JsonObject = {"name": "weather", "description": "Sun.", "inputSchema": OBJECT}


class RawServer:
    """Answers with what a test puts here, valid or not."""

    def __init__(
        self,
        *tools: Any,
        answer: JsonObject | None = None,
        status: int = 200,
        introduction: JsonObject | None = None,
    ) -> None:
        self.tools: Any = list(tools)
        self.introduction = introduction or {}
        self.answer = answer or {"result": {"content": []}}
        self.status = status
        self.calls = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read() or b"{}")
        said: JsonObject
        status = 200
        match asked.get("method"):
            case "initialize":
                info = {"name": "raw", "version": "1"}
                said = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
                said = {"result": said | {"serverInfo": info} | self.introduction}
            case "tools/list":
                said = {"result": {"tools": self.tools}}
            case "tools/call":
                self.calls += 1
                said, status = self.answer, self.status
            case _:
                return web.Response(status=202 if asked.get("id") is None else 405)
        body = orjson.dumps({"jsonrpc": "2.0", "id": asked["id"]})[:-1]
        members = ",".join(f'"{key}":{_json(value)}' for key, value in said.items())
        return web.Response(
            body=body + b"," + members.encode() + b"}",
            status=status,
            content_type="application/json",
        )


def _json(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@contextlib.asynccontextmanager
async def source(server: RawServer) -> AsyncIterator[MCPSource]:
    async with serving(server) as url:
        config = {"transport": "streamable-http", "endpoint": f"{url}/mcp"}
        raw = {"name": "files", "type": "mcp", "timeout": "5s", "mcpConfig": config}
        found = MCPSource(msgspec.convert(raw, ToolHandler), away=Backoff(0.02, 0.2))
        found.start(lambda: None)
        try:
            async with asyncio.timeout(LIMIT):
                await found.settled()
            yield found
        finally:
            await found.close()
            forget()


async def call(server: RawServer, tool: str = "weather") -> ToolResult:
    async with source(server) as found, asyncio.timeout(LIMIT):
        return await found.call(tool, {}, CallContext())
