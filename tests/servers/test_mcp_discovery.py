"""The operator's view of real MCP servers over HTTP: the status lists what the model will see."""

import contextlib

import pytest

from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import discovered_tools
from omnia_runtime.tools.routes import route_tools
from tests.discovery.given import discover, mcp
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.mcp_source import started
from tests.servers.conftest import Install
from tests.servers.mcp_program import PATHS, everything, fastmcp

pytestmark = [pytest.mark.filterwarnings(LEFT_OPEN), pytest.mark.timeout(180)]


async def test_the_status_lists_the_tools_that_the_model_sees(
    from_npm: Install, from_pypi: Install
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        # Two have the same tools: the second one's are offered by names with the handler's.
        programs = [
            *(everything(transport, from_npm("mcp-server-everything")) for transport in PATHS),
            fastmcp("streamable-http", from_pypi("mcp/python")),
        ]
        answers, sources = [], []
        for number, program in enumerate(map(stack.enter_context, programs)):
            name = f"handler-{number}"
            answers.append(await discover(mcp(program.url, program.transport, name=name)))
            found = await stack.enter_async_context(started(program.handler(name)))
            sources.append(found.source)

        assert {answer.status for answer in answers} == {ToolStatus.AVAILABLE}
        listed = discovered_tools(answers, (), (), "2026-01-01T00:00:00Z")
        routes, _ = route_tools(sources)
        assert [tool.name for tool in listed] == list(routes)
        assert "handler-1__echo" in routes
        assert "add" in routes
        for tool, route in zip(listed, routes.values(), strict=True):
            assert tool.description == route.spec.description
            assert tool.input_schema == route.spec.input_schema
        (remark,) = answers[0].remarks
        assert remark.startswith('tool "simulate-research-query": execution/taskSupport')


async def test_a_server_that_is_away_is_known_again_when_it_is_back(from_npm: Install) -> None:
    with everything("streamable-http", from_npm("mcp-server-everything")) as program:
        asked = mcp(program.url)
        before = await discover(asked)
        program.kill()
        away = await discover(asked)
        assert away.status is ToolStatus.UNAVAILABLE
        assert away.error is not None
        assert "does not accept connections" in away.error
        program.start()
        assert await discover(asked) == before
