"""Sessions of MCP servers with a handshake: what a server says when it has forgotten one."""

import msgspec
import orjson
import pytest
from aiohttp import web

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import ToolFailed
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.mcp_source import started
from tests.runtime.servers import serving

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

TOOL: JsonObject = {"name": "echo", "inputSchema": {"type": "object"}}


class Sessions:
    """Knows one session at a time, and answers calls of any other with a given refusal."""

    def __init__(self, status: int, message: str) -> None:
        self.refusal = status, message
        self.number = 0
        self.current = ""
        self.calls: list[str] = []

    def forget(self) -> None:
        self.current = ""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read() or b"{}")
        session = request.headers.get("mcp-session-id", "")
        if asked.get("id") is None:
            return web.Response(status=202 if request.method == "POST" else 405)
        headers = {}
        match asked["method"]:
            case "initialize":
                self.number += 1
                self.current = headers["mcp-session-id"] = f"session {self.number}"
                result: JsonObject = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "sessions", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [TOOL]}
            case "tools/call":
                self.calls.append(session)
                if session != self.current:
                    status, message = self.refusal
                    # As the servers do that cannot say which request they refuse.
                    error = {"jsonrpc": "2.0", "error": {"code": -32000, "message": message}}
                    return web.json_response(error, status=status)
                result = {"content": [{"type": "text", "text": "done"}]}
            case _:
                return web.Response(status=400)
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        return web.json_response(answer, headers=headers)


def handler(url: str, transport: str = "streamable-http") -> ToolHandler:
    config = {"transport": transport, "endpoint": f"{url}/mcp"}
    raw = {"name": "server", "type": "mcp", "timeout": "5s", "mcpConfig": config}
    return msgspec.convert(raw, ToolHandler)


@pytest.mark.parametrize(
    "refusal",
    [
        (404, "Session not found"),
        (400, "Bad Request: No valid session ID provided"),
        (400, "Bad Request: Server not initialized"),
    ],
)
async def test_a_call_in_a_forgotten_session_is_sent_again_in_a_new_one(
    refusal: tuple[int, str],
) -> None:
    server = Sessions(*refusal)
    async with serving(server) as url, started(handler(url)) as found:
        assert await found.call() == ToolResult("done")
        server.forget()
        assert await found.call() == ToolResult("done")
        assert server.calls == ["session 1", "session 1", "session 2"]


async def test_a_refused_call_of_another_reason_ends_no_session() -> None:
    server = Sessions(400, "the text is too long")
    async with serving(server) as url, started(handler(url)) as found:
        server.forget()
        with pytest.raises(ToolFailed, match="the text is too long"):
            await found.call()
        server.current = "session 1"
        assert await found.call() == ToolResult("done")
        assert server.number == 1


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_a_wrong_path_is_no_forgotten_session(transport: str) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=404, text="no session here")

    async with serving(nothing) as url, started(handler(url, transport)) as found:
        assert "has nothing at this path (status 404)" in found.source.problem
