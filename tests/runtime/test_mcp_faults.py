"""MCP servers with wrong tools, or with errors of their own."""

from typing import Any

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.raw_mcp_server import GOOD, OBJECT, RawServer, call, source

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)


@pytest.mark.parametrize(
    ("tool", "fault"),
    [
        ("a text", "expected an object"),
        (None, "found null"),
        ({"inputSchema": OBJECT}, "name: expected a text, found null"),
        ({"name": 7, "inputSchema": OBJECT}, "name: expected a text, found 7"),
        ({"name": "odd"}, "inputSchema: expected an object, found null"),
        ({"name": "odd", "inputSchema": None}, "inputSchema: expected an object, found null"),
        ({"name": "odd", "inputSchema": True}, "inputSchema: expected an object, found a boolean"),
        ({"name": "odd", "inputSchema": []}, "inputSchema: expected an object, found a list"),
        ({"name": "odd", "inputSchema": {"type": "array"}}, 'expected "object", found "array"'),
        (
            {"name": "odd", "inputSchema": {"type": "object", "properties": ["x"]}},
            "inputSchema/properties: expected an object, found a list",
        ),
        (
            {"name": "odd", "inputSchema": {"type": "object", "properties": {"x": None}}},
            "inputSchema/properties/x: expected a schema, found null",
        ),
        (
            {"name": "odd", "inputSchema": OBJECT, "execution": {"taskSupport": "required"}},
            "execution/taskSupport: agents call tools without tasks, and this one requires a task",
        ),
    ],
)
async def test_a_tool_that_cannot_be_called_is_left_out_and_named(tool: Any, fault: str) -> None:
    with capture_logs() as logs:
        async with source(RawServer(GOOD, tool, GOOD | {"name": "tides"})) as found:
            assert [spec.name for spec in found.specs()] == ["weather", "tides"]
            assert found.problem == ""
    (log,) = [
        log for log in logs if log["event"] == "a tool of an MCP server is not offered as described"
    ]
    assert log["tool"] == (
        "odd" if isinstance(tool, dict) and tool.get("name") == "odd" else "tool 2"
    )
    assert fault in log["problem"]


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"inputSchema": {}}, 'inputSchema/type: expected "object", found null'),
        ({"inputSchema": {"properties": {}}}, 'inputSchema/type: expected "object", found null'),
        ({"inputSchema": {"type": ["object", "null"]}}, "inputSchema/type"),
        ({"inputSchema": OBJECT | {"required": True}}, "inputSchema/required"),
        ({"inputSchema": OBJECT | {"required": ["a", 5]}}, "inputSchema/required"),
        ({"inputSchema": OBJECT | {"$schema": 7}}, "inputSchema/$schema"),
        ({"description": 5}, "description: expected a text, found 5"),
        ({"outputSchema": "text"}, 'outputSchema: expected an object, found "text"'),
        ({"annotations": {"readOnlyHint": "certainly"}}, "annotations/readOnlyHint"),
        ({"annotations": 3}, "annotations: expected an object, found 3"),
        ({"icons": "x"}, "icons: expected a list"),
        ({"execution": {"taskSupport": "perhaps"}}, "execution/taskSupport"),
        ({"_meta": []}, "_meta: expected an object"),
        ({"execution": {"taskSupport": "optional"}}, ""),
        ({"title": {}}, "title: expected a text, found an object"),
        ({"outputSchema": {"type": "array"}}, ""),
        ({"outputSchema": {"anyOf": [{"type": "object"}]}}, ""),
        ({"title": None, "icons": None, "annotations": None, "outputSchema": None}, ""),
        ({"inputSchema": OBJECT | {"required": None, "properties": None}}, ""),
    ],
)
async def test_a_wrong_member_costs_itself_and_its_tool_stays(
    members: JsonObject, fault: str
) -> None:
    odd = {"name": "odd", "inputSchema": OBJECT} | members
    answer = {"result": {"content": [{"type": "text", "text": "done"}]}}
    with capture_logs() as logs:
        async with source(RawServer(GOOD, odd, answer=answer)) as found:
            assert [spec.name for spec in found.specs()] == ["weather", "odd"]
            assert found.specs()[1].input_schema["type"] == "object"
            assert (await found.call("odd", {}, CallContext())).content == "done"
    named = [log for log in logs if log.get("tool") == "odd"]
    assert [fault in log["problem"] for log in named] == [True] * bool(fault)


async def test_a_page_may_be_numbered() -> None:
    pages = {None: {"tools": [GOOD], "nextCursor": 2}, "2": {"tools": [], "nextCursor": None}}

    class Paged(RawServer):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            asked = orjson.loads(await request.read() or b"{}")
            if asked.get("method") != "tools/list":
                return await super().__call__(request)
            page = pages[(asked.get("params") or {}).get("cursor")]
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": page})

    async with source(Paged()) as found:
        assert [spec.name for spec in found.specs()] == ["weather"]


@pytest.mark.parametrize("code", [-32000, -32001, -32002, -32050, -32601, -32603, -32700, 1, 429])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_of_the_server_reaches_the_model_in_its_own_words(
    code: int, status: int
) -> None:
    error = {"code": code, "message": "the file is too large", "data": {"limit": "7 MB"}}
    server = RawServer(GOOD, answer={"error": error}, status=status)
    async with source(server) as found:
        with pytest.raises(ToolFailed) as failed:
            await found.call("weather", {}, CallContext())
        assert str(failed.value) == ('handler "files" the file is too large: {"limit":"7 MB"}')
        assert not failed.value.server_fault
        assert server.calls == 1
        assert found.problem == ""


async def test_refused_arguments_are_named_with_their_detail() -> None:
    error = {"code": -32602, "message": "invalid", "data": "city is missing"}
    with pytest.raises(ToolRetry, match="refuses the arguments: invalid: city is missing"):
        await call(RawServer(GOOD, answer={"error": error}))


async def test_a_failed_server_with_words_of_its_own_counts_as_failed() -> None:
    error = {"code": -32603, "message": "the database is away"}
    with pytest.raises(ToolFailed, match="the database is away") as failed:
        await call(RawServer(GOOD, answer={"error": error}, status=503))
    assert failed.value.server_fault
