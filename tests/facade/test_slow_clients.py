"""A client that reads nothing: what is kept for it is bounded, and it is cut off."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from omnia_core.units import Duration
from omnia_facade.timings import Timings
from tests.facade.conftest import connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.facade.test_admission import counted
from tests.facade.test_program import PROGRAM, program
from tests.services import free_port

MEGABYTES = 64
FLOOD = f"flood {MEGABYTES * 16} 65536"


@contextlib.asynccontextmanager
async def deaf(port: int, said: str) -> AsyncIterator[ClientConnection]:
    """Connect a client that says something and never reads; cut it in the end."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
    options = {"max_queue": 1, "max_size": None, "compression": None, "ping_interval": None}
    client = await connect(f"ws://127.0.0.1:{port}/ws", sock=small, **options)  # type: ignore[arg-type] # a table
    try:
        await client.send(orjson.dumps({"type": "message", "content": said}).decode())
        yield client
    finally:
        client.transport.abort()
        await client.wait_closed()


async def stalled(runtime: ScriptedRuntime) -> None:
    """Wait until the runtime cannot send any more."""
    seen = -1
    async with asyncio.timeout(LIMIT):
        while seen < runtime.chunks_sent or seen == 0:
            seen = runtime.chunks_sent
            await asyncio.sleep(0.1)


@pytest.mark.covers("websocket.md#client-that-reads-nothing")
async def test_who_reads_nothing_is_cut_off_and_the_turn_is_cancelled() -> None:
    runtime = ScriptedRuntime()
    timings = Timings(sweep=0.02)
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}", write_timeout=Duration(200), timings=timings
        ) as facade,
        deaf(facade.port, FLOOD),
    ):
        async with asyncio.timeout(LIMIT):
            await runtime.stream_over.wait()
            active = 1.0
            while active:
                active = await counted(facade, "omnia_agent_connections_active")
        assert (
            await counted(facade, "omnia_agent_requests_total", status="error", variant="stable")
            == 1
        )
        assert await counted(facade, "omnia_agent_requests_inflight") == 0
    assert 0 < runtime.chunks_sent < MEGABYTES * 16


def peak(pid: int) -> int:
    """Return the largest resident memory that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def test_what_is_kept_for_who_reads_nothing_is_bounded_and_does_not_stop_the_end() -> None:
    runtime, port = ScriptedRuntime(), free_port()
    async with (
        serving(runtime) as runtime_port,
        program(
            PROGRAM,
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
            OMNIA_FACADE_PORT=port,
            OMNIA_DRAIN_TIMEOUT="300ms",
        ) as process,
    ):
        async with connected(f"ws://127.0.0.1:{port}/ws") as client:
            await client.say("hello")
            await client.answer()
        before = peak(process.pid)
        runtime.stream_over.clear()
        async with deaf(port, FLOOD):
            await stalled(runtime)
            assert 0 < runtime.chunks_sent < MEGABYTES * 16
            assert peak(process.pid) - before < MEGABYTES * 1024 / 4
            process.terminate()
            async with asyncio.timeout(LIMIT):
                assert await process.wait() == 0
                await runtime.stream_over.wait()
