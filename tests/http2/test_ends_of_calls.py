"""What is left when calls end in unusual ways: nothing that waits, nothing that is held."""

import asyncio
import contextlib
import gc

import pytest

from omnia_rpc.client import Channel, ClientCall
from omnia_rpc.headers import RpcFailed, StatusCode, failure_from_trailers, status_trailers
from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Http2Connection, PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import encode
from omnia_rpc.messages import with_prefix
from omnia_rpc.server import Server, ServerCall
from tests.http2.ends import REQUEST, TRAILERS, End, data, greeted, headers, kinds, pair, talk
from tests.http2.test_calls import LIMIT, Ours, channel, our_server

SHRUNK = frames.settings({int(Setting.INITIAL_WINDOW_SIZE): 40_000})


def test_a_window_that_shrinks_below_zero_while_data_waits_its_turn_counts_right() -> None:
    client, server = pair()
    stream, _ = client.call()
    stream.send(b"x" * 50_000)
    talk(client, server)
    stream.send(b"y" * 10)
    client.receiver.receive(SHRUNK)
    client.take()
    assert (stream.send_window, stream.buffered) == (-10_000, 10)


def test_an_end_needs_no_window() -> None:
    client, server = pair()
    stream, _ = client.call()
    stream.send(b"x" * 50_000)
    talk(client, server)
    client.receiver.receive(SHRUNK)
    stream.end(TRAILERS)
    assert (frames.HEADERS, stream.id) in kinds(client.take())


def test_streams_that_were_answered_may_be_reset_for_ever() -> None:
    limits = PeerLimits(idle_frames=50)
    server = greeted(limits)
    for number in range(1, 400, 2):
        server.receiver.receive(headers(number))
        stream = server.calls[-1].stream
        assert stream is not None
        stream.send_headers(REQUEST)
        stream.send(b"hello")
        server.take()
        server.receiver.receive(frames.rst_stream(number, Http2ErrorCode.CANCEL))
    assert server.connection.failed is None


def test_fields_under_way_on_streams_that_were_all_reset_end_nothing() -> None:
    limits = PeerLimits(replies=5)
    client = End(server=False, limits=limits)
    client.receiver.receive(frames.settings({}))
    streams = [client.call()[0] for _ in range(20)]
    for stream in streams:
        stream.reset(Http2ErrorCode.CANCEL)
    client.receiver.receive(headers(1, block=TRAILERS, end=True))
    assert client.connection.failed is None


def test_a_client_that_does_not_read_its_refusals_is_cut_off() -> None:
    server = greeted(PeerLimits(replies=50))
    server.connection.accept = lambda _, __: None
    for number in range(1, 400, 2):
        server.receiver.receive(headers(number))
    assert server.connection.failed is not None
    assert not server.connection.streams


def test_fields_are_not_sent_after_the_end_is_decided() -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    stream = server.calls[0].stream
    assert stream is not None
    stream.end(TRAILERS)
    stream.send_headers(REQUEST)
    assert kinds(server.take()) == [(frames.HEADERS, 1), (frames.RST_STREAM, 1)]


def test_details_that_are_long_and_not_ascii_stay_below_what_grpcio_takes() -> None:
    fields = status_trailers(RpcFailed(StatusCode.INTERNAL, "雪" * 5000))
    assert sum(len(name) + len(value) for name, value in fields) < 4096
    failed = failure_from_trailers(fields)
    assert failed is not None
    assert set(failed.details) == {"雪"}


async def test_all_writers_that_wait_are_woken() -> None:
    client, server = pair()
    forgotten: list[ClientCall] = []
    call = ClientCall(forgotten.append, REQUEST, 1000, None)
    call._stream, _ = client.call()
    call._stream.listener = call
    writers = [asyncio.create_task(call.write(b"x" * 100_000)) for _ in range(3)]
    await asyncio.sleep(0)
    writers.pop().cancel()
    await asyncio.sleep(0)
    for _ in range(50):
        talk(client, server)
        read = server.calls[0].stream
        assert read is not None
        read.consumed(50_000)
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*writers)


