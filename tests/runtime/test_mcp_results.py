"""Results of MCP servers: each thing is said once, and a wrong part costs itself."""

import base64
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import CallContext, ToolFailed
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.raw_mcp_server import GOOD, RawServer, call, source

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

PIXEL = {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}
ASK = {"method": "elicitation/create"}


def _text(*texts: str) -> list[JsonObject]:
    return [{"type": "text", "text": text} for text in texts]


def _blob(mime_type: str | None, data: bytes) -> JsonObject:
    blob = {"uri": "m:1", "blob": base64.b64encode(data).decode(), "mimeType": mime_type}
    return {"type": "resource", "resource": blob}


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"content": _text('{ "a": 1 }'), "structuredContent": {"a": 1}}, '{"a":1}'),
        ({"content": _text("hi"), "structuredContent": {"result": "hi"}}, "hi"),
        ({"content": _text("a\nb"), "structuredContent": {"content": "a\nb"}}, "a\nb"),
        (
            {"content": _text('[\n  {"id": 1}\n]'), "structuredContent": {"boats": [{"id": 1}]}},
            '{"boats":[{"id":1}]}',
        ),
        (
            {"content": _text("hi"), "structuredContent": {"a": "hi", "b": 1}},
            'hi\n{"a":"hi","b":1}',
        ),
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
    ("block", "content"),
    [
        (PIXEL, '{"content":[{"type":"image","data":"(in the content)","mimeType":"image/png"}]}'),
        (
            {
                "type": "resource",
                "resource": {"uri": "m:1", "blob": "aGk=", "mimeType": "text/plain"},
            },
            (
                "[resource m:1]\nhi\n"
                '{"content":[{"type":"resource","resource":{"uri":"m:1","blob":"(in the content)",'
                '"mimeType":"text/plain"}}]}'
            ),
        ),
    ],
)
async def test_base64_that_the_content_has_is_not_repeated_as_text(
    block: JsonObject, content: str
) -> None:
    result = {"content": [block], "structuredContent": {"content": [block]}}
    assert (await call(RawServer(GOOD, answer={"result": result}))).content == content


@pytest.mark.parametrize(
    ("mime_type", "data", "content"),
    [
        ("text/plain", b"hi", "[resource m:1]\nhi"),
        ("text/plain; charset=latin-1", b"\xe4", "[resource m:1]\nä"),
        ("application/json", b"[1]", "[resource m:1]\n[1]"),
        ("application/octet-stream", b"hi", "[resource m:1]\nhi"),
        (
            "application/octet-stream",
            b"\x00\xff",
            "[resource m:1: 2 bytes of application/octet-stream]",
        ),
        ("application/gzip", b"hi", "[resource m:1: 2 bytes of application/gzip]"),
        ("image/svg+xml", b"<svg/>", "[resource m:1]\n<svg/>"),
        (None, b"\x00\x01\x02", "[resource m:1: 3 bytes of unknown type]"),
    ],
)
async def test_embedded_bytes_that_are_text_are_read(
    mime_type: str | None, data: bytes, content: str
) -> None:
    result = {"content": [_blob(mime_type, data)]}
    found = await call(RawServer(GOOD, answer={"result": result}))
    assert (found.content, found.parts) == (content, ())


async def test_an_image_that_no_model_reads_is_text() -> None:
    image = {"type": "image", "data": "PHN2Zy8+", "mimeType": "image/svg+xml"}
    found = await call(RawServer(GOOD, answer={"result": {"content": [image]}}))
    assert (found.content, found.parts) == ("[image]\n<svg/>", ())


@pytest.mark.parametrize(
    ("requests", "asked"),
    [
        (
            {"a": {"method": "elicitation/create", "params": {"message": "Whose boat?"}}},
            '"Whose boat?"',
        ),
        ({"a": {"method": "sampling/createMessage"}}, '"sampling/createMessage"'),
        ({"a": {"method": "elicitation/create", "params": {"message": 7}}}, '"elicitation/create"'),
        ({"a": None, "b": {"method": "roots/list"}}, 'null; "roots/list"'),
        ("nonsense", "null"),
    ],
)
async def test_a_call_that_needs_input_fails_and_says_what_it_asks(
    requests: Any, asked: str
) -> None:
    answer = {"result": {"resultType": "input_required", "inputRequests": requests}}
    found = await call(RawServer(GOOD, answer=answer))
    assert found.is_error
    assert orjson.loads(found.content)["error"] == (
        f"the tool needs input that agents do not give during a call: {asked}"
    )


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


async def test_a_text_that_is_nested_too_deeply_to_be_json_stays() -> None:
    deep = "[" * 100_000
    result = {"content": _text(deep), "structuredContent": {"a": 1, "b": 2}}
    found = await call(RawServer(GOOD, answer={"result": result}))
    assert found.content == f'{deep}\n{{"a":1,"b":2}}'


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
