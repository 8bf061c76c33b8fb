"""A turn's trace: from the client's header through both programs to the model and the tools."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect

from tests.collector import Seen, Spans, grpc_collector, http_collector
from tests.programs import PYTHON
from tests.runtime.scripted import Mounted, http_tool, pack
from tests.runtime.servers import USAGE, call_piece, chunk, serving
from tests.services import LIMIT, free_port
from tests.transport import VARIABLES

QUESTION = "Where is my marmalade?"
ANSWER = "It is on the roof."
TOOLS = ("find", "weigh")
FOUND = '{"place":"a shelf"}'
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
AGENT = {"omnia.agent.name": "jam", "omnia.agent.namespace": "kitchen"}
USED = {
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 2 * USAGE["prompt_tokens"],  # type: ignore[operator] # a number
    "gen_ai.usage.output_tokens": 2 * USAGE["completion_tokens"],  # type: ignore[operator] # likewise
}
NAMES = (
    "omnia.facade.message",
    "invoke_agent jam",
    "chat small",
    *(f"execute_tool {each}" for each in TOOLS),
)


class Vendor:
    """Speaks chat completions: it asks for two tools, then answers."""

    def __init__(self) -> None:
        self.traceparents: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.traceparents.append(request.headers.get("traceparent", ""))
        asked = await request.json()
        if asked["messages"][-1]["role"] == "user":
            pieces = [
                chunk(call_piece(index, id=f"c{index}", name=name, arguments="{}"))
                for index, name in enumerate(TOOLS)
            ]
            pieces.append(chunk({}, "tool_calls"))
        else:
            pieces = [chunk({"content": ANSWER}), chunk({}, "stop")]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in [*pieces, chunk({}, usage=USAGE)]:
            await response.write(b"data: " + orjson.dumps(each) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response


class Shop:
    """Serves the tools; the path is the tool."""

    def __init__(self) -> None:
        self.traceparents: dict[str, str] = {}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.traceparents[request.path.strip("/")] = request.headers.get("traceparent", "")
        return web.Response(body=FOUND, content_type="application/json")


class Pair:
    """A runtime and a facade, as programs."""

    def __init__(self, mounted: Mounted, **variables: str) -> None:
        self.facade_port, self.health_port = free_port(), free_port()
        self.ws = f"ws://127.0.0.1:{self.facade_port}/ws"
        self.runtime_health = mounted.health_port
        self.errors = mounted.folder / "stderr"
        common = {**variables, "OMNIA_AGENT_NAME": "jam", "OMNIA_NAMESPACE": "kitchen"}
        facade = {
            "OMNIA_RUNTIME_ADDRESS": f"127.0.0.1:{mounted.grpc_port}",
            "OMNIA_FACADE_PORT": str(self.facade_port),
            "OMNIA_HEALTH_PORT": str(self.health_port),
            "OMNIA_BIND_ADDRESS": "127.0.0.1",
            "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
            "OMNIA_FUNCTION_PATH": str(mounted.folder / "function.json"),
            **VARIABLES,
        }
        with self.errors.open("wb") as sink:
            self.processes = [
                subprocess.Popen([PYTHON, "-m", program], env=env, stderr=sink)
                for program, env in (
                    ("omnia_runtime", {**mounted.environment(), **common}),
                    ("omnia_facade", {**os.environ, **facade, **common}),
                )
            ]

    async def ready(self) -> None:
        def ask() -> bool:
            try:
                with urlopen(
                    f"http://127.0.0.1:{self.health_port}/readyz", timeout=LIMIT
                ) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        async with asyncio.timeout(LIMIT):
            while not await asyncio.to_thread(ask):
                assert all(each.poll() is None for each in self.processes), self.errors.read_text()
                await asyncio.sleep(0.02)

    def metrics(self, port: int) -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(LIMIT)


@contextlib.asynccontextmanager
async def pair(mounted: Mounted, **variables: str) -> AsyncIterator[Pair]:
    programs = Pair(mounted, **variables)
    try:
        await programs.ready()
        yield programs
    finally:
        await asyncio.to_thread(programs.stop)


def traced(endpoint: str, **more: str) -> dict[str, str]:
    return {
        "OMNIA_TRACING_ENABLED": "true",
        "OMNIA_TRACING_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        **more,
    }


async def say(socket: ClientConnection, content: str) -> dict[str, Any]:
    """Send a message and return the last frame of its answer."""
    await socket.send(orjson.dumps({"type": "message", "content": content}).decode())
    async with asyncio.timeout(LIMIT):
        while True:
            frame: dict[str, Any] = orjson.loads(await socket.recv())
            if frame["type"] in ("done", "error"):
                return frame


async def ask(programs: Pair, **headers: str) -> dict[str, Any]:
    async with connect(programs.ws, additional_headers=headers) as socket:
        return await say(socket, QUESTION)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    files = Mounted(tmp_path)
    files.write_pack(pack(tools=list(TOOLS)))
    return files


@contextlib.asynccontextmanager
async def kitchen(mounted: Mounted) -> AsyncIterator[tuple[Vendor, Shop]]:
    """Serve a model and two tools."""
    vendor, shop = Vendor(), Shop()
    async with serving(vendor) as model, serving(shop) as tools:
        mounted.write_provider(
            type="openai", model="small", baseURL=f"{model}/v1", mockResponsesPath=None
        )
        mounted.write_tools(*(http_tool(f"{tools}/{name}", name) for name in TOOLS))
        yield vendor, shop


async def test_a_turn_with_two_tools_is_one_connected_trace(mounted: Mounted) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        async with (
            kitchen(mounted) as (vendor, shop),
            pair(mounted, **traced(endpoint)) as programs,
        ):
            done = await ask(programs, traceparent=f"00-{TRACE}-{CALLER}-01")
            found = await asyncio.to_thread(spans.named, *NAMES)
    assert done["content"] == ANSWER

    everything = spans.all()
    assert {each.trace for each in everything} == {TRACE}
    message, turn = found[NAMES[0]], found[NAMES[1]]
    chats = [each for each in everything if each.span.name == "chat small"]
    tools = [found[f"execute_tool {name}"] for name in TOOLS]
    assert len(everything) == 6
    assert message.parent == CALLER
    assert turn.parent == message.id
    assert [each.parent for each in (*chats, *tools)] == [turn.id] * 4

    assert {message.service} == {"omnia-facade-jam"}
    assert {each.service for each in (turn, *chats, *tools)} == {"omnia-runtime-jam"}
    assert sorted(vendor.traceparents) == sorted(header(each) for each in chats)
    assert shop.traceparents == {
        name: header(each) for name, each in zip(TOOLS, tools, strict=True)
    }
    session = done["session_id"]
    assert {each.own["gen_ai.conversation.id"] for each in everything} == {session}
    assert message.own.pop("gen_ai.response.time_to_first_chunk") > 0
    assert message.own == {
        **AGENT,
        "omnia.handler": "runtime",
        "omnia.variant": "stable",
        "gen_ai.conversation.id": session,
        **USED,
        "omnia.usage.cost_usd": 0.0,
    }
    assert turn.own == {
        **AGENT,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "jam",
        "gen_ai.agent.version": "1.0.0",
        "gen_ai.conversation.id": session,
        "omnia.promptpack.name": "support",
        "omnia.promptpack.version": "1.0.0",
        "omnia.variant": "stable",
        "omnia.turn.index": 0,
        **USED,
        "omnia.usage.cost_usd": 0.0,
    }
    assert sorted(each.own["gen_ai.response.finish_reasons"] for each in chats) == [
        ["stop"],
        ["tool_use"],
    ]
    assert [each.own["gen_ai.tool.call.id"] for each in tools] == ["c0", "c1"]
    for secret in (QUESTION, ANSWER, FOUND, "You help."):
        assert secret.encode() not in b"".join(spans.raw)


async def test_each_turn_of_a_connection_is_a_trace_of_its_own(mounted: Mounted) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        async with pair(mounted, **traced(endpoint)) as programs, connect(programs.ws) as socket:
            for _ in range(2):
                assert (await say(socket, QUESTION))["type"] == "done"
    first, second = sorted(
        (each for each in spans.all() if each.span.name == "invoke_agent jam"),
        key=lambda each: int(each.own["omnia.turn.index"]),
    )
    messages = {each.id: each for each in spans.all() if each.span.name == "omnia.facade.message"}
    assert first.trace != second.trace
    assert [messages[each.parent].trace for each in (first, second)] == [first.trace, second.trace]
    assert {each.parent for each in messages.values()} == {""}
    assert first.own["gen_ai.conversation.id"] == second.own["gen_ai.conversation.id"]
    assert [first.own["omnia.turn.index"], second.own["omnia.turn.index"]] == [0, 1]


async def test_a_call_of_a_function_is_one_connected_trace_over_http_too(mounted: Mounted) -> None:
    spans = Spans()
    mounted.write_function({"type": "object"}, {"type": "object"})
    mounted.write_responses({"defaultResponse": "{}"})
    with http_collector(spans) as endpoint:
        async with pair(mounted, **traced(endpoint, OMNIA_MODE="function")) as programs:
            answer = await asyncio.to_thread(call, programs, f"00-{TRACE}-{CALLER}-01")
    found = {each.span.name: each for each in spans.all()}
    function, turn, chat = (
        found[name] for name in ("omnia.facade.function", "invoke_agent jam", "chat m")
    )
    assert {each.trace for each in spans.all()} == {TRACE}
    assert [function.parent, turn.parent, chat.parent] == [CALLER, function.id, turn.id]
    assert function.own["omnia.function.name"] == "fn"
    assert function.own["omnia.invocation.id"] == answer["invocation_id"]
    assert turn.own["omnia.invocation.id"] == answer["invocation_id"]
    assert "gen_ai.conversation.id" not in turn.own


async def test_content_is_in_the_spans_where_it_is_asked_for(mounted: Mounted) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        variables = traced(
            endpoint, OMNIA_TRACING_CONTENT="true", OMNIA_TRACING_OPENINFERENCE="true"
        )
        async with kitchen(mounted), pair(mounted, **variables) as programs:
            await ask(programs)
            found = await asyncio.to_thread(spans.named, *NAMES)
    assert found["execute_tool find"].own["gen_ai.tool.call.arguments"] == "{}"
    assert found["execute_tool find"].own["gen_ai.tool.call.result"] == FOUND
    assert ANSWER in found["chat small"].own["gen_ai.output.messages"]
    assert QUESTION in found["chat small"].own["gen_ai.input.messages"]
    turn = found["invoke_agent jam"].own
    assert QUESTION in turn["gen_ai.input.messages"]
    assert ANSWER in turn["gen_ai.output.messages"]
    assert [found[name].own["openinference.span.kind"] for name in NAMES] == [
        "CHAIN",
        "AGENT",
        "LLM",
        "TOOL",
        "TOOL",
    ]
    assert turn["input.value"] == turn["gen_ai.input.messages"]
    assert found["chat small"].own["llm.model_name"] == "small"
    assert found["execute_tool find"].own["tool.parameters"] == "{}"


async def test_a_turn_that_fails_marks_its_spans_and_its_log_lines(mounted: Mounted) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no such key"}}, status=401)

    spans = Spans()
    with grpc_collector(spans) as endpoint:
        async with serving(refuse) as url:
            mounted.write_provider(
                type="openai", model="small", baseURL=f"{url}/v1", mockResponsesPath=None
            )
            async with pair(mounted, **traced(endpoint)) as programs:
                assert (await ask(programs))["type"] == "error"
    found = {each.span.name: each for each in spans.all()}
    assert all(each.failed for each in found.values())
    assert found["chat small"].own["http.response.status_code"] == 401
    assert found["invoke_agent jam"].own["error.type"] == "ProviderError"
    assert found["omnia.facade.message"].own["error.type"] == "INTERNAL_ERROR"


async def test_a_collector_that_is_away_costs_no_turn_anything(mounted: Mounted) -> None:
    async with pair(mounted, **traced(f"127.0.0.1:{free_port()}")) as programs:
        for _ in range(3):
            assert (await ask(programs))["type"] == "done"
        health = await asyncio.to_thread(programs.metrics, programs.health_port)
    assert "omnia_tracing_spans_dropped_total" in health
    warnings = [line for line in programs.errors.read_text().splitlines() if "collector" in line]
    assert len(warnings) == 2, "one of each program"


async def test_a_trace_that_the_caller_does_not_record_is_not_recorded(mounted: Mounted) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        async with kitchen(mounted) as (vendor, _), pair(mounted, **traced(endpoint)) as programs:
            await ask(programs, traceparent=f"00-{TRACE}-{CALLER}-00")
    assert spans.all() == []
    assert {each[:35] for each in vendor.traceparents} == {f"00-{TRACE}"}
    assert {each[-3:] for each in vendor.traceparents} == {"-00"}


async def test_without_tracing_nobody_is_told_of_a_trace(mounted: Mounted) -> None:
    async with kitchen(mounted) as (vendor, shop), pair(mounted) as programs:
        await ask(programs, traceparent=f"00-{TRACE}-{CALLER}-01")
        metrics = await asyncio.to_thread(programs.metrics, programs.runtime_health)
    assert set(vendor.traceparents) == {""}
    assert set(shop.traceparents.values()) == {""}
    assert "omnia_tracing" not in metrics


def call(programs: Pair, traceparent: str) -> dict[str, Any]:
    """Call the function."""
    request = Request(
        f"http://127.0.0.1:{programs.facade_port}/functions/fn",
        b"{}",
        {"Content-Type": "application/json", "traceparent": traceparent},
    )
    with urlopen(request, timeout=LIMIT) as answer:
        found: dict[str, Any] = orjson.loads(answer.read())
        return found


def header(span: Seen) -> str:
    return f"00-{span.trace}-{span.id}-01"