async def test_data_after_a_message_that_is_too_large_cancels_nothing_again() -> None:
    cancelled = asyncio.Event()
    counts = []

    async def handle(call: ServerCall) -> None:
        try:
            await call.read()
        except (RpcFailed, asyncio.CancelledError):
            task = asyncio.current_task()
            assert task is not None
            counts.append(task.cancelling())
            cancelled.set()
            raise

    server = Server({"/s/M": handle}, max_message_bytes=10)
    end = End(server=True)
    end.connection.accept = server.accept
    block = encode(
        (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/s/M"),
            ("content-type", "application/grpc"),
        )
    )
    end.receiver.receive(frames.PREFACE + frames.settings({}) + headers(1, block=block))
    await asyncio.sleep(0)
    end.receiver.receive(data(1, with_prefix(b"\xff" * 100)) + data(1, b"\xff" * 100))
    await asyncio.wait_for(cancelled.wait(), LIMIT)
    assert counts == [1]


async def test_no_timer_holds_a_call_that_was_reset_before_it_began() -> None:
    server = Server(Ours().handlers, max_message_bytes=10)
    end = End(server=True)
    end.connection.accept = server.accept
    block = encode(
        (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/t.S/Wait"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "99999999H"),
        )
    )
    end.receiver.receive(frames.PREFACE + frames.settings({}) + headers(1, block=block))
    call = end.connection.streams[1].listener
    assert isinstance(call, ServerCall)
    assert len({call._timer, call._task} - {None}) == 2
    end.receiver.receive(frames.rst_stream(1, Http2ErrorCode.CANCEL))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert {call._timer, call._task} == {None}


async def test_calls_that_wait_fail_or_move_on_when_the_connection_is_lost() -> None:
    """The server allows no stream at all, then goes away."""
    said = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readexactly(len(frames.PREFACE))
            writer.write(frames.settings({int(Setting.MAX_CONCURRENT_STREAMS): 0}))
            await said.wait()
        writer.transport.abort()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with channel(port) as ours:
        first = ours.call("/t.S/Echo")
        connection = await _allowed_none(ours)
        first.cancel()
        call = ours.call("/t.S/Echo")
        late = ours.call("/t.S/Echo", timeout=0.01)
        with pytest.raises(RpcFailed):
            await late.read()
        assert len(ours._waiting) == 1
        server.close()
        said.set()
        async with our_server(port=port):
            await call.write(b"x")
            assert await call.read() == b"x"
        assert connection.failed


async def _allowed_none(ours: Channel) -> Http2Connection:
    while not (ours._endpoint and ours._endpoint.connection.peer_max_streams == 0):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    return ours._endpoint.connection


async def test_a_connection_whose_ids_are_used_up_is_replaced_and_closed() -> None:
    async with our_server() as port, channel(port) as ours:
        assert await ours.unary("/t.S/Echo", b"x") == b"x"
        assert ours._endpoint
        old = ours._endpoint
        old.connection.next_id = 2**31 - 1
        call = ours.call("/t.S/Echo")
        await call.write(b"last")
        assert await call.read() == b"last"
        assert await ours.unary("/t.S/Echo", b"x") == b"x"
        call.end()
        assert await call.read() is None
        while old.usable:  # noqa: ASYNC110 - bounded by the channel's time
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("host", "port"), [("a..b", 1), ("127.0.0.1", 70_000)])
async def test_an_address_that_is_none_fails_the_call(host: str, port: int) -> None:
    ours = Channel(host, port, max_message_bytes=10, user_agent="tests")
    with pytest.raises(RpcFailed, match="cannot be reached") as failed:
        await ours.unary("/t.S/Echo", b"x", timeout=LIMIT)
    assert failed.value.code is StatusCode.UNAVAILABLE
    await ours.close()


async def test_a_call_that_was_cancelled_is_freed_without_the_collector() -> None:
    async with our_server() as port, channel(port) as ours:
        call = ours.call("/t.S/Wait")
        await call.write(b"x")
        call.cancel()
        with pytest.raises(RpcFailed):
            await call.read()
        gc.collect()
        gc.disable()
        try:
            del call
            assert not any(isinstance(each, ClientCall) for each in gc.get_objects())
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("host", "authority"), [("::1", b"\x08[::1]:50"), ("localhost", b"\x0clocalhost:50")]
)
def test_the_authority_of_an_ipv6_address_has_brackets(host: str, authority: bytes) -> None:
    ours = Channel(host, 50, max_message_bytes=10, user_agent="tests")
    assert authority in ours._request_block("/t.S/Echo")
