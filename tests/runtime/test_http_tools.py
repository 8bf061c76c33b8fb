"""HTTP tools against a real server."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.files.tools import HTTPConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import CallContext, ToolRetry
from omnia_runtime.tools.http.client import MAX_RESPONSE_BYTES, HTTPToolClient
from omnia_runtime.tools.http.request import HTTPToolRequest, build_request
from omnia_runtime.tools.http.response import HTTPToolResponse, ResponseReader
from omnia_runtime.tools.manager import MAX_RESULT_BYTES, ToolManager, bounded
from omnia_runtime.tools.routes import route_tools
from omnia_runtime.tools.sources import ToolSources
from tests.runtime.scripted import http_tool, metrics
from tests.runtime.servers import serving
from tests.runtime.tooling import opened
from tests.services import free_port

LIMIT = 100.0
PNG = b"\x89PNG\r\n\x1a\n..."
PEOPLE = {
    "people": [{"name": "Ada", "ssn": "1"}, {"name": "Bob", "ssn": "2", "pets": [{"ssn": 3}]}],
    "token": {"a": "b"},
}


def unchanged() -> None:
    """Nobody has to be told."""


def json_text(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.json_response(value, status=status)


ANSWERS = {
    "/text": lambda: web.Response(text="plain ä"),
    "/fail": lambda: web.Response(status=503, text="x" * 2000),
    "/move": lambda: web.Response(status=302, headers={"Location": "/text"}),
    "/huge": lambda: web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1)),
    "/large": lambda: web.Response(body=b"x" * (MAX_RESPONSE_BYTES - 1)),
    "/people": lambda: json_text(PEOPLE),
    "/person": lambda: web.Response(text='{\n  "id": 12345678901234567890123,\n  "n": 1.50\n}'),
    "/refused": lambda: json_text({"error": "no", "token": "hidden"}, 400),
    "/image": lambda: web.Response(body=PNG, content_type="image/png"),
    "/drawing": lambda: web.Response(text="<svg/>", content_type="image/svg+xml"),
    "/audio": lambda: web.Response(body=b"RIFF", content_type="audio/wav"),
    "/brotli": lambda: web.Response(body=b"x", headers={"Content-Encoding": "br"}),
    "/moved": lambda: web.Response(status=307, headers={"Location": "//u:p@new.example/y?key=s"}),
    "/deep": lambda: web.Response(text='{"a":' + "[" * 300 + "]" * 300 + "}"),
    "/empty": lambda: web.Response(status=204),
}


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as the path asks for, or tell what was asked."""
    if request.path in ANSWERS:
        return ANSWERS[request.path]()
    if request.path == "/slow":
        await asyncio.Event().wait()
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "body": (await request.read()).decode(),
        "header": request.headers.get("X-Arg", ""),
        "fixed": request.headers.get("X-Fixed", ""),
        "agent": "Authorization" in request.headers,
    }
    return web.Response(body=orjson.dumps(seen), content_type="application/json")


