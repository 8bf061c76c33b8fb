"""HTTP/2 between two ends of our own: order, windows, fairness, ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.frames import Setting
from omnia_rpc.messages import PREFIX_BYTES, MessageBuffer, with_prefix
from tests.http2.ends import REQUEST, RESPONSE, TRAILERS, End, data, headers, kinds, pair, talk


def test_a_request_and_its_answer_arrive_whole_and_leave_nothing() -> None:
    client, server = pair()
    stream, heard = client.call()
    stream.send(b"ask")
    stream.end()
    talk(client, server)
    call = server.calls[0]
    assert (bytes(call.body), call.over) == (b"ask", True)
    assert call.stream is not None
    call.stream.send_headers(RESPONSE)
    call.stream.send(b"answer")
    call.stream.end(TRAILERS)
    talk(client, server)
    assert bytes(heard.body) == b"answer"
    assert [dict(fields) for fields in heard.fields] == [{":status": "200"}, {"grpc-status": "0"}]
    assert heard.over
    assert not client.connection.streams
    assert not server.connection.streams


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=60))
def test_bytes_may_come_in_any_pieces(sizes: list[int]) -> None:
    client, server = pair()
    stream, _ = client.call()
    stream.send(bytes(range(256)) * 150)
    stream.end()
    said, position = client.take(), 0
    for size in sizes * 200:
        server.receiver.receive(said[position : position + size])
        position += size
        if position >= len(said):
            break
    server.receiver.receive(said[position:])
    assert server.calls[0].body == bytes(range(256)) * 150
    assert server.calls[0].over


def test_nothing_is_sent_beyond_what_the_reader_has_read() -> None:
    client, server = pair(PeerLimits(stream_window=100_000))
    stream, _ = client.call()
    stream.send(b"x" * 300_000)
    stream.end()
    talk(client, server)
    call = server.calls[0]
    assert len(call.body) == 100_000
    assert stream.full
    assert call.stream is not None
    call.stream.consumed(60_000)
    talk(client, server)
    assert len(call.body) == 160_000
    while not call.over:
        call.stream.consumed(50_000)
        talk(client, server)
    assert len(call.body) == 300_000


def test_a_writer_is_told_when_there_is_room_again() -> None:
    client, server = pair(PeerLimits(stream_window=100_000))
    stream, heard = client.call()
    stream.send(b"x" * 200_000)
    talk(client, server)
    assert stream.full
    assert heard.woken == 0
    call = server.calls[0]
    assert call.stream is not None
    call.stream.consumed(100_000)
    talk(client, server)
    assert heard.woken == 1
    assert not stream.full


def test_a_large_stream_does_not_make_a_small_one_wait() -> None:
    client, _ = pair()
    large, _ = client.call()
    small, _ = client.call()
    large.send(b"x" * 200_000)
    small.send(b"y")
    order = [stream for kind, stream in kinds(client.take()) if kind == frames.DATA]
    assert order.index(small.id) <= 1
    assert order.count(large.id) == 4


def test_one_stuck_stream_leaves_the_others_their_windows() -> None:
    client, server = pair(PeerLimits(stream_window=65_536))
    stuck, _ = client.call()
    stuck.send(b"x" * 10_000_000)
    talk(client, server)
    for _ in range(20):
        stream, _ = client.call()
        stream.send(b"y" * 60_000)
        stream.end()
        talk(client, server)
        assert server.calls[-1].over


def test_a_window_that_the_peer_shrinks_below_what_was_sent_holds_until_it_is_positive() -> None:
    client, server = pair()
    stream, _ = client.call()
    stream.send(b"x" * 50_000)
    talk(client, server)
    client.receiver.receive(frames.settings({int(Setting.INITIAL_WINDOW_SIZE): 40_000}))
    stream.send(b"y" * 10)
    client.take()
    assert stream.buffered == 10
    client.receiver.receive(frames.window_update(stream.id, 10_001))
    client.take()
    assert stream.buffered == 9


def test_a_reset_of_either_side_ends_the_stream_at_both() -> None:
    client, server = pair()
    stream, _ = client.call()
    stream.send(b"x" * 1_000_000)
    talk(client, server)
    stream.reset(Http2ErrorCode.CANCEL)
    talk(client, server)
    assert server.calls[0].was_reset is Http2ErrorCode.CANCEL
    assert not server.connection.streams
    assert not client.connection.streams


def test_data_that_was_under_way_when_a_stream_was_reset_is_counted_and_ignored() -> None:
    client, server = pair(PeerLimits(connection_window=200_000))
    for _ in range(20):
        stream, _ = client.call()
        client.take()
        server.receiver.receive(headers(stream.id))
        opened = server.calls[-1].stream
        assert opened is not None
        opened.reset(Http2ErrorCode.CANCEL)
        said = data(stream.id, b"x" * 16_000)
        client.connection.sender.window -= 16_000
        server.receiver.receive(said)
        talk(client, server)
    assert server.connection.failed is None
    assert client.connection.sender.window > 100_000


def test_an_end_that_is_announced_lets_calls_finish() -> None:
    client, server = pair()
    stream, heard = client.call()
    talk(client, server)
    server.connection.announce_shutdown()
    talk(client, server)
    assert not client.connection.can_open_stream
    assert heard.was_reset is None
    call = server.calls[0].stream
    assert call is not None
    call.send_headers(RESPONSE)
    call.end(TRAILERS)
    stream.end()
    talk(client, server)
    assert heard.over


def test_the_end_of_a_connection_ends_every_stream_once() -> None:
    client, server = pair()
    heard = [client.call()[1] for _ in range(3)]
    talk(client, server)
    server.connection.close(Http2ErrorCode.INTERNAL_ERROR, "broken")
    client.receiver.receive(server.take())
    client.connection.close(Http2ErrorCode.REFUSED_STREAM, "the connection was closed")
    assert all(each.was_reset is Http2ErrorCode.REFUSED_STREAM for each in heard)
    assert all(each.was_reset is Http2ErrorCode.INTERNAL_ERROR for each in server.calls)


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_answer_that_is_cut_at_any_frame_is_an_error_and_leaves_nothing(cut: int) -> None:
    client, server = pair()
    stream, heard = client.call()
    stream.send(b"ask")
    stream.end()
    talk(client, server)
    call = server.calls[0].stream
    assert call is not None
    call.send_headers(RESPONSE)
    for _ in range(10):
        call.send(b"x" * 16_384)
    call.end(TRAILERS)
    said, position = server.take(), 0
    for _ in range(cut):
        position += 9 + int.from_bytes(said[position : position + 3], "big")
    client.receiver.receive(said[:position])
    client.connection.close(Http2ErrorCode.REFUSED_STREAM, "the connection was lost")
    assert (heard.over, heard.was_reset) == (False, Http2ErrorCode.REFUSED_STREAM)
    assert not client.connection.streams


def test_streams_beyond_what_the_server_allows_wait_for_their_turn() -> None:
    client, server = pair(PeerLimits(streams=2))
    client.call()
    client.call()
    assert not client.connection.can_open_stream
    talk(client, server)
    assert len(server.calls) == 2
    third = client.connection.next_id
    server.receiver.receive(headers(third))
    assert (frames.RST_STREAM, third) in kinds(server.take())


def test_a_long_header_block_comes_in_several_frames() -> None:
    client, server = pair()
    block = REQUEST + b"\x00\x03key" + b"\x7f\x81\x9c\x01" + b"v" * (127 + 1 + 28 * 128 + 16384)
    client.connection.open_stream(block, End(server=False).accept)  # type: ignore[arg-type]
    said = client.take()
    assert [kind for kind, _ in kinds(said)] == [frames.HEADERS, frames.CONTINUATION]
    server.receiver.receive(said)
    assert len(dict(server.calls[0].fields[0])["key"]) == 127 + 1 + 28 * 128 + 16384


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=40),
    st.lists(st.integers(1, 300), min_size=1, max_size=40),
    st.booleans(),
)
def test_what_is_not_read_takes_its_place_in_the_window(
    sizes: list[int],
    cuts: list[int],
    eager: bool,
) -> None:
    body = b"".join(with_prefix(bytes([number % 256]) * size) for number, size in enumerate(sizes))
    inbox, freed, fed, read = MessageBuffer(1000), 0, 0, []
    cuts = cuts * len(body)
    while fed < len(body):
        piece = body[fed : fed + cuts.pop()]
        fed += len(piece)
        freed += inbox.receive(piece)
        while eager and inbox:
            message, held = inbox.pop()
            freed += held
            read.append(message)
        if not inbox:
            assert freed == fed
    if not eager:
        # All is held but what came of the first message while nothing was whole.
        assert fed - freed >= len(body) - sizes[0] - PREFIX_BYTES
    while inbox:
        message, held = inbox.pop()
        freed += held
        read.append(message)
    assert freed == fed
    assert [len(message) for message in read] == sizes
