"""Messages of MCP servers that JSON-RPC or the protocol does not know cost themselves."""

import json
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from mcp import types

from omnia_core.jsonvalue import JsonObject
from omnia_core.mcp_client import ToolLists
from omnia_runtime.ports.tools import CallContext, ToolFailed
from omnia_runtime.tools.mcp.lenient import make_readable
from omnia_runtime.tools.mcp.messages import corrected, corrected_event, unreadable
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.raw_mcp_server import GOOD, RawServer, call, source

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

DONE = '"jsonrpc":"2.0","id":1,"result":{"content":[]}'


def error(code: int, message: str, **more: Any) -> JsonObject:
    return {"error": {"code": code, "message": message, **more}}


def text(words: str) -> JsonObject:
    return {"result": {"content": [{"type": "text", "text": words}]}}


EMPTY: JsonObject = {"result": {"content": []}}


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ('"id":1,"result":{"content":[]}', EMPTY),
        ('"jsonrpc":"1.0","id":1,"result":{"content":[]}', EMPTY),
        ('"jsonrpc":2.0,"id":1,"result":{"content":[]}', EMPTY),
        ('"jsonrpc":"2.0","id":1.0,"result":{"content":[]}', EMPTY),
        ('"jsonrpc":"2.0","id":1,"result":{"content":[]},"error":null', EMPTY),
        ('"jsonrpc":"2.0","id":1,"result":"done"', text("done")),
        ('"jsonrpc":"2.0","id":1,"result":5', text("5")),
        (
            '"jsonrpc":"2.0","id":1,"result":[{"type":"text","text":"x"}]',
            text("x"),
        ),
        ('"jsonrpc":"2.0","id":1,"result":null', error(-32000, "answered without a result")),
        ('"jsonrpc":"2.0","id":1', error(-32000, "answered without a result")),
        ('"jsonrpc":"2.0","id":1,"error":"boom"', error(-32000, "boom")),
        ('"jsonrpc":"2.0","id":1,"error":["boom"]', error(-32000, '["boom"]')),
        ('"jsonrpc":"2.0","id":1,"error":{"message":"boom"}', error(-32000, "boom")),
        (
            '"jsonrpc":"2.0","id":1,"error":{"code":"E_X","message":"boom","data":[1]}',
            error(-32000, "E_X: boom", data=[1]),
        ),
        ('"jsonrpc":"2.0","id":1,"error":{"code":"-32602","message":"no"}', error(-32602, "no")),
        ('"jsonrpc":"2.0","id":1,"error":{"code":-32602.0,"message":"no"}', error(-32602, "no")),
        ('"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":null}', error(-32000, "")),
        ('"jsonrpc":"2.0","id":1,"error":{"code":1,"message":{"a":1}}', error(1, '{"a":1}')),
        (
            '"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\\ud83d"}]}',
            text("a?"),
        ),
    ],
)
def test_an_answer_is_made_one_of_json_rpc(raw: str, answer: JsonObject) -> None:
    for written in (f"{{{raw}}}", f"[{{{raw}}}]", f"\ufeff{{{raw}}}\r\n"):
        found = corrected(written.encode())
        assert orjson.loads(found) == {"jsonrpc": "2.0", "id": 1} | answer
        types.jsonrpc_message_adapter.validate_json(found)


@pytest.mark.parametrize(
    "raw",
    [
        f"{{{DONE}}}",
        '{"jsonrpc":"2.0","method":"notifications/message","params":{}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}',
        "Starting server...",
        "",
        "[]",
        "5",
    ],
)
def test_what_is_right_or_no_message_stays_as_it_is(raw: str) -> None:
    assert corrected(raw.encode()) == raw.encode()


@pytest.mark.parametrize(
    "raw", ['{"id":7,"result":{"content":', '{"jsonrpc":"2.0","id": 7,' + "[" * 9]
)
def test_an_answer_that_cannot_be_read_fails_its_call(raw: str) -> None:
    found = {"jsonrpc": "2.0", "id": 7} | error(-32000, "answered with JSON that cannot be read")
    assert orjson.loads(corrected(raw.encode())) == found
    assert unreadable(b"log: no answer") is None


@pytest.mark.parametrize(
    ("event", "passed_on"),
    [
        (b'data: {"id":1,"error":"no"}\n\n', True),
        (b'id: 7\r\nevent: message\r\ndata:{"id":1,"error":"no"}\r\n\r\n', True),
        (b'data: {"jsonrpc":"2.0",\ndata: "id":1,"result":{}}\n\n', False),
        (b": heartbeat\n\n", False),
        (b"data:\n\n", False),
        (b"event: endpoint\ndata: /messages?session=1\n\n", False),
    ],
)
def test_a_message_in_an_event_is_corrected(event: bytes, passed_on: Any) -> None:
    found = corrected_event(event)
    assert (found != event) is passed_on
    if passed_on:
        assert found.replace(corrected(b'{"id":1,"error":"no"}'), b'{"id":1,"error":"no"}') == event


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_an_answer_in_a_stream_is_made_one_of_json_rpc(size: int) -> None:
    class Streaming(RawServer):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            asked = orjson.loads(await request.read() or b"{}")
            if asked.get("method") != "tools/call":
                return await super().__call__(request)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            answer = orjson.dumps({"id": asked["id"], "error": "boom"})
            body = b": hi\n\nevent: message\r\ndata: " + answer + b"\r\n\r\n"
            for start in range(0, len(body), size):
                await response.write(body[start : start + size])
            return response

    with pytest.raises(ToolFailed, match='handler "files" boom'):
        await call(Streaming(GOOD))