async def call(
    folder: Path, *handlers: dict[str, Any], tool: str = "lookup", arguments: str = "{}"
) -> ToolResult:
    path = folder / "tools.yaml"
    path.write_text(yaml.safe_dump({"handlers": list(handlers)}))
    client = HTTPClient()
    try:
        routes, _ = route_tools(ToolSources(client, unchanged).open(str(path)).sources)
        async with asyncio.timeout(LIMIT):
            return await ToolManager(routes, routes, metrics()).call(ToolCall("c", tool, arguments))
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("config", "arguments", "expected"),
    [
        ({}, {"a": 1}, {"method": "POST", "path": "/x", "body": '{"a":1}'}),
        ({"staticBody": {"a": 2}}, {"a": 1, "b": 3}, {"body": '{"a":2,"b":3}'}),
        ({"method": "get"}, {"q": "a b&c"}, {"method": "GET", "path": "/x?q=a+b%26c", "body": ""}),
        ({"method": "DELETE", "staticQuery": {"k": "1"}}, {"k": "2"}, {"path": "/x?k=1"}),
        ({"method": "GET"}, {"a": None, "b": 0}, {"path": "/x?b=0"}),
        ({"headerParams": {"h": "X-Arg"}}, {"h": None}, {"header": "", "body": "{}"}),
        ({"queryParams": ["q"]}, {"q": None, "b": None}, {"path": "/x", "body": '{"b":null}'}),
        ({"queryParams": ["q"]}, {"q": [1, 2], "b": 0}, {"path": "/x?q=1&q=2", "body": '{"b":0}'}),
        ({"headerParams": {"h": "X-Arg"}}, {"h": "v"}, {"header": "v", "body": "{}"}),
        ({"headers": {"X-Fixed": "f"}}, {}, {"fixed": "f", "agent": False}),
        ({"urlTemplate": "/o/{id}"}, {"id": "a/../b?c"}, {"path": "/o/a%2F..%2Fb%3Fc"}),
        ({"urlTemplate": "/größe/{id}"}, {"id": "ü"}, {"path": "/gr%C3%B6%C3%9Fe/%C3%BC"}),
        (
            {"contentType": "Application/X-WWW-Form-Urlencoded"},
            {"a": None, "b": [1, 2], "c": {"d": 1}},
            {"body": "b=1&b=2&c=%7B%22d%22%3A1%7D"},
        ),
        ({"contentType": "text/plain", "bodyMapping": "a"}, {"a": "hi"}, {"body": "hi"}),
        ({"bodyMapping": "a"}, {"a": "hi"}, {"body": '"hi"'}),
    ],
)
async def test_arguments_go_where_the_handler_puts_them(
    tmp_path: Path, config: dict[str, Any], arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/x", **config)
        result = await call(tmp_path, handler, arguments=orjson.dumps(arguments).decode())
    assert not result.is_error
    assert expected.items() <= orjson.loads(result.content).items()


@pytest.mark.parametrize("value", [".", "..", ""])
def test_an_argument_cannot_climb_the_path(value: str) -> None:
    config = HTTPConfig("http://h/x", url_template="/o/{id}/y")
    with pytest.raises(ToolRetry, match='"id"'):
        build_request(config, {"id": value})


def test_a_header_cannot_be_split() -> None:
    config = HTTPConfig("http://h/x", header_params={"h": "X-A"})
    with pytest.raises(ToolRetry, match='"h"'):
        build_request(config, {"h": "a\r\nX-B: c"})


async def test_a_text_answer_is_wrapped(tmp_path: Path) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/text"))
    assert orjson.loads(result.content) == {"result": "plain ä"}


@pytest.mark.parametrize(
    ("path", "said"), [("fail", "HTTP 503: xxx"), ("move", "HTTP 302"), ("huge", "10 MiB")]
)
async def test_what_is_no_success_is_told_to_the_model(
    tmp_path: Path, path: str, said: str
) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/{path}"))
    assert result.is_error
    assert said in result.content
    assert len(result.content) < 700


@pytest.mark.parametrize("config", [{}, {"redact": ["a"]}, {"responseMapping": "a"}])
async def test_an_answer_that_is_nested_too_deeply_is_told_to_the_model(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/deep", **config))
    assert result.is_error
    assert "is nested deeper than 200 levels" in result.content


async def test_arguments_that_are_nested_too_deeply_are_told_to_the_model(tmp_path: Path) -> None:
    async with serving(answer) as url:
        arguments = '{"a":' + "[" * 300 + "]" * 300 + "}"
        result = await call(tmp_path, http_tool(f"{url}/x"), arguments=arguments)
    assert result.is_error
    assert "the arguments are nested deeper than 200 levels" in result.content


async def test_a_slow_handler_is_given_up(tmp_path: Path) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/slow") | {"timeout": "100ms"})
    assert result.is_error
    assert "lookup-handler" in result.content


async def test_an_unreachable_handler_is_named(tmp_path: Path) -> None:
    result = await call(tmp_path, http_tool(f"http://127.0.0.1:{free_port()}/x"))
    assert result.is_error
    assert 'lookup-handler\\" cannot be reached' in result.content


SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("lookup", '{"id": "x"}', "/id"),
        ("lookup", "{}", "id"),
        ("lookup", "{", "not JSON"),
        ("lookup", "[]", "JSON object"),
        ("other", "{}", "the tools are: lookup"),
    ],
)
async def test_wrong_calls_are_answered_without_a_request(
    tmp_path: Path, tool: str, arguments: str, said: str
) -> None:
    handler = http_tool(f"http://127.0.0.1:{free_port()}/x", schema=SCHEMA)
    result = await call(tmp_path, handler, tool=tool, arguments=arguments)
    assert result.is_error
    assert said in result.content


