"""gRPC over our own ends and over grpcio's, in every combination, on real sockets."""

# ruff: noqa: ARG002 - the methods of a service have the parameters that they have

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc import aio

from omnia_rpc.client import Channel
from omnia_rpc.endpoint import Keepalive
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.server import Server, ServerCall
from tests.services import free_port

MIB = 1024 * 1024
BIG = 16 * MIB
LIMIT = 100.0
SIZES = (
    ("grpc.max_receive_message_length", 100 * MIB),
    ("grpc.max_send_message_length", 100 * MIB),
)


class Ours:
    """The methods, served by our own end; what is seen of calls is noted."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []
        self.cancelled = asyncio.Event()
        self.running = asyncio.Event()
        self.said = 0

    @property
    def handlers(self) -> dict[str, Callable[[ServerCall], Awaitable[None]]]:
        return {
            "/t.S/Echo": self.echo,
            "/t.S/Fail": self.fail,
            "/t.S/Crash": self.crash,
            "/t.S/Wait": self.wait,
            "/t.S/Flood": self.flood,
        }

    async def echo(self, call: ServerCall) -> None:
        self.metadata.append(call.metadata)
        while (message := await call.read()) is not None:
            await call.write(message)

    async def fail(self, call: ServerCall) -> None:
        await call.read()
        raise RpcFailed(StatusCode.NOT_FOUND, "100 % nicht da: ☃\n")

    async def crash(self, call: ServerCall) -> None:
        await call.read()
        raise ValueError("a secret detail")

    async def wait(self, call: ServerCall) -> None:
        self.running.set()
        try:
            await call.read()
            await asyncio.Event().wait()
        except (asyncio.CancelledError, RpcFailed):
            self.cancelled.set()
            raise

    async def flood(self, call: ServerCall) -> None:
        count = int(await call.read() or b"0")
        for number in range(count):
            await call.write(number.to_bytes(4, "big") * 256)
            self.said = number + 1


class Theirs(grpc.GenericRpcHandler):
    """The same methods, served by grpcio."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        name = handler_call_details.method.rpartition("/")[2].lower()
        method = getattr(self, name, None)
        return grpc.stream_stream_rpc_method_handler(method) if method else None

    async def echo(self, messages: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message

    async def fail(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        await context.abort(grpc.StatusCode.NOT_FOUND, "100 % nicht da: ☃\n")
        yield b""

    async def crash(self, messages: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        raise ValueError("a secret detail")
        yield b""

    async def wait(self, messages: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


@contextlib.asynccontextmanager
async def our_server(
    ours: Ours | None = None, limits: PeerLimits | None = None, port: int = 0
) -> AsyncIterator[int]:
    server = Server((ours or Ours()).handlers, max_message_bytes=BIG, limits=limits)
    bound = await server.start("127.0.0.1", port)
    try:
        yield bound
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def their_server(port: int = 0) -> AsyncIterator[int]:
    server = aio.server(options=SIZES)
    server.add_generic_rpc_handlers((Theirs(),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(0)


SERVERS = pytest.mark.parametrize("serving", [our_server, their_server], ids=["ours", "grpcio"])


@contextlib.asynccontextmanager
async def channel(port: int, **options: Any) -> AsyncIterator[Channel]:
    made = Channel("127.0.0.1", port, max_message_bytes=BIG, user_agent="tests", **options)
    try:
        async with asyncio.timeout(LIMIT):
            yield made
    finally:
        await made.close()


def dialled(port: int) -> Any:
    """Return a channel of grpcio, whose messages have any type."""
    return aio.insecure_channel(f"127.0.0.1:{port}", options=SIZES)


@SERVERS
@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 70_000, 10 * MIB])
async def test_a_message_of_any_size_comes_back(serving: Any, size: int) -> None:
    message = os.urandom(size)
    async with serving() as port, channel(port) as ours:
        assert await ours.unary("/t.S/Echo", message) == message


@SERVERS
async def test_messages_keep_their_order_in_both_directions(serving: Any) -> None:
    async with serving() as port, channel(port) as ours:
        call = ours.call("/t.S/Echo")

        async def say() -> None:
            for number in range(2000):
                await call.write(b"%d" % number)
            call.end()

        saying = asyncio.create_task(say())
        heard = []
        while (message := await call.read()) is not None:
            heard.append(int(message))
        await saying
        assert heard == list(range(2000))


@SERVERS
@pytest.mark.parametrize(
    ("method", "code", "details"),
    [
        ("Fail", StatusCode.NOT_FOUND, "100 % nicht da: ☃\n"),
        ("Nothing", StatusCode.UNIMPLEMENTED, ""),
        ("Crash", StatusCode.UNKNOWN, ""),
    ],
)
async def test_a_call_that_fails_says_why(
    serving: Any, method: str, code: StatusCode, details: str
) -> None:
    async with serving() as port, channel(port) as ours:
        with pytest.raises(RpcFailed) as failed:
            await ours.unary(f"/t.S/{method}", b"x")
    assert failed.value.code is code
    assert details in failed.value.details


async def test_what_crashes_a_handler_stays_in_the_servers_log() -> None:
    async with our_server() as port, channel(port) as ours:
        with pytest.raises(RpcFailed) as failed:
            await ours.unary("/t.S/Crash", b"x")
        assert "secret" not in failed.value.details


@SERVERS
async def test_a_deadline_ends_a_call(serving: Any) -> None:
    async with serving() as port, channel(port) as ours:
        with pytest.raises(RpcFailed) as failed:
            await ours.unary("/t.S/Wait", b"x", timeout=0.05)
    assert failed.value.code is StatusCode.DEADLINE_EXCEEDED


async def test_the_deadline_of_a_client_ends_the_servers_work() -> None:
    ours = Ours()
    async with our_server(ours) as port, dialled(port) as theirs:
        with pytest.raises(grpc.RpcError) as failed:
            await theirs.unary_unary("/t.S/Wait")(b"x", timeout=0.05)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(LIMIT):
            await ours.cancelled.wait()


async def test_a_call_that_is_cancelled_ends_the_servers_work() -> None:
    served = Ours()
    async with our_server(served) as port, channel(port) as ours:
        call = ours.call("/t.S/Wait")
        await call.write(b"x")
        await served.running.wait()
        call.cancel()
        await served.cancelled.wait()
        with pytest.raises(RpcFailed) as failed:
            await call.read()
        assert failed.value.code is StatusCode.CANCELLED
        assert await ours.unary("/t.S/Echo", b"still there") == b"still there"


async def test_metadata_arrives_as_it_was_sent() -> None:
    served = Ours()
    given = (("x-text", "a b~"), ("x-bin", b"\x00\xff\x01"), ("x-twice", "1"), ("x-twice", "2"))
    expected = {"x-text": "a b~", "x-bin": b"\x00\xff\x01", "x-twice": "1, 2"}
    async with our_server(served) as port, channel(port) as ours:
        await ours.unary("/t.S/Echo", b"x", given)
        async with dialled(port) as theirs:
            await theirs.unary_unary("/t.S/Echo")(b"x", metadata=given)
        assert served.metadata == [expected, expected]
        with pytest.raises(ValueError, match="printable"):
            ours.call("/t.S/Echo", [("x", "snow ☃")])


async def test_a_client_of_grpcio_is_served_as_by_its_own_server() -> None:
    big = os.urandom(10 * MIB)
    async with (
        our_server() as port,
        dialled(port) as theirs,
    ):
        echo = theirs.unary_unary("/t.S/Echo")
        assert await echo(b"x") == b"x"
        assert await echo(big) == big
        assert await echo(b"z" * 5000, compression=grpc.Compression.Gzip) == b"z" * 5000
        with pytest.raises(grpc.RpcError) as failed:
            await theirs.unary_unary("/t.S/Fail")(b"x")
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND
        assert failed.value.details() == "100 % nicht da: ☃\n"
        stream = theirs.stream_stream("/t.S/Echo")()
        for number in range(100):
            await stream.write(b"%d" % number)
            assert await stream.read() == b"%d" % number
        await stream.done_writing()
        assert await stream.read() is aio.EOF
        assert await stream.code() is grpc.StatusCode.OK


async def test_a_message_beyond_the_limit_is_refused_and_the_connection_stays() -> None:
    async with our_server() as port, channel(port) as ours:
        with pytest.raises(RpcFailed) as failed:
            await ours.unary("/t.S/Echo", b"x" * (BIG + 1))
        assert failed.value.code is StatusCode.RESOURCE_EXHAUSTED
        assert await ours.unary("/t.S/Echo", b"x") == b"x"


async def test_a_few_bytes_that_unpack_to_many_are_refused() -> None:
    async with (
        our_server() as port,
        dialled(port) as theirs,
    ):
        with pytest.raises(grpc.RpcError) as failed:
            await theirs.unary_unary("/t.S/Echo")(
                bytes(BIG + 10), compression=grpc.Compression.Gzip
            )
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@SERVERS
async def test_a_server_that_dies_fails_its_calls_and_is_found_again(serving: Any) -> None:
    port = free_port()
    async with channel(port) as ours:
        async with serving(port=port):
            call = ours.call("/t.S/Echo")
            await call.write(b"x")
            assert await call.read() == b"x"
        with pytest.raises(RpcFailed) as failed:
            await call.read()
        assert failed.value.code in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)
        with pytest.raises(RpcFailed) as failed:
            await ours.unary("/t.S/Echo", b"nobody there")
        assert failed.value.code is StatusCode.UNAVAILABLE
        async with serving(port=port):
            assert await _again(ours) == b"back"


async def _again(ours: Channel) -> bytes:
    """Call until the server is found; the channel's own time limit bounds it."""
    while True:
        with contextlib.suppress(RpcFailed):
            return await ours.unary("/t.S/Echo", b"back")
        await asyncio.sleep(0.02)


async def test_a_drain_lets_calls_end_and_takes_no_new_connection() -> None:
    server = Server(Ours().handlers, max_message_bytes=BIG)
    port = await server.start("127.0.0.1", 0)
    async with channel(port) as ours:
        call = ours.call("/t.S/Echo")
        await call.write(b"before")
        assert await call.read() == b"before"
        stopping = asyncio.create_task(server.stop(LIMIT))
        await asyncio.sleep(0)
        await call.write(b"after")
        assert await call.read() == b"after"
        with pytest.raises(RpcFailed) as failed:
            await _until_refused(ours)
        assert failed.value.code is StatusCode.UNAVAILABLE
        call.end()
        assert await call.read() is None
        await stopping


async def _until_refused(ours: Channel) -> None:
    while True:
        await ours.unary("/t.S/Echo", b"x")


async def test_a_reader_that_stops_stops_the_writer_and_nobody_else() -> None:
    served = Ours()
    async with our_server(served) as port, channel(port) as ours:
        stuck = ours.call("/t.S/Flood")
        await stuck.write(b"20000")
        assert await stuck.read() == bytes(1024)
        for number in range(50):
            assert await ours.unary("/t.S/Echo", b"%d" % number) == b"%d" % number
        assert served.said < 1000
        heard = 1
        while await stuck.read() is not None:
            heard += 1
            if heard == 20000:
                stuck.end()
        assert heard == 20000


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.load)])
async def test_thousands_of_streams_are_open_at_once(count: int) -> None:
    async with our_server() as port, channel(port) as ours:
        calls = [ours.call("/t.S/Echo") for _ in range(count)]
        for number, call in enumerate(calls):
            await call.write(b"%d" % number)
        for number, call in enumerate(calls):
            assert await call.read() == b"%d" % number
        for call in calls:
            call.end()
        for call in calls:
            assert await call.read() is None


@SERVERS
@pytest.mark.parametrize("megabytes", [20, pytest.param(100, marks=pytest.mark.load)])
async def test_many_megabytes_pass_in_both_directions(serving: Any, megabytes: int) -> None:
    piece = os.urandom(MIB)
    async with serving() as port, channel(port) as ours:
        call = ours.call("/t.S/Echo")

        async def say() -> None:
            for _ in range(megabytes):
                await call.write(piece)
            call.end()

        saying = asyncio.create_task(say())
        heard = 0
        while (message := await call.read()) is not None:
            assert message == piece
            heard += 1
        await saying
        assert heard == megabytes


async def test_a_peer_that_is_silent_is_pinged_and_then_cut_off() -> None:
    silent = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.close()
        silent.set()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with (
        server,
        channel(server.sockets[0].getsockname()[1], keepalive=Keepalive(0.05, 0.05)) as ours,
    ):
        with pytest.raises(RpcFailed) as failed:
            await ours.unary("/t.S/Echo", b"x")
        assert failed.value.code is StatusCode.UNAVAILABLE
        await silent.wait()
