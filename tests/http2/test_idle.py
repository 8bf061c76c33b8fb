"""Connections on which nobody says anything are still there when somebody does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import aio

from omnia_rpc.client import KEEPALIVE, Channel
from omnia_rpc.endpoint import Keepalive
from omnia_rpc.http2.connection import Http2Connection
from omnia_rpc.server import Server
from tests.http2.test_calls import BIG, LIMIT, Ours, Theirs

MINUTES = 600
NEVER = Keepalive(7200.0)
SHORT = 1


def often(seconds: int) -> Keepalive:
    return Keepalive(seconds / 10, min(seconds / 10, 20.0))


def options(seconds: int, *, pings: bool) -> list[tuple[str, int]]:
    """Return the options of an end of grpcio that pings often, or bears that the other does."""
    if pings:
        return [
            ("grpc.keepalive_time_ms", seconds * 100),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    # What it bears of a client of ours as it is shipped, it has to bear without an option.
    short = [("grpc.http2.min_ping_interval_without_data_ms", 1)]
    return short if seconds < KEEPALIVE.interval else []


@contextlib.asynccontextmanager
async def our_client(port: int, keepalive: Keepalive) -> AsyncIterator[Channel]:
    made = Channel("127.0.0.1", port, max_message_bytes=BIG, user_agent="t", keepalive=keepalive)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def our_server(keepalive: Keepalive) -> AsyncIterator[tuple[Server, int]]:
    server = Server(Ours().handlers, max_message_bytes=BIG, keepalive=keepalive)
    yield server, await server.start("127.0.0.1", 0)
    await server.stop(0)


@contextlib.asynccontextmanager
async def their_server(seconds: int, *, pings: bool) -> AsyncIterator[int]:
    server = aio.server(options=options(seconds, pings=pings))
    server.add_generic_rpc_handlers((Theirs(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


async def ours_to_ours(seconds: int, *, client_pings: bool) -> int:
    busy, idle = often(seconds), NEVER
    async with (
        our_server(idle if client_pings else busy) as (server, port),
        our_client(port, busy if client_pings else idle) as channel,
    ):
        call = channel.call("/t.S/Echo")
        await speak(channel, call)
        assert channel._endpoint
        (served,) = (each.connection for each in server._endpoints)
        connection = channel._endpoint.connection
        pings = await silence(connection if client_pings else served, seconds, ours=True)
        await speak(channel, call)
        assert channel._endpoint.connection is connection
    return pings


async def theirs_to_ours(seconds: int, *, client_pings: bool) -> int:
    given = options(seconds, pings=client_pings)
    async with (
        our_server(NEVER if client_pings else often(seconds)) as (server, port),
        aio.insecure_channel(f"127.0.0.1:{port}", options=given) as channel,
    ):
        call: Any = channel.stream_stream("/t.S/Echo")()
        await speak(channel, call)
        (connection,) = (each.connection for each in server._endpoints)
        pings = await silence(connection, seconds, ours=not client_pings)
        await speak(channel, call)
        assert [each.connection for each in server._endpoints] == [connection]
    return pings


async def ours_to_theirs(seconds: int, *, client_pings: bool) -> int:
    """Be silent with a client as it is shipped: grpcio takes more pings for an attack."""
    busy = KEEPALIVE if seconds > KEEPALIVE.interval else often(seconds)
    async with (
        their_server(seconds, pings=not client_pings) as port,
        our_client(port, busy if client_pings else NEVER) as channel,
    ):
        call = channel.call("/t.S/Echo")
        await speak(channel, call)
        assert channel._endpoint
        connection = channel._endpoint.connection
        pings = await silence(connection, seconds, ours=client_pings)
        await speak(channel, call)
        assert channel._endpoint.connection is connection
    return pings


async def speak(channel: Any, call: Any) -> None:
    """Speak on the call that is open, and in one of its own."""
    await call.write(b"x")
    assert await call.read() == b"x"
    if isinstance(channel, Channel):
        assert await channel.unary("/t.S/Echo", b"y") == b"y"
    else:
        assert await channel.unary_unary("/t.S/Echo")(b"y") == b"y"


async def silence(connection: Http2Connection, seconds: int, *, ours: bool) -> int:
    """Be silent; return how many pings of ours were answered, or how many the peer sent."""
    answered: list[None] = []
    connection.on_pong = lambda: answered.append(None)
    before = connection.idle_frames_left
    await asyncio.sleep(seconds)
    return len(answered) if ours else before - connection.idle_frames_left


LONG = [pytest.mark.soak, pytest.mark.timeout(MINUTES + 100)]


@pytest.mark.parametrize("seconds", [SHORT, pytest.param(MINUTES, marks=LONG)])
async def test_a_connection_that_was_idle_still_carries_its_calls(seconds: int) -> None:
    async with asyncio.timeout(seconds + LIMIT):
        ours, ours_back, theirs, theirs_back, shipped, shipped_back = await asyncio.gather(
            *(
                pair(seconds, client_pings=client)
                for pair in (ours_to_ours, theirs_to_ours, ours_to_theirs)
                for client in (True, False)
            )
        )
    assert min(ours, ours_back, theirs_back, shipped_back) >= 5
    # A client of grpcio does not ping every tenth of a second, and ours not more than it must.
    assert theirs >= (5 if seconds == MINUTES else 1)
    assert shipped >= 1
