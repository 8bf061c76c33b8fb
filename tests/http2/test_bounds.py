"""What a peer can make us spend, by each kind of frame and by not reading what we say."""

import time

import pytest

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import MAX_LIST_BYTES, encode
from omnia_rpc.http2.stream import HIGH_WATER
from tests.http2.ends import (
    REQUEST,
    RESPONSE,
    TRAILERS,
    End,
    data,
    greeted,
    headers,
    kinds,
    pair,
    talk,
)

MANY = 10_000
MIB = 1024 * 1024


def window_setting(size: int) -> bytes:
    return frames.settings({int(Setting.INITIAL_WINDOW_SIZE): size})


def crowd(count: int, limits: PeerLimits | None = None) -> End:
    """Return a server with so many calls, all of them answered with fields."""
    server = greeted(limits)
    server.receiver.receive(b"".join(headers(2 * number + 1) for number in range(count)))
    for call in server.calls:
        assert call.stream
        call.stream.send_headers(RESPONSE)
    server.take()
    return server


def failure(end: End) -> Http2ErrorCode | None:
    return end.connection.failed.code if end.connection.failed else None


def test_settings_that_touch_every_stream_end_the_connection_though_data_comes_between() -> None:
    server = crowd(MANY)
    began, count = time.process_time(), 0
    while failure(server) is None and count < 2000:
        server.receiver.receive(window_setting(1000 + count % 2) + data(1, b"x"))
        server.take()
        count += 1
    assert failure(server) is Http2ErrorCode.ENHANCE_YOUR_CALM
    assert count <= PeerLimits().stream_visits // MANY + 1
    assert time.process_time() - began < 5


def test_one_frame_with_many_window_sizes_ends_the_connection() -> None:
    server = crowd(MANY)
    pieces = [window_setting(1000 + number % 2)[9:] for number in range(2700)]
    server.receiver.receive(frames.frame(frames.SETTINGS, 0, 0, b"".join(pieces)))
    assert failure(server) is Http2ErrorCode.ENHANCE_YOUR_CALM


def test_a_window_size_that_changes_nothing_costs_nothing() -> None:
    server = crowd(10, PeerLimits(stream_visits=0))
    server.receiver.receive(window_setting(frames.DEFAULT_WINDOW))
    assert failure(server) is None


def test_windows_may_change_for_ever_where_data_flows() -> None:
    """As clients do that measure the way: they enlarge their windows while they are answered."""
    client, server = pair(PeerLimits(stream_visits=1000))
    stream, _ = client.call()
    others = [client.call() for _ in range(99)]
    talk(client, server)
    call = server.calls[0].stream
    assert call
    for number in range(200):
        call.send(b"x" * 16_000)
        talk(client, server)
        server.receiver.receive(window_setting(65_000 + number % 2))
        stream.consumed(16_000)
    assert len(others) == 99
    assert failure(server) is None


def test_a_server_that_says_goodbye_again_and_again_is_left() -> None:
    client, _ = pair()
    for _ in range(MANY):
        client.call()
    client.take()
    for last in range(2 * MANY, 0, -2):
        client.receiver.receive(frames.goaway(last, Http2ErrorCode.NO_ERROR, ""))
        client.receiver.receive(data(1, b""))
        if client.connection.failed:
            break
    assert failure(client) is Http2ErrorCode.ENHANCE_YOUR_CALM
    assert last > 2 * MANY - 2 * 120


def test_a_server_that_announces_its_answer_again_and_again_is_left() -> None:
    client, server = pair()
    client.call()
    talk(client, server)
    early = frames.frame(frames.HEADERS, frames.END_HEADERS, 1, encode(((":status", "103"),)))
    sent = 0
    while failure(client) is None and sent < 3 * MANY:
        client.receiver.receive(early)
        sent += 1
    assert failure(client) is Http2ErrorCode.ENHANCE_YOUR_CALM
    assert sent > MANY // 2


