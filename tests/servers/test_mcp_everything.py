"""The everything server of the MCP project: each feature of the protocol, by each transport."""

import asyncio
import gzip

import orjson
import pytest
from structlog.testing import capture_logs

from omnia_core.conversation.tools import ToolResult
from omnia_runtime.ports.tools import ToolFailed
from tests.runtime.mcp_server import LEFT_OPEN
from tests.servers.conftest import Install
from tests.servers.mcp_program import MCPProgram, everything, kill_child

pytestmark = [pytest.mark.filterwarnings(LEFT_OPEN), pytest.mark.timeout(180)]

TOOLS = [
    "echo",
    "get-annotated-message",
    "get-env",
    "get-resource-links",
    "get-resource-reference",
    "get-structured-content",
    "get-sum",
    "get-tiny-image",
    "gzip-file-as-resource",
    "toggle-simulated-logging",
    "toggle-subscriber-updates",
    "trigger-long-running-operation",
]
LINK = "demo://resource/session/a.gz"


async def test_every_tool_that_an_agent_can_call_is_offered(everything_server: MCPProgram) -> None:
    with capture_logs() as logs:
        async with everything_server.tools() as found:
            # Those that ask the client for samples, input or roots are for clients that offer them.
            assert found.names() == TOOLS
            echo = found.source.specs()[0]
            assert echo.description == "Echoes back the input string"
            assert echo.input_schema["required"] == ["message"]
    (left_out,) = [log for log in logs if log.get("tool")]
    assert left_out["tool"] == "simulate-research-query"
    assert "requires a task" in left_out["problem"]


async def test_each_kind_of_content_reaches_the_model(everything_server: MCPProgram) -> None:
    async with everything_server.tools() as found:
        assert await found.call("echo", {"message": "hé"}) == ToolResult("Echo: hé")
        assert (await found.call("get-sum", {"a": 1, "b": 2})).content == "The sum of 1 and 2 is 3."

        image = await found.call("get-tiny-image")
        assert image.content == "Here's the image you requested:\nThe image above is the MCP logo."
        assert [part.media and part.media.mime_type for part in image.parts] == ["image/png"]
        annotated = {"messageType": "error", "includeImage": True}
        message = await found.call("get-annotated-message", annotated)
        assert message.content == "Error: Operation failed"
        assert not message.is_error
        assert message.parts == image.parts

        links = (await found.call("get-resource-links", {"count": 2})).content
        assert "[resource Text Resource 2: demo://resource/dynamic/text/2 (text/plain" in links
        for kind in ("Text", "Blob"):
            asked = {"resourceType": kind, "resourceId": 1}
            resource = await found.call("get-resource-reference", asked)
            label = f"[resource demo://resource/dynamic/{kind.lower()}/1]\nResource 1: This is a"
            assert label in resource.content

        weather = await found.call("get-structured-content", {"location": "Chicago"})
        assert orjson.loads(weather.content)["temperature"] == 36


async def test_a_file_that_the_server_makes_is_linked_or_described(
    everything_server: MCPProgram,
) -> None:
    async with everything_server.tools() as found:
        file = {"name": "a.gz", "data": "data:text/plain,hello"}
        link = await found.call("gzip-file-as-resource", file)
        assert link.content == f"[resource a.gz: {LINK} (application/gzip)]"
        inside = await found.call("gzip-file-as-resource", file | {"outputType": "resource"})
        size = len(gzip.compress(b"hello"))
        assert inside.content == f"[resource {LINK}: {size} bytes of application/gzip]"
        refused = await found.call("gzip-file-as-resource", file | {"data": "ftp://127.0.0.1/a"})
        assert refused.is_error
        assert "Only http, https, and data URLs are supported" in refused.content


async def test_wrong_calls_fail_in_the_words_of_the_server(everything_server: MCPProgram) -> None:
    async with everything_server.tools() as found:
        for tool, arguments, words in (
            ("echo", {}, "Invalid arguments for tool echo"),
            ("get-sum", {"a": 1, "b": "x"}, "expected number, received string at b"),
            ("get-structured-content", {"location": "Atlantis"}, "location"),
            ("trigger-sampling-request", {"prompt": "x"}, "not found"),
            ("simulate-research-query", {"topic": "x"}, "requires task augmentation"),
        ):
            result = await found.call(tool, arguments)
            assert result.is_error
            assert words in orjson.loads(result.content)["error"]


async def test_long_operations_run_side_by_side_among_notifications(
    everything_server: MCPProgram,
) -> None:
    async with everything_server.tools() as found:
        await found.call("toggle-simulated-logging")
        await found.call("toggle-subscriber-updates")
        long = {"duration": 0.4, "steps": 4}
        calls = [found.call("trigger-long-running-operation", long) for _ in range(3)]
        for result in await asyncio.gather(*calls, found.call("echo", {"message": "x"})):
            assert not result.is_error
            assert "completed" in result.content or result.content == "Echo: x"


async def test_a_server_that_was_killed_is_reached_again(everything_server: MCPProgram) -> None:
    async with everything_server.tools() as found:
        if everything_server.url:
            everything_server.kill()
            with pytest.raises(ToolFailed, match="connection"):
                await found.call("echo", {"message": "x"})
            everything_server.start()
        else:
            kill_child("mcp-server-everything")
            await found.until_told("has ended with code -9")
        assert (await found.call_once_up("echo", {"message": "x"})).content == "Echo: x"
        assert found.names() == TOOLS
        assert found.source.problem == ""


async def test_a_call_after_a_restart_is_not_lost(from_npm: Install) -> None:
    with everything("streamable-http", from_npm("mcp-server-everything")) as program:
        async with program.tools() as found:
            program.kill()
            program.start()
            # The server answers the status 400 to the session that it does not know.
            assert (await found.call("echo", {"message": "x"})).content == "Echo: x"
