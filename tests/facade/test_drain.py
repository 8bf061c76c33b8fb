"""How the program ends: what it has accepted is answered, and nothing else is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from omnia_core.names import Handler
from omnia_facade.timings import Timings
from tests.facade.conftest import Client, connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.facade.test_program import program
from tests.services import free_port


class Program:
    """A running facade, and where it is reached."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, health: int) -> None:
        self.process = process
        self.ws = f"ws://127.0.0.1:{port}/ws"
        self.readyz = f"http://127.0.0.1:{health}/readyz"

    async def end(self) -> int:
        async with asyncio.timeout(LIMIT):
            return await self.process.wait()


@asynccontextmanager
async def facade() -> AsyncIterator[Program]:
    port, health = free_port(), free_port()
    async with (
        serving(ScriptedRuntime()) as runtime,
        program(
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime}",
            OMNIA_FACADE_PORT=port,
            OMNIA_HEALTH_PORT=health,
        ) as process,
    ):
        yield Program(process, port, health)


async def closed(client: Client) -> tuple[int, str]:
    """Return code and reason with which the server closes a client that is sent nothing more."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.receive()
    assert caught.value.rcvd
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.covers("websocket.md#refused-draining", "websocket.md#drain-answers-what-waits")
async def test_sigterm_lets_end_what_was_accepted_and_nothing_else_begins() -> None:
    async with facade() as agent, connected(agent.ws) as idle, connected(agent.ws) as busy:
        await busy.say("ask")
        await busy.until("tool_call")
        await busy.say("waited")
        agent.process.terminate()
        assert await closed(idle) == (1001, "server shutdown")

        async with aiohttp.ClientSession() as session, session.get(agent.readyz) as ready:
            assert (ready.status, await ready.text()) == (503, "draining\n")
        with pytest.raises(InvalidStatus) as refused:
            await connect(agent.ws)
        answer = refused.value.response
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert b'"draining"' in (answer.body or b"")
        await busy.say("too late")
        assert (await busy.receive())["error"]["code"] == "AGENT_UNAVAILABLE"

        await busy.send("tool_result", tool_result={"call_id": "c1", "result": 1})
        assert (await busy.answer())[-1]["content"] == "1"
        assert (await busy.answer())[-1]["content"] == "you said waited"
        assert await closed(busy) == (1001, "server shutdown")
        assert await agent.end() == 0


async def test_a_second_sigterm_waits_for_nobody() -> None:
    async with facade() as agent, connected(agent.ws) as idle, connected(agent.ws) as busy:
        await busy.say("slow")
        await busy.until("chunk")
        agent.process.terminate()
        assert await closed(idle) == (1001, "server shutdown")
        agent.process.terminate()
        assert await agent.end() == 0
        async with asyncio.timeout(LIMIT):
            await busy.socket.wait_closed()


async def test_a_connection_without_a_request_ends_with_the_facade() -> None:
    timings = Timings(head=2 * LIMIT)
    async with running(handler_mode=Handler.ECHO, timings=timings) as facade:
        reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
        accepted_last = socket.create_connection(("127.0.0.1", facade.port))
        facade.stop.set()
        await facade.task
        async with asyncio.timeout(LIMIT):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
    with accepted_last, contextlib.suppress(ConnectionError):
        accepted_last.settimeout(LIMIT)
        assert accepted_last.recv(1) == b""
    writer.close()
