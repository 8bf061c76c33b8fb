"""A server of FastMCP, by each transport: what its results, errors and questions become."""

import orjson
import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_runtime.ports.tools import ToolFailed
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.mcp_source import Started
from tests.servers.conftest import Install
from tests.servers.mcp_program import MCPProgram, fastmcp

pytestmark = [pytest.mark.filterwarnings(LEFT_OPEN), pytest.mark.timeout(180)]


async def test_results_failures_and_new_tools_reach_the_model(fastmcp_server: MCPProgram) -> None:
    # One connection for all: over stdio it takes FastMCP seconds to start.
    async with fastmcp_server.tools() as found:
        await _check_results(found)
        await _check_failures(found, fastmcp_server.transport)
        assert (await found.call("grow")).content == "grew"
        await found.until("grown")
        assert (await found.call("grown")).content == "grown"


@pytest.mark.parametrize("transport", ["stdio", "streamable-http"])
async def test_a_server_that_ends_during_a_call_is_reached_again(
    from_pypi: Install, transport: str
) -> None:
    with fastmcp(transport, from_pypi("mcp/python")) as program:
        async with program.tools() as found:
            with pytest.raises(ToolFailed, match='handler "server"'):
                await found.call("end")
            if program.url:
                program.kill()
                program.start()
            total = await found.call_once_up("add", {"a": 1, "b": 2})
            assert total == ToolResult('{"result":3}')


async def _check_results(found: Started) -> None:
    for tool, arguments, content in (
        ("add", {"a": 1, "b": 2}, '{"result":3}'),
        ("lines", {"count": 2}, "line 1\nline 2"),
        ("order", {}, '{"number":7,"item":"oak desk"}'),
        ("names", {}, '{"result":["Ada","Grace"]}'),
        ("nothing", {}, "(the tool returned nothing)"),
        ("table", {}, "[resource file:///rows.csv]\na,b\n1,2\n"),
        ("slow", {}, "done"),
    ):
        assert await found.call(tool, arguments) == ToolResult(content)
    for tool, content, kind, mime_type, data in (
        ("mixed", 'before\n{"after":1}', "image", "image/png", "iVBORw0KGgo="),
        ("sound", "(1 media parts)", "audio", "audio/wav", "UklGRg=="),
        ("pdf", "(1 media parts)", "document", "application/pdf", "JVBERg=="),
    ):
        part = Part(kind, media=Media(mime_type, data))
        assert await found.call(tool) == ToolResult(content, parts=(part,))


async def _check_failures(found: Started, transport: str) -> None:
    for tool, arguments, words in (
        ("refuse", {}, "no such order"),
        ("crash", {}, "by zero"),
        ("add", {"a": "x"}, "Input should be a valid integer"),
        ("nowhere", {}, "Unknown tool"),
        ("ask", {}, "elicitation"),
    ):
        result = await found.call(tool, arguments)
        assert result.is_error
        assert words.lower() in orjson.loads(result.content)["error"].lower()
    if transport == "sse":
        # Only the protocol of 2026 has results that ask.
        return
    asked = await found.call("ask_first")
    assert orjson.loads(asked.content) == {
        "error": 'the tool needs input that agents do not give during a call: "Which order?"'
    }