async def test_an_answer_that_is_no_message_is_called_so() -> None:
    server = RawServer(GOOD)

    class Babbling(RawServer):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            if b"tools/call" in await request.read():
                return web.Response(text="oops", content_type="application/json")
            return await server(request)

    with pytest.raises(ToolFailed, match=r"answered with something else than MCP$"):
        await call(Babbling())


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\xff"}]}}'
    assert orjson.loads(corrected(raw))["result"]["content"][0]["text"] == "a\ufffd"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["jsonrpc", "id", "result", "error", "code", "message", "content", "tools"]
)


@given(
    st.dictionaries(MEMBERS, JSON | st.dictionaries(MEMBERS, JSON, max_size=3), max_size=5),
    st.integers(0, 10**6),
)
def test_whatever_an_answer_holds_its_call_ends(answer: JsonObject, number: int) -> None:
    raw = json.dumps(answer | {"id": number}).encode()
    message = types.jsonrpc_message_adapter.validate_json(corrected(raw))
    assert getattr(message, "id", None) == number

    class Received:
        def __init__(self) -> None:
            self.message = message

    ToolLists().received(Received())
    make_readable(Received())


NUMBERS: JsonObject = {"name": "n", "version": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"capabilities": None},
        {"capabilities": {"tools": True, "experimental": 5}},
        {"capabilities": {}},
        {"serverInfo": None},
        {"serverInfo": "raw"},
        {"serverInfo": NUMBERS},
        {"instructions": 5, "_meta": []},
    ],
)
async def test_a_server_may_introduce_itself_wrongly(change: JsonObject) -> None:
    async with source(RawServer(GOOD, introduction=change)) as found:
        assert [spec.name for spec in found.specs()] == ["weather"]
        assert found.problem == ""
        assert (await found.call("weather", {}, CallContext())).content


@pytest.mark.parametrize("tools", [None, {"weather": GOOD}, "none"])
async def test_tools_that_are_no_list_are_named(tools: Any) -> None:
    server = RawServer()
    server.tools = tools
    async with source(server) as found:
        assert (found.specs(), found.problem) == ([], "")


async def test_a_tool_that_is_listed_twice_is_offered_once() -> None:
    async with source(RawServer(GOOD, GOOD | {"description": "Rain."})) as found:
        assert [spec.description for spec in found.specs()] == ["Sun."]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({}, "(the tool returned nothing)"),
        ({"toolResult": "old"}, "old"),
        ({"content": [{"type": "text", "text": "x"}], "_meta": 5}, "x"),
        ({"content": [{"type": "text", "text": "x"}], "isError": "false"}, "x"),
        (
            {"content": [{"type": "image", "data": "!!", "mimeType": "image/png"}]},
            "[the data of this content is no image, image/png, 2 characters]",
        ),
        (
            {"content": [{"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}]},
            "[the data of this content is no image, image/png, 8 characters]",
        ),
    ],
)
async def test_a_result_is_read_as_it_is_meant(result: JsonObject, content: str) -> None:
    assert (await call(RawServer(GOOD, answer={"result": result}))).content == content


@pytest.mark.parametrize(
    ("data", "named", "shown"),
    [
        ("/9j/4AAQ", "image/png", "image/jpeg"),
        ("iVBORw0KGgo=", "image/PNG; q=1", "image/png"),
        ("data:image/gif;base64,R0lGODlh", "image/gif", "image/gif"),
        ("iVBO\nRw0K\nGgo=", "image/png", "image/png"),
        ("Qk0=", "image/bmp", "image/bmp"),
    ],
)
async def test_an_image_has_the_type_of_its_bytes(data: str, named: str, shown: str) -> None:
    result = {"content": [{"type": "image", "data": data, "mimeType": named}]}
    (part,) = (await call(RawServer(GOOD, answer={"result": result}))).parts
    assert part.media is not None
    assert part.media.mime_type == shown


async def test_a_wrapped_value_may_fit_an_output_schema_by_itself() -> None:
    tool = GOOD | {"outputSchema": {"type": "array", "items": {"type": "integer"}}}
    answer: JsonObject = {"result": {"content": [], "structuredContent": [1]}}
    assert (await call(RawServer(tool, answer=answer))).content == '{"result":[1]}'
    answer["result"]["structuredContent"] = ["x"]
    with pytest.raises(ToolFailed, match="violates the outputSchema"):
        await call(RawServer(tool, answer=answer))