async def test_one_bad_handler_does_not_take_the_others_down(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [
        {"name": "mcp", "type": "mcp", "mcpConfig": {}},
        {"name": "empty", "type": "http"},
        {"name": 5},
        http_tool("ftp://x", "ftp"),
        http_tool("http://x", "timed") | {"timeout": "soon"},
        http_tool("http://x", "lookup") | {"name": "second"},
        http_tool("http://x", "lookup"),
    ]
    path = tmp_path / "tools.yaml"
    async with serving(answer) as url:
        good = http_tool(f"{url}/x")
        result = await call(tmp_path, good, *bad)
    found = ToolSources(HTTPClient(), unchanged).open(str(path))
    _, problems = route_tools(found.sources)
    assert not result.is_error
    wanted = ["mcp", "empty", "5", "ftp", "timed", "lookup-handler"]
    assert [each for each in wanted if f'"{each}' in str(found.problems)] == wanted
    assert len(found.problems) == len(bad) - 1
    assert "second__lookup" in "".join(problems)


async def test_a_tool_whose_schema_does_not_compile_is_called(tmp_path: Path) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/x", schema={"type": "nonsense"})
        result = await call(tmp_path, handler, arguments='{"a": 1}')
    assert orjson.loads(result.content)["body"] == '{"a":1}'


def test_a_result_that_is_too_long_is_cut_and_says_so() -> None:
    cut = bounded("ä" * MAX_RESULT_BYTES)
    assert len(cut.encode()) < MAX_RESULT_BYTES + 100
    assert "... [cut: 2000000 bytes" in cut


@pytest.mark.parametrize(
    ("config", "arguments", "body"),
    [
        (
            {"bodyMapping": "{order: {id: id, tags: tags}}"},
            {"id": 1},
            {"order": {"id": 1, "tags": None}},
        ),
        ({"bodyMapping": "items[?n > `1`]"}, {"items": [{"n": 1}, {"n": 2}]}, [{"n": 2}]),
        ({"bodyMapping": "{a: a}", "staticBody": {"a": 9}}, {"a": 1}, {"a": 9}),
        ({"bodyMapping": "@", "queryParams": ["q"]}, {"q": 1, "b": 2}, {"b": 2}),
    ],
)
async def test_a_mapping_makes_the_body(
    tmp_path: Path, config: dict[str, Any], arguments: dict[str, Any], body: Any
) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/x", **config)
        result = await call(tmp_path, handler, arguments=orjson.dumps(arguments).decode())
    assert orjson.loads(orjson.loads(result.content)["body"]) == body


@pytest.mark.parametrize(
    ("config", "arguments", "said"),
    [
        ({"bodyMapping": "sum(a)"}, '{"a": "x"}', "the arguments do not fit"),
        ({"bodyMapping": "a", "staticBody": {"b": 1}}, '{"a": 1}', "is not an object"),
        (
            {"bodyMapping": "a", "contentType": "application/x-www-form-urlencoded"},
            '{"a": 1}',
            "is not an object",
        ),
    ],
)
async def test_arguments_that_a_mapping_cannot_use_are_told(
    tmp_path: Path, config: dict[str, Any], arguments: str, said: str
) -> None:
    result = await call(tmp_path, http_tool("http://127.0.0.1:1", **config), arguments=arguments)
    assert result.is_error
    assert said in result.content


@pytest.mark.parametrize(
    ("path", "config", "expected"),
    [
        ("people", {"responseMapping": "people[].name"}, ["Ada", "Bob"]),
        ("people", {"responseMapping": "nothing"}, None),
        ("text", {"responseMapping": "result"}, "plain ä"),
        (
            "people",
            {"redact": ["ssn", "token"]},
            {
                "people": [
                    {"name": "Ada", "ssn": "[REDACTED]"},
                    {"name": "Bob", "ssn": "[REDACTED]", "pets": [{"ssn": "[REDACTED]"}]},
                ],
                "token": "[REDACTED]",
            },
        ),
        ("people", {"redact": ["ssn"], "responseMapping": "people[0].ssn"}, "[REDACTED]"),
        ("empty", {}, {"result": "HTTP 204 No Content, no body"}),
        ("drawing", {}, {"result": "<svg/>"}),
    ],
)
async def test_the_model_sees_what_the_handler_lets_through(
    tmp_path: Path, path: str, config: dict[str, Any], expected: Any
) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/{path}", **config))
    assert not result.is_error
    assert orjson.loads(result.content) == expected


async def test_an_error_hides_what_the_handler_hides(tmp_path: Path) -> None:
    async with serving(answer) as url:
        refused = await call(tmp_path, http_tool(f"{url}/refused", redact=["token"]))
        failed = await call(tmp_path, http_tool(f"{url}/fail", redact=["token"]))
    assert "[REDACTED]" in refused.content
    assert "hidden" not in refused.content
    assert "xxx" not in failed.content
    assert "HTTP 503" in failed.content


async def test_a_mapping_that_does_not_fit_the_answer_is_told(tmp_path: Path) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/people", responseMapping="sum(people)")
        result = await call(tmp_path, handler)
    assert result.is_error
    assert "responseMapping" in result.content


async def test_white_space_is_left_out_and_numbers_stay_as_they_are(tmp_path: Path) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/person"))
        mapped = await call(tmp_path, http_tool(f"{url}/person", responseMapping="id"))
    assert result.content == '{"id":12345678901234567890123,"n":1.50}'
    assert mapped.content == "12345678901234567890123"


async def test_an_image_is_a_part_of_the_result(tmp_path: Path) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/image"))
    (part,) = result.parts
    assert part.type == "image"
    assert part.media is not None
    assert part.media.mime_type == "image/png"
    assert base64.b64decode(part.media.data) == PNG
    assert "image/png" in result.content


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"bodyMapping": "{a"}, "bodyMapping"),
        ({"responseMapping": "foo(a"}, "responseMapping"),
        ({"bodyMapping": "a", "method": "GET"}, "bodyMapping"),
        ({"urlTemplate": "http://{host}/x"}, "urlTemplate"),
        ({"contentType": "multipart/form-data"}, "contentType"),
        ({"urlTemplate": "http://a.{region}.example"}, "urlTemplate"),
    ],
)
async def test_what_is_wrong_with_a_handler_is_named_before_it_is_used(
    tmp_path: Path, config: dict[str, Any], named: str
) -> None:
    async with opened(tmp_path, http_tool("http://x", **config)) as tools:
        assert tools.names == []
        assert f"httpConfig.{named}" in tools.problems