@pytest.mark.parametrize(("more", "accepted"), [(0, True), (1, False)])
def test_header_fields_may_have_so_many_bytes_and_no_more(more: int, *, accepted: bool) -> None:
    server = greeted()
    given = (":method", "POST", ":scheme", "http", ":path", "/s/M", "content-type", "x")
    # RFC 9113 6.5.2: 32 bytes for each field.
    taken = len("".join(given)) + 32 * len(given) // 2
    value = "x" * (MAX_LIST_BYTES - taken - 32 - len("a") + more)
    block = REQUEST + encode((("a", value),))
    pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    for at, piece in enumerate(pieces):
        kind = frames.CONTINUATION if at else frames.HEADERS
        flags = frames.END_HEADERS if at == len(pieces) - 1 else 0
        server.receiver.receive(frames.frame(kind, flags, 1, piece))
    assert failure(server) is None
    assert bool(server.calls) is accepted


def blocked(count: int) -> End:
    """Return a server with an answer waiting on each stream for the connection's window."""
    server = crowd(count)
    server.connection.sender.window = 0
    for call in server.calls:
        assert call.stream
        call.stream.send(b"x" * 100)
    return server


def test_streams_that_wait_for_the_connections_window_are_not_looked_at_again_and_again() -> None:
    server = blocked(MANY)
    began = time.process_time()
    for _ in range(500):
        server.receiver.receive(frames.frame(frames.PING, 0, 0, b"12345678"))
        assert server.connection.sender.wants_to_write
        server.take()
        assert not server.connection.sender.wants_to_write
    assert time.process_time() - began < 0.5
    server.receiver.receive(frames.window_update(0, 2_000_000))
    sent = [stream for kind, stream in kinds(server.take()) if kind == frames.DATA]
    assert sent == [2 * number + 1 for number in range(MANY)]


def test_ends_pass_what_waits_for_a_window() -> None:
    server = blocked(3)
    server.receiver.receive(headers(7))
    last = server.calls[-1].stream
    assert last
    last.end(TRAILERS)
    assert (frames.HEADERS, 7) in kinds(server.take())


def test_what_waited_on_streams_that_the_peer_has_reset_is_forgotten() -> None:
    server = crowd(1)
    server.connection.sender.window = 0
    for number in range(3, 10_003, 2):
        server.receiver.receive(headers(number))
        stream = server.calls.pop().stream
        assert stream
        stream.send_headers(RESPONSE)
        stream.send(b"x" * 10_000)
        server.take()
        server.receiver.receive(frames.rst_stream(number, Http2ErrorCode.CANCEL))
    assert failure(server) is None
    assert server.connection.sender.buffered == 0
    assert len(server.connection.sender._data_queue) < 200


def test_answers_that_the_peer_never_reads_do_not_count_as_answers() -> None:
    server = greeted(PeerLimits(idle_frames=500, replies=500))
    for number in range(1, 20_001, 2):
        server.receiver.receive(headers(number))
        stream = server.calls.pop().stream if server.calls else None
        if stream:
            stream.send_headers(RESPONSE)
        server.receiver.receive(frames.rst_stream(number, Http2ErrorCode.CANCEL))
    assert failure(server) is Http2ErrorCode.ENHANCE_YOUR_CALM
    assert len(server.take()) < 100_000


@pytest.mark.parametrize("size", [500, 20_000])
def test_what_waits_for_a_peer_that_opens_no_window_is_bounded_for_the_connection(
    size: int,
) -> None:
    server = crowd(500, PeerLimits(unsent=MIB))
    server.receiver.receive(window_setting(0))
    server.take()
    for call in server.calls:
        assert call.stream
        while not call.stream.full:
            call.stream.send(b"x" * size)
    held = sum(call.stream.buffered for call in server.calls if call.stream)
    # One message each may be more than the others may have.
    assert held <= MIB + HIGH_WATER + 500 * (2048 + size)
    assert not server.take()
    server.receiver.receive(window_setting(100_000) + frames.window_update(0, 2**30))
    server.take()
    assert server.connection.sender.buffered == 0
    assert all(call.woken == 1 for call in server.calls)
    assert not any(call.stream.full for call in server.calls if call.stream)


def test_an_empty_message_is_not_sent_and_takes_one_turn_only() -> None:
    client, server = pair()
    stream, _ = client.call()
    talk(client, server)
    stream.send(b"")
    assert client.connection.data_to_send() == b""
    assert not client.connection.sender.wants_to_write
    stream.send(b"x")
    stream.end()
    talk(client, server)
    assert (bytes(server.calls[0].body), server.calls[0].over) == (b"x", True)
