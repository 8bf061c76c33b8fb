"""One turn with tools of all four kinds of servers, each of which may be at its worst."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol, Self

import orjson
import pytest
from aiohttp import web

from omnia_core.sessions import Message
from omnia_runtime.agent.loop import AgentLoop, TurnLimits
from omnia_runtime.agent.request_builder import ModelContext, RequestBuilder
from omnia_runtime.ports.listener import AgentEvent, ToolAnswered, ToolCalled, TurnFinished
from omnia_runtime.ports.model import ChatRequest
from tests.runtime import grpc_server, mcp_server
from tests.runtime.scripted import Heard, ScriptedModel, asks, says
from tests.runtime.tooling import Tools, opened
from tests.services import LIMIT, free_port

pytestmark = pytest.mark.filterwarnings(mcp_server.LEFT_OPEN)

KINDS = ("http", "openapi", "grpc", "mcp")
NAMES = ("by_http", "byOpenapi", "by_grpc", "moody")
TIMEOUT = "2s"


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    mcp_server.forget()


class Kind(Protocol):
    """A server that can be told how it feels: well with "", slow or huge.

    Attributes:
        asked: is set when its tool was called.
    """

    asked: asyncio.Event
    mood: str


class Web:
    """A server of HTTP tools, and of an OpenAPI document."""

    def __init__(self, waits_for: tuple[asyncio.Event, ...] = ()) -> None:
        self.asked = asyncio.Event()
        self.mood = ""
        self.waits_for = waits_for

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi.json":
            return web.json_response(
                {
                    "openapi": "3.1.0",
                    "info": {"title": "x", "version": "1"},
                    "servers": [{"url": "/"}],
                    "paths": {"/x": {"get": {"operationId": "byOpenapi"}}},
                }
            )
        self.asked.set()
        match self.mood:
            case "slow":
                await asyncio.Event().wait()
            case "huge":
                return web.Response(body=b"x" * (11 << 20))
            case _:
                for each in self.waits_for:
                    await each.wait()
        return web.json_response({"by": request.path})


@contextlib.asynccontextmanager
async def web_server(answer: Web, port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer.__call__)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def garbage_server(port: int) -> AsyncIterator[None]:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"\x00\xff garbage \r\n\r\n" * 10)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", port):
        yield


class Servers:
    """One server of each kind, on ports that stay."""

    def __init__(self) -> None:
        self.ports = {kind: free_port() for kind in KINDS}
        self.grpc = grpc_server.GRPCTools("by_grpc")
        self.mcp = mcp_server.Calls()
        self.openapi = Web()
        # the first call waits for all the others
        self.http = Web((self.openapi.asked, self.grpc.asked, self.mcp.asked))
        self._running: dict[str, contextlib.AsyncExitStack] = {}

    def of(self, kind: str) -> Kind:
        found: Kind = getattr(self, kind)
        return found

    def handlers(self) -> list[dict[str, Any]]:
        at = {kind: f"127.0.0.1:{port}" for kind, port in self.ports.items()}
        tool = {"description": "x", "inputSchema": {"type": "object"}}
        blocks: dict[str, dict[str, Any]] = {
            "http": {
                "tool": {"name": "by_http", **tool},
                "httpConfig": {"endpoint": f"http://{at['http']}/x"},
            },
            "openapi": {"openAPIConfig": {"specURL": f"http://{at['openapi']}/openapi.json"}},
            "grpc": {
                "tool": {"name": "by_grpc", **tool},
                "grpcConfig": {"endpoint": at["grpc"]},
            },
            "mcp": {
                "mcpConfig": {
                    "transport": "streamable-http",
                    "endpoint": f"http://{at['mcp']}/mcp",
                    "toolFilter": {"allowlist": ["moody"]},
                }
            },
        }
        return [
            {"name": f"{kind}-handler", "type": kind, "timeout": TIMEOUT, **blocks[kind]}
            for kind in KINDS
        ]

    async def start(self, kind: str, *, garbage: bool = False) -> None:
        port = self.ports[kind]
        stack = self._running[kind] = contextlib.AsyncExitStack()
        if garbage:
            await stack.enter_async_context(garbage_server(port))
        elif kind == "grpc":
            await stack.enter_async_context(grpc_server.serving(self.grpc, port))
        elif kind == "mcp":
            await stack.enter_async_context(
                mcp_server.serving("streamable-http", port, calls=self.mcp)
            )
        else:
            answer = self.http if kind == "http" else self.openapi
            await stack.enter_async_context(web_server(answer, port))

    async def stop(self, kind: str) -> None:
        await self._running.pop(kind).aclose()

    async def __aenter__(self) -> Self:
        for kind in KINDS:
            await self.start(kind)
        return self

    async def __aexit__(self, *_: object) -> None:
        for kind in list(self._running):
            await self.stop(kind)


async def turn(tools: Tools) -> list[str | AgentEvent | TurnFinished]:
    """Run a turn in which the model asks for one tool of each kind at once."""
    model = ScriptedModel(asks(*NAMES), says("all ", "done"))
    transcript = [Message("user", "hi")]
    opened = tools.sources.open(str(tools.path))
    specs = [spec for source in opened.sources for spec in source.specs()]
    request = ChatRequest("system", transcript, specs)
    requests = RequestBuilder(ModelContext(None), {})
    heard = Heard()
    async with asyncio.timeout(LIMIT):
        loop = AgentLoop(model, tools.manager(), TurnLimits(), requests)
        finished = await loop.run(request, transcript, heard)
    return [*heard.events, finished]


def failed(events: list[str | AgentEvent | TurnFinished]) -> list[str]:
    """Return the tools whose calls failed, after a look at the rest of the turn."""
    answered = [each for each in events if isinstance(each, ToolAnswered)]
    assert [each.call.name for each in events if isinstance(each, ToolCalled)] == list(NAMES)
    assert [each.call.name for each in answered] == list(NAMES)
    assert events[-3:-1] == ["all ", "done"]
    assert isinstance(events[-1], TurnFinished)
    return [each.call.name for each in answered if each.result.is_error]


async def until_well(tools: Tools) -> None:
    """Run turns until no call fails; five failures in a row would be too many for the breaker."""
    for _ in range(4):
        if not failed(await turn(tools)):
            return
        await asyncio.sleep(1)
    raise AssertionError(tools.problems)


async def test_a_turn_calls_tools_of_all_kinds_side_by_side(tmp_path: Path) -> None:
    async with Servers() as servers, opened(tmp_path, *servers.handlers()) as tools:
        events = await turn(tools)
    results = [each.result for each in events if isinstance(each, ToolAnswered)]
    assert failed(events) == []
    assert orjson.loads(results[0].content) == {"by": "/x"}
    assert orjson.loads(results[1].content) == {"by": "/x"}
    assert orjson.loads(results[2].content) == {"tool": "by_grpc", "arguments": {}}
    assert results[3].content == "by mcp"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["killed", "slow", "wrong", "huge"])
async def test_one_server_at_its_worst_costs_its_own_call_only_and_may_come_back(
    tmp_path: Path, kind: str, fault: str
) -> None:
    async with Servers() as servers, opened(tmp_path, *servers.handlers()) as tools:
        assert failed(await turn(tools)) == []
        server = servers.of(kind)
        server.asked.clear()
        if fault in ("slow", "huge"):
            server.mood = fault
        elif fault == "killed":
            server.mood = "slow"
        else:
            # which the first call would wait for
            server.asked.set()
            await servers.stop(kind)
            await servers.start(kind, garbage=True)
        running = asyncio.create_task(turn(tools))
        if fault == "killed":
            await asyncio.wait_for(server.asked.wait(), LIMIT)
            await servers.stop(kind)
        events = await running
        assert failed(events) == [NAMES[KINDS.index(kind)]]
        said = next(e for e in events if isinstance(e, ToolAnswered) and e.result.is_error)
        assert f"{kind}-handler" in said.result.content
        assert len(said.result.content) < 1000
        server.mood = ""
        if fault == "wrong":
            await servers.stop(kind)
        if fault in ("killed", "wrong"):
            await servers.start(kind)
        await until_well(tools)