async def test_the_bound_is_that_of_one_response_however_many_there_were(tmp_path: Path) -> None:
    async with serving(answer) as url, opened(tmp_path, http_tool(f"{url}/large")) as tools:
        for _ in range(6):
            assert not (await tools.call()).is_error


OUTPUT = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n", "id"]}


@pytest.mark.parametrize(
    ("path", "config", "schema", "said"),
    [
        ("person", {}, OUTPUT, ""),
        ("person", {"redact": ["n"]}, OUTPUT, ""),
        ("text", {}, OUTPUT, "outputSchema: (root)"),
        ("people", {"responseMapping": "{n: `true`, id: `1`}"}, OUTPUT, "outputSchema: /n"),
        ("person", {}, {"type": "nonsense"}, ""),
        ("fail", {}, OUTPUT, "HTTP 503"),
    ],
)
async def test_a_result_has_the_shape_that_the_handler_declares(
    tmp_path: Path, path: str, config: dict[str, Any], schema: dict[str, Any], said: str
) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/{path}", **config)
        handler["tool"]["outputSchema"] = schema
        result = await call(tmp_path, handler)
    assert result.is_error is bool(said)
    assert said in result.content


async def test_an_argument_is_read_as_what_it_means_and_then_checked(tmp_path: Path) -> None:
    async with serving(answer) as url:
        handler = http_tool(f"{url}/x", schema=SCHEMA)
        result = await call(tmp_path, handler, arguments='{"id": "12"}')
    assert orjson.loads(result.content)["body"] == '{"id":12}'


