"""Calls of tools and models as spans, and the trace that their servers are told of."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_core.telemetry.tracing import SpanKind, Tracer
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_runtime.ports.model import ChatRequest, ProviderError
from omnia_runtime.providers.wrappers import TracedModel
from tests.collector import Seen, Spans, grpc_collector
from tests.runtime import grpc_server
from tests.runtime.mcp_server import LEFT_OPEN
from tests.runtime.scripted import Mounted, ScriptedModel, asks, http_tool, says
from tests.runtime.servers import serving
from tests.runtime.tooling import opened
from tests.services import LIMIT

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

MCP_SERVER = """
from typing import Any
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("traced", log_level="CRITICAL")

@server.tool(structured_output=False)
def where(ctx: Context[Any]) -> str:
    return str((ctx.request_context.meta or {}).get("traceparent", "no trace"))

server.run("stdio")
"""


@asynccontextmanager
async def tracing(folder: Path, **variables: str) -> AsyncIterator[tuple[Tracer, list[Seen]]]:
    """Trace; the spans are in the list behind the block."""
    spans, found = Spans(), list[Seen]()
    with grpc_collector(spans) as endpoint:
        env = Mounted(folder).env(
            OMNIA_TRACING_ENABLED="true", OMNIA_TRACING_ENDPOINT=endpoint, **variables
        )
        tracer = configure_tracing(env, CollectorRegistry())
        try:
            yield tracer, found
        finally:
            tracer.close(LIMIT)
        found += spans.all()


def header(span: Seen) -> str:
    """Return the header without the flags."""
    return f"00-{span.trace}-{span.id}"


async def test_a_grpc_tool_is_told_the_trace_by_call_metadata(tmp_path: Path) -> None:
    service = grpc_server.GRPCTools("order")
    async with grpc_server.serving(service) as address, tracing(tmp_path) as (tracer, found):
        handler = {"name": "shop", "type": "grpc", "grpcConfig": {"endpoint": address}}
        async with opened(tmp_path, handler) as tools:
            with tracer.start_span("turn", SpanKind.SERVER, session_id="s1"):
                await tools.call("order")
            await tools.call("order")
    tool = next(each for each in found if each.span.name == "execute_tool order")
    during, after = (each.get("traceparent", "") for each in service.metadata)
    assert (str(during)[:52], after) == (header(tool), "")
    assert tool.own == {
        "gen_ai.conversation.id": "s1",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "order",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "omnia.tool.handler.name": "shop",
        "omnia.tool.status": "success",
    }


async def mcp_calls(folder: Path) -> None:
    """Call a tool in a turn and outside of one; print the spans, and what the server was sent."""
    program = folder / "server.py"
    program.write_text(MCP_SERVER)
    handler = {
        "name": "files",
        "type": "mcp",
        "mcpConfig": {"transport": "stdio", "command": sys.executable, "args": [str(program)]},
    }
    async with tracing(folder) as (tracer, found), opened(folder, handler) as tools:
        with tracer.start_span("turn", SpanKind.SERVER):
            during = await tools.call("where")
        after = await tools.call("where")
    spans = {each.id: [each.span.name, each.parent] for each in found}
    print(orjson.dumps([during.content, after.content, spans]).decode())  # noqa: T201 - the result


def test_an_mcp_server_is_told_the_span_of_the_sdk_within_that_of_the_call(tmp_path: Path) -> None:
    # In a process of its own: the SDK's tracer stays with the first provider of a process.
    script = (
        "import asyncio, pathlib, sys; from tests.runtime.test_traced_tools import mcp_calls;"
        "asyncio.run(mcp_calls(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        timeout=2 * LIMIT,  # the SDK of MCP takes its time to load
        check=True,
    )
    during, after, spans = orjson.loads(done.stdout)
    _, trace, sent, _ = during.split("-")
    name, tool = spans[sent]
    assert name == "MCP send tools/call where"
    assert spans[tool][0] == "execute_tool where"
    assert spans[spans[tool][1]] == ["turn", ""]
    assert trace not in after


async def test_a_tool_that_fails_is_marked_with_how_and_without_what_it_said(
    tmp_path: Path,
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=500, text="the password is hunter2")

    async with (
        serving(refuse) as url,
        tracing(tmp_path) as (tracer, found),
        opened(tmp_path, http_tool(url)) as tools,
    ):
        with tracer.start_span("turn", SpanKind.SERVER):
            await tools.call("lookup")
            await tools.call("nothing")
    tool, turn = found
    assert (tool.failed, tool.own["error.type"]) == (True, "error")
    assert not turn.failed
    assert "hunter2" not in str([each.span for each in found])


CONFIG = ProviderConfig("main", "claude", "opus")
REQUEST = ChatRequest("You are Sam.", [Message("user", "Hi")])


async def test_a_call_of_a_model_is_a_span_with_the_names_of_the_conventions(
    tmp_path: Path,
) -> None:
    async with tracing(tmp_path) as (tracer, found):
        with tracer.start_span("turn", SpanKind.SERVER, session_id="s1"):
            events = [each async for each in _model(says("Hello")).stream(REQUEST)]
    assert len(events) == 2
    chat = found[0]
    assert chat.span.name == "chat opus"
    assert chat.span.kind == chat.span.SPAN_KIND_CLIENT
    assert chat.own.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert [each.name for each in chat.span.events] == ["first chunk"]
    assert chat.own == {
        "gen_ai.conversation.id": "s1",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "opus",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "omnia.provider.name": "main",
        "omnia.usage.cost_usd": 0.5,
    }


async def test_a_call_that_fails_names_the_sort_of_failure_and_the_status(tmp_path: Path) -> None:
    refusal = ProviderError("the key sk-1 was refused", status=401)
    async with tracing(tmp_path) as (tracer, found):
        with tracer.start_span("turn", SpanKind.SERVER), suppress(ProviderError):
            async for _ in _model([refusal]).stream(REQUEST):
                pass
    chat = found[0]
    assert chat.failed
    assert chat.own["error.type"] == "ProviderError"
    assert chat.own["http.response.status_code"] == 401
    assert "sk-1" not in str(chat.span)


async def test_content_is_recorded_only_where_it_is_asked_for(tmp_path: Path) -> None:
    async with tracing(tmp_path, OMNIA_TRACING_CONTENT="true") as (tracer, found):
        with tracer.start_span("turn", SpanKind.SERVER):
            round_ = [*says("Hel", "lo")[:-1], *asks("find", arguments='{"a": 1}')]
            async for _ in _model(round_).stream(REQUEST):
                pass
    chat = found[0].own
    assert orjson.loads(chat["gen_ai.system_instructions"]) == [
        {"type": "text", "content": "You are Sam."}
    ]
    assert orjson.loads(chat["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    call = {"type": "tool_call", "id": "0-find", "name": "find", "arguments": '{"a": 1}'}
    assert orjson.loads(chat["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}, call]}
    ]


async def test_without_a_trace_the_model_itself_is_what_is_read() -> None:
    model = ScriptedModel(says("Hello"))
    stream = TracedModel(model, CONFIG).stream(REQUEST)
    assert stream.ag_code is ScriptedModel.stream.__code__  # type: ignore[attr-defined] # a generator's
    await stream.aclose()


def _model(*rounds: Any) -> TracedModel:
    return TracedModel(ScriptedModel(*rounds), CONFIG)
