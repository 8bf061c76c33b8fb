"""What the facade's tests share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from omnia_core.env import FacadeEnv
from omnia_core.names import Handler
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.app import FacadeServer
from omnia_facade.entrance.http_side import HttpProtocolFactory, HttpSide
from omnia_facade.timings import USUAL, Timings
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.services import free_port
from tests.transport import TRANSPORT


@pytest.fixture
def unused_port() -> int:
    return free_port()


class Running:
    """A facade in this process, on real ports."""

    def __init__(self, env: FacadeEnv, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.http = f"http://127.0.0.1:{env.facade_port}"
        self.ws = f"ws://127.0.0.1:{env.facade_port}/ws"
        self.health = f"http://127.0.0.1:{env.health_port}"
        self.port = env.facade_port
        self.stop = stop
        self.task = task


@contextlib.asynccontextmanager
async def running(*, timings: Timings = USUAL, **settings: Any) -> AsyncIterator[Running]:
    """Serve a facade; nobody needs a credential unless the settings say otherwise."""
    given = {
        "allow_unauthenticated": True,
        "agent_name": "agent",
        "grpc_transport": TRANSPORT,
        "bind_address": "127.0.0.1",
        **settings,
    }
    env = FacadeEnv(facade_port=free_port(), health_port=free_port(), **given)
    stop = asyncio.Event()
    facade = FacadeServer(env, timings)
    task = asyncio.create_task(facade.serve(stop))
    began = asyncio.create_task(facade.serving.wait())
    await asyncio.wait({task, began}, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT)
    began.cancel()
    if task.done():
        await task
    yield Running(env, stop, task)
    stop.set()
    async with asyncio.timeout(LIMIT):
        await task


def http_side(factory: HttpProtocolFactory) -> HttpSide:
    """Return an HTTP server that is open."""

    async def never() -> HttpProtocolFactory:
        raise AssertionError

    side = HttpSide(never)
    side.factory = factory
    return side


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime(resume=pb.RESUME_STATE_NOT_FOUND)


@pytest.fixture
async def agent(runtime: ScriptedRuntime) -> AsyncIterator[Running]:
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", drain_timeout=Duration(5000)) as facade,
    ):
        yield facade


@pytest.fixture
async def echo() -> AsyncIterator[Running]:
    async with running(handler_mode=Handler.ECHO) as facade:
        yield facade


@pytest.fixture
async def demo() -> AsyncIterator[Running]:
    async with running(handler_mode=Handler.DEMO) as facade:
        yield facade


class Client:
    """A WebSocket client that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, frame_type: str, **fields: object) -> None:
        await self.socket.send(orjson.dumps({"type": frame_type, **fields}).decode())

    async def say(self, content: str, **fields: object) -> None:
        await self.send("message", content=content, **fields)

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT):
            frame: dict[str, Any] = orjson.loads(await self.socket.recv())
        return frame

    async def until(self, *types: str) -> list[dict[str, Any]]:
        """Return the frames up to the first of one of these types."""
        frames = [await self.receive()]
        while frames[-1]["type"] not in types:
            frames.append(await self.receive())
        return frames

    async def answer(self) -> list[dict[str, Any]]:
        return await self.until("done", "error")


@contextlib.asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    """Connect, and read the announcement."""
    async with connect(url, compression=None, **options) as socket:
        client = Client(socket)
        assert (await client.receive())["type"] == "connected"
        yield client