async def test_arguments_that_fit_are_sent_as_they_are(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [None, "x"]}}}
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/x", schema=schema), arguments='{"a": null}')
    assert orjson.loads(result.content)["body"] == '{"a":null}'


async def test_a_server_that_is_back_is_used_again(tmp_path: Path) -> None:
    port = free_port()
    handler = http_tool(f"http://127.0.0.1:{port}/x")
    async with opened(tmp_path, handler) as tools:
        assert (await tools.call()).is_error
        async with serving(answer, port):
            assert not (await tools.call()).is_error
        assert (await tools.call()).is_error
        async with serving(answer, port):
            assert not (await tools.call()).is_error


async def test_a_server_that_speaks_something_else_is_named(tmp_path: Path) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-hello\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await call(tmp_path, http_tool(f"http://127.0.0.1:{port}/x"))
    assert result.is_error
    assert "did not answer with HTTP that can be read" in result.content


JSON = "application/json"


@pytest.mark.parametrize(
    ("kind", "body", "content"),
    [
        (f"{JSON}; charset=iso-8859-1", '{"n": "José"}'.encode("latin-1"), '{"n":"José"}'),
        (f"{JSON}; charset=utf-16", '{"n": "José"}'.encode("utf-16"), '{"n":"José"}'),
        (f"{JSON}; charset=UTF-16LE", '{"n": 1.50}'.encode("utf-16-le"), '{"n":1.50}'),
        (JSON, b"\xef\xbb\xbf" + b'{"a": 1}', '{"a":1}'),
        (JSON, '{"a": 1}'.encode("utf-32"), '{"a":1}'),
        (f"{JSON}; charset=utf-8", '{"a": 1}'.encode("utf-16"), '{"a":1}'),
        ('text/plain; charset="windows-1252"', b"\x80 \xe9", '{"result":"€ é"}'),
        ("text/plain; charset=none", "é".encode(), '{"result":"é"}'),
        ("text/plain; charset=hex", "é".encode(), '{"result":"é"}'),
        ("text/plain", b"a\xff", '{"result":"aÿ"}'),
        ("text/plain; charset=utf-8", b"a\xff", '{"result":"a\ufffd"}'),
        (f"{JSON}; charset=iso-8859-1", '{"n": "José"}'.encode(), '{"n":"José"}'),
        (
            "text/html",
            b"<meta charset=shift_jis>\x93\xfa",
            '{"result":"<meta charset=shift_jis>日"}',
        ),
        ("text/xml", b"<?xml encoding='KOI8-R'?>\xe0", '{"result":"<?xml encoding=\'KOI8-R\'?>Ю"}'),
        ("application/problem+json", b'{"a": 1}', '{"a":1}'),
        ("application/octet-stream", b'{"a": 1}', '{"a":1}'),
        ("application/octet-stream", b"\x00\x01", '{"result":"application/octet-stream, 2 bytes"}'),
        ("application/x-own", b"\xff\xd8", '{"result":"application/x-own, 2 bytes"}'),
        ("application/x-own; charset=utf-8", b"\xff", '{"result":"application/x-own, 1 bytes"}'),
        ("application/pdf", b"%PDF-1.7", '{"result":"application/pdf, 8 bytes"}'),
        ("video/mp4", b"text", '{"result":"video/mp4, 4 bytes"}'),
    ],
)
async def test_an_answer_is_read_in_its_character_set_or_described(
    tmp_path: Path, kind: str, body: bytes, content: str
) -> None:
    async def encoded(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": kind})

    async with serving(encoded) as url:
        assert (await call(tmp_path, http_tool(url))).content == content
        hidden = await call(tmp_path, http_tool(url, redact=["none"]))
    assert orjson.loads(hidden.content) == orjson.loads(content)


async def test_audio_is_a_part_beside_a_text(tmp_path: Path) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}/audio"))
    assert result.content == '{"result":"audio, audio/wav, 4 bytes"}'
    (part,) = result.parts
    assert part.type == "audio"
    assert part.media is not None
    assert base64.b64decode(part.media.data) == b"RIFF"


