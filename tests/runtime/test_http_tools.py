"""HTTP tools against a real server."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web

from omnia_core.files.tools import HTTPConfig
from omnia_core.sessions import ToolCall
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.tools.handlers import open_sources
from omnia_runtime.tools.http import MAX_RESPONSE_BYTES
from omnia_runtime.tools.http_request import build_call
from omnia_runtime.tools.manager import MAX_RESULT_BYTES, ToolManager, bounded, route_tools
from omnia_runtime.tools.source import ToolResult, ToolRetry
from tests.runtime.scripted import http_tool, metrics
from tests.runtime.servers import serving
from tests.services import free_port

LIMIT = 10.0


async def answer(request: web.Request) -> web.StreamResponse:
    """Tell what was asked, or what the path asks for."""
    match request.path:
        case "/text":
            return web.Response(text="plain ä")
        case "/fail":
            return web.Response(status=503, text="x" * 2000)
        case "/move":
            return web.Response(status=302, headers={"Location": "/text"})
        case "/huge":
            return web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1))
        case "/slow":
            await asyncio.Event().wait()
        case _:
            pass
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
        routes, _ = route_tools(open_sources(str(path), client).sources)
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
        ({"queryParams": ["q"]}, {"q": [1, 2], "b": 0}, {"path": "/x?q=1&q=2", "body": '{"b":0}'}),
        ({"headerParams": {"h": "X-Arg"}}, {"h": "v"}, {"header": "v", "body": "{}"}),
        ({"headers": {"X-Fixed": "f"}}, {}, {"fixed": "f", "agent": False}),
        ({"urlTemplate": "/o/{id}"}, {"id": "a/../b?c"}, {"path": "/o/a%2F..%2Fb%3Fc"}),
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
        build_call(config, {"id": value})


def test_a_header_cannot_be_split() -> None:
    config = HTTPConfig("http://h/x", header_params={"h": "X-A"})
    with pytest.raises(ToolRetry, match='"h"'):
        build_call(config, {"h": "a\r\nX-B: c"})


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
        http_tool("http://x", "lookup"),
    ]
    path = tmp_path / "tools.yaml"
    async with serving(answer) as url:
        good = http_tool(f"{url}/x")
        result = await call(tmp_path, good, *bad)
    found = open_sources(str(path), HTTPClient())
    _, problems = route_tools(found.sources)
    assert not result.is_error
    assert [name for name in ("mcp", "empty", "5", "ftp", "timed") if name in str(found.problems)]
    assert len(found.problems) == 5
    assert len(problems) == 1


async def test_a_tool_whose_schema_does_not_compile_fails_by_itself(tmp_path: Path) -> None:
    handler = http_tool(f"http://127.0.0.1:{free_port()}/x", schema={"type": "nonsense"})
    result = await call(tmp_path, handler)
    assert result.is_error
    assert "inputSchema of tool" in result.content


def test_a_result_that_is_too_long_is_cut_and_says_so() -> None:
    cut = bounded("ä" * MAX_RESULT_BYTES)
    assert len(cut.encode()) < MAX_RESULT_BYTES + 100
    assert "... [cut: 2000000 bytes" in cut
