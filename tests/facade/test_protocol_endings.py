"""What docs/reference/websocket.md promises of clients that misbehave or vanish."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from omnia_core.names import Handler
from omnia_facade.timings import Timings
from tests.facade.conftest import Running, connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.loopback_proxy import Proxy
from tests.raw_websocket import Opcode, RawSocket, frame, message, opened, upgrade

HASTY = Timings(head=0.3, ping=0.2, pong=0.5, close=0.3, sweep=0.05)


@pytest.fixture
async def hasty() -> AsyncIterator[Running]:
    async with running(handler_mode=Handler.ECHO, timings=HASTY) as facade:
        yield facade


@pytest.mark.covers("websocket.md#slow-head-is-cut")
async def test_a_head_that_dribbles_is_cut_and_nobody_else_notices(hasty: Running) -> None:
    async with connected(hasty.ws) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
        began = asyncio.get_running_loop().time()
        dribbling = asyncio.create_task(_dribble(writer, upgrade()))
        await RawSocket(reader, writer).ended()
        dribbling.cancel()
        await asyncio.wait({dribbling})
        writer.transport.abort()
        assert asyncio.get_running_loop().time() - began < LIMIT / 2
        await client.say("hello")
        assert (await client.receive())["content"] == "Echo: hello"


async def _dribble(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a byte at a time, so slowly that the whole would take half a minute."""
    for byte in data:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.15)


@pytest.mark.covers("websocket.md#ping", "websocket.md#silent-client-is-cut")
async def test_a_client_that_vanishes_is_pinged_then_cut_with_its_turn(
    runtime: ScriptedRuntime,
) -> None:
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", timings=HASTY) as facade,
        connected(facade.ws) as client,
        opened(facade.port) as silent,
    ):
        await silent.send(message("message", content="slow"))
        opcodes = [(await silent.receive())[0] for _ in range(4)]
        assert opcodes == [Opcode.TEXT, Opcode.TEXT, Opcode.TEXT, Opcode.PING]
        await silent.ended()
        async with asyncio.timeout(LIMIT):
            await runtime.stream_over.wait()
        await client.say("hello")
        assert (await client.answer())[-1]["content"] == "you said hello"


@pytest.mark.covers("websocket.md#silent-client-is-cut")
async def test_a_client_whose_network_is_gone_is_cut_though_nobody_said_so(
    runtime: ScriptedRuntime,
) -> None:
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", timings=HASTY) as facade,
    ):
        proxy = Proxy(facade.port)
        async with proxy.serving() as way, connected(f"ws://127.0.0.1:{way}/ws") as client:
            await client.say("slow")
            await client.until("chunk")
            proxy.silent = proxy.deaf = True
            async with asyncio.timeout(LIMIT):
                await runtime.stream_over.wait()
            await _until_nobody_is_connected(facade)
            proxy.silent = proxy.deaf = False


@pytest.mark.covers("websocket.md#half-closed-is-cut")
@pytest.mark.parametrize("by_client", [True, False])
async def test_who_does_not_finish_closing_is_cut(hasty: Running, by_client: bool) -> None:
    async with opened(hasty.port) as socket:
        if by_client:
            await socket.send(frame(b"\x03\xe8", Opcode.CLOSE))
        else:
            hasty.stop.set()
        await socket.receive()
        assert await socket.receive() == (
            Opcode.CLOSE,
            b"\x03\xe8" if by_client else b"\x03\xe9server shutdown",
        )
        await socket.ended()
        if by_client:
            await _until_nobody_is_connected(hasty)


async def _until_nobody_is_connected(facade: Running) -> None:
    async with asyncio.timeout(LIMIT):
        while True:
            if await _connections(facade) == 0:
                return
            await asyncio.sleep(0.02)


async def _connections(facade: Running) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(facade.health.split(":")[-1]))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    (line,) = [each for each in text.splitlines() if each.startswith("omnia_agent_connections_act")]
    return int(float(line.split()[-1]))


@pytest.mark.covers("websocket.md#refused-bad-request")
@pytest.mark.parametrize(
    "sent",
    [
        upgrade("/ws", "Sp ace: 1"),
        upgrade("/ws", "X: \x01"),
        upgrade("/ws", "Content-Length: 3"),
        upgrade("/ws", "Transfer-Encoding: chunked"),
        upgrade("/ws").replace(b"HTTP/1.1", b"HTTP/1.7"),
        upgrade("/ws").replace(b"Key: ", b"Key: short"),
    ],
)
async def test_an_upgrade_that_breaks_its_rules_is_told_so(hasty: Running, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(sent)
    async with asyncio.timeout(LIMIT):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.transport.abort()


BROKEN = {
    "no mask": frame(b"{}", mask=None),
    "a reserved bit": frame(b"{}", reserved=4),
    "an unknown opcode": frame(b"{}", 3),
    "an unknown control opcode": frame(b"", 11),
    "a continuation of nothing": frame(b"{}", Opcode.CONT),
    "a message in a message": frame(b"{", fin=False) + frame(b"}"),
    "a ping in fragments": frame(b"", Opcode.PING, fin=False),
    "a ping that is too long": frame(bytes(126), Opcode.PING),
    "a close with half a code": frame(b"\x03", Opcode.CLOSE),
    "a close with a code of nobody": frame(b"\x00\x01", Opcode.CLOSE),
}


@pytest.mark.covers("websocket.md#close-protocol-error")
@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())
async def test_a_frame_that_breaks_the_protocol_closes_with_1002(
    hasty: Running, sent: bytes
) -> None:
    async with opened(hasty.port) as socket:
        await socket.receive()
        await socket.send(sent)
        opcode, payload = await socket.receive()
        assert (opcode, payload[:2]) == (Opcode.CLOSE, b"\x03\xea")
        await socket.ended()