def test_media_without_bytes_is_no_part() -> None:
    result = ResponseReader("h").result(HTTPToolResponse(200, "image/png", b""))
    assert (result.content, result.parts) == ('{"result":"HTTP 200 OK, no body"}', ())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/moved", "HTTP 307: a redirect to http://new.example/y, which tools do not follow"),
        ("/brotli", "answered with a body that cannot be read: "),
    ],
)
async def test_an_answer_that_cannot_be_used_says_why(tmp_path: Path, path: str, said: str) -> None:
    async with serving(answer) as url:
        result = await call(tmp_path, http_tool(f"{url}{path}"))
    assert result.is_error
    assert said in result.content


async def headers_of(folder: Path, arguments: dict[str, Any], **config: Any) -> dict[str, str]:
    """The `X-Omnia-…` headers of a call, by their names in lower case."""
    seen: dict[str, str] = {}

    async def note(request: web.Request) -> web.StreamResponse:
        seen.update({name.lower(): value for name, value in request.headers.items()})
        return web.Response()

    metadata = {
        "x-omnia-agent-name": "support",
        "x-omnia-user-id": "u1",
        "x-omnia-claim-role": "r" * 2000,
        "x-omnia-user-email": "ö@x",
        "authorization": "Bearer secret",
        "other": "o",
    }
    path = folder / "tools.yaml"
    client = HTTPClient()
    async with serving(note) as url:
        handler = http_tool(url, **config) | {"registry": "crm"}
        path.write_text(yaml.safe_dump({"handlers": [handler]}))
        (source,) = ToolSources(client, unchanged).open(str(path)).sources
        context = CallContext("call-1", "session-1", metadata)
        await source.call("lookup", arguments, context)
        await client.close()
    assert "authorization" not in seen
    return {name: value for name, value in seen.items() if name.startswith("x-omnia-")}


async def test_a_server_learns_which_session_and_user_call_it(tmp_path: Path) -> None:
    arguments = {
        "order_id": "A-1",
        "max-count": 7,
        "ratio": 1.5,
        "whole": 2.0,
        "all": True,
        "list": [1],
        "nothing": None,
        "name": "ä",
        "break": "a\r\nX-Omnia-User-Id: root",
        "long": "x" * 2000,
        "\r\n": "x",
    }
    assert await headers_of(tmp_path, arguments) == {
        "x-omnia-agent-name": "support",
        "x-omnia-user-id": "u1",
        "x-omnia-claim-role": "r" * 1024,
        "x-omnia-session-id": "session-1",
        "x-omnia-tool-name": "lookup",
        "x-omnia-tool-registry": "crm",
        "x-omnia-tool-call-id": "call-1",
        "x-omnia-param-orderid": "A-1",
        "x-omnia-param-maxcount": "7",
        "x-omnia-param-ratio": "1.5",
        "x-omnia-param-whole": "2",
        "x-omnia-param-all": "true",
    }


async def test_the_headers_of_all_arguments_together_are_bounded(tmp_path: Path) -> None:
    arguments = {f"a{number}": "x" * 1000 for number in range(10)}
    headers = await headers_of(tmp_path, arguments)
    names = [name for name in headers if name.startswith("x-omnia-param-")]
    assert names == [f"x-omnia-param-a{number}" for number in range(4)]


async def test_a_handler_turns_the_headers_off_or_fixes_one(tmp_path: Path) -> None:
    assert await headers_of(tmp_path, {"a": 1}, identityHeaders=False) == {}
    fixed = await headers_of(tmp_path, {}, headers={"x-omnia-USER-id": "none"})
    assert (fixed["x-omnia-user-id"], fixed["x-omnia-agent-name"]) == ("none", "support")


async def test_a_request_without_a_body_has_no_content_type(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Content-Type"))
        return web.Response()

    client = HTTPClient()
    async with serving(note) as url:
        calls = HTTPToolClient("h", client, None, LIMIT)
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
            await calls.send(HTTPToolRequest(method, url, {}, None))
        await client.close()
    assert seen == [None] * 5
