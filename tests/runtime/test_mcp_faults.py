"""MCP servers with wrong tools or errors of their own, and results that say a thing twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.mcp.handler import MCPSource
from omnia_runtime.tools.retry import Backoff
from tests.runtime.mcp_server import LEFT_OPEN, forget
from tests.runtime.servers import serving
from tests.services import LIMIT

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

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
    ],
)
async def test_a_tool_that_cannot_be_called_is_left_out_and_named(tool: Any, fault: str) -> None:
    with capture_logs() as logs:
        async with source(RawServer(GOOD, tool, GOOD | {"name": "tides"})) as found:
            assert [spec.name for spec in found.specs()] == ["weather", "tides"]
            assert found.problem == ""
    (log,) = [log for log in logs if log["event"] == "an MCP server describes a tool wrongly"]
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


PIXEL = {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}


def _text(*texts: str) -> list[JsonObject]:
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"content": _text('{ "a": 1 }'), "structuredContent": {"a": 1}}, '{"a":1}'),
        ({"content": _text("hi"), "structuredContent": {"result": "hi"}}, '{"result":"hi"}'),
        (
            {"content": _text("a", "b"), "structuredContent": {"result": ["a", "b"]}},
            '{"result":["a","b"]}',
        ),
        (
            {"content": _text("Two boats found."), "structuredContent": {"boats": 2}},
            'Two boats found.\n{"boats":2}',
        ),
        ({"content": [], "structuredContent": {}}, "{}"),
        ({"content": _text("only text")}, "only text"),
        ({"content": _text("no"), "structuredContent": None}, "no"),
    ],
)
async def test_text_and_structured_content_are_each_said_once(
    result: JsonObject, content: str
) -> None:
    assert (await call(RawServer(GOOD, answer={"result": result}))).content == content


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"content": None, "structuredContent": {"a": 1}}, '{"a":1}'),
        ({"structuredContent": {"a": 1}}, '{"a":1}'),
        ({"structuredContent": [1, 2]}, '{"result":[1,2]}'),
        ({"content": "a text"}, "a text"),
        ({"content": ["a", *_text("b")], "isError": None}, "a\nb"),
        ({"content": [{"type": "text", "text": 5}, *_text("b")]}, '{"type":"text","text":5}\nb'),
        ({"content": [{"type": "chart", "rows": 3}]}, '{"type":"chart","rows":3}'),
        ({"content": [None, *_text("b")]}, "null\nb"),
        ({"content": [{"type": "image", "data": None}, *_text("b")]}, None),
        (
            {"content": [{"type": "text", "text": "b", "annotations": "x", "_meta": 5}]},
            "b",
        ),
        (
            {
                "content": [
                    {"type": "resource", "resource": {"uri": "m:1", "text": "t", "_meta": 1}}
                ]
            },
            "[resource m:1]\nt",
        ),
    ],
)
async def test_a_wrong_part_of_a_result_costs_itself(
    result: JsonObject, content: str | None
) -> None:
    found = await call(RawServer(GOOD, answer={"result": result}))
    assert not found.is_error
    assert found.content == (content or '{"type":"image","data":null}\nb')


async def test_media_stays_beside_structured_content() -> None:
    result = {"content": [*_text("A chart."), PIXEL], "structuredContent": {"rows": 3}}
    found = await call(RawServer(GOOD, answer={"result": result}))
    assert found.content == 'A chart.\n{"rows":3}'
    assert [part.type for part in found.parts] == ["image"]


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({"content": _text("no such boat")}, "no such boat"),
        ({"content": [], "structuredContent": {"reason": "sunk"}}, '{"reason":"sunk"}'),
        (
            {"content": _text("no boat"), "structuredContent": {"id": 7}},
            'no boat\n{"id":7}',
        ),
        ({"content": []}, "the tool failed"),
    ],
)
async def test_a_failed_call_keeps_its_text(result: JsonObject, error: str) -> None:
    found = await call(RawServer(GOOD, answer={"result": result | {"isError": True}}))
    assert (found.is_error, orjson.loads(found.content)) == (True, {"error": error})


@pytest.mark.parametrize("levels", [250, 900, 100_000])
async def test_a_result_that_is_nested_too_deeply_is_a_fault_of_the_server(levels: int) -> None:
    deep = '{"content":[],"structuredContent":{"a":' + "[" * levels + "]" * levels + "}}"
    with pytest.raises(ToolFailed):
        await call(RawServer(GOOD, answer={"result": deep}))


async def test_an_integer_of_any_size_reaches_the_model_as_it_is() -> None:
    number = "123456789012345678901234567890"
    result = f'{{"content":[],"structuredContent":{{"id":{number},"name":"ä"}}}}'
    found = await call(RawServer(GOOD, answer={"result": result}))
    assert found.content == f'{{"id":{number},"name":"ä"}}'


async def test_structured_content_is_checked_by_a_schema_that_compiles() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    answer = {"result": {"content": [], "structuredContent": {"id": "x"}}}
    with pytest.raises(ToolFailed, match="violates the outputSchema: /id"):
        await call(RawServer(GOOD | {"outputSchema": schema}, answer=answer))


async def test_a_time_without_a_zone_passes_an_output_schema() -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    answer = {"result": {"content": [], "structuredContent": {"at": "2026-01-02T00:00:00"}}}
    server = RawServer(GOOD | {"outputSchema": schema}, answer=answer)
    assert (await call(server)).content == '{"at":"2026-01-02T00:00:00"}'


@pytest.mark.parametrize(
    "member", [{"pattern": "("}, {"$ref": "#/nowhere"}, {"type": "nonsense"}, {"$ref": "x.json"}]
)
async def test_an_output_schema_that_does_not_compile_checks_nothing(member: JsonObject) -> None:
    schema = {"type": "object", "properties": {"id": member}}
    answer = {"result": {"content": [], "structuredContent": {"id": "x"}}}
    server = RawServer(GOOD | {"outputSchema": schema}, answer=answer)
    with capture_logs() as logs:
        async with source(server) as found:
            for _ in range(2):
                assert (await found.call("weather", {}, CallContext())).content == '{"id":"x"}'
    assert [log["tool"] for log in logs if "does not compile" in log["event"]] == ["weather"]
