"""The limits of a connection, each kept to its last byte and frame."""

import pytest

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import ConnectionFailed, Http2ErrorCode
from omnia_rpc.http2.header_fields import FieldsRefused, HpackDecoder, encode
from omnia_rpc.http2.stream import Http2Stream
from tests.http2.ends import REQUEST, RESPONSE, End, Heard, data, greeted, headers, kinds, pair

CALM = Http2ErrorCode.ENHANCE_YOUR_CALM
KIB = 1024


def code(end: End) -> Http2ErrorCode | None:
    return end.connection.failed.code if end.connection.failed else None


def one_call(limits: PeerLimits | None = None) -> tuple[End, Http2Stream, Heard]:
    server = greeted(limits)
    server.receiver.receive(headers(1))
    heard = server.calls[0]
    assert heard.stream
    heard.stream.send_headers(RESPONSE)
    server.take()
    return server, heard.stream, heard


def test_a_writer_waits_from_64_kib_on_until_16_are_left() -> None:
    server, stream, heard = one_call()
    server.connection.sender.window = 0
    stream.send(b"x" * 64 * KIB)
    assert not stream.full
    stream.send(b"y" * (2 * KIB + 1))
    assert stream.full
    # What goes out in one write is all that the window allows.
    server.connection.sender.window = 50 * KIB
    server.take()
    assert (stream.buffered, stream.full, heard.woken) == (16 * KIB + 1, True, 0)
    server.connection.sender.window = 1
    server.take()
    assert (stream.full, heard.woken) == (False, 1)


def test_a_stream_tells_the_connection_what_it_holds_from_2_kib_on() -> None:
    server, stream, _ = one_call()
    sender = server.connection.sender
    sender.window = 0
    stream.send(b"x" * 2 * KIB)
    assert sender.buffered == 0
    stream.send(b"x")
    assert sender.buffered == 2 * KIB + 1
    stream.send(b"x" * 2 * KIB)
    assert sender.buffered == 2 * KIB + 1
    stream.send(b"x")
    assert sender.buffered == 4 * KIB + 2
    sender.window = 2
    server.take()
    assert sender.buffered == stream.buffered == 4 * KIB
    stream.reset(Http2ErrorCode.CANCEL)
    assert sender.buffered == 0


def test_all_writers_wait_when_the_connection_holds_its_limit() -> None:
    server = greeted(PeerLimits(unsent=10 * KIB))
    server.receiver.receive(headers(1) + headers(3))
    first, second = (call.stream for call in server.calls)
    assert first
    assert second
    server.connection.sender.window = 0
    first.send(b"x" * 10 * KIB)
    assert not first.full
    second.send(b"x" * 2 * KIB)
    assert not second.full
    second.send(b"x")
    assert second.full


@pytest.mark.parametrize(
    ("pieces", "size", "failed"),
    [(64, 4096, False), (65, 1, True), (64, 4097, True)],
    ids=["all", "pieces", "bytes"],
)
def test_a_header_block_has_so_many_pieces_and_bytes(
    pieces: int, size: int, *, failed: bool
) -> None:
    server = greeted()
    head = frames.frame(frames.HEADERS, 0, 1, b"\0" * size)
    more = frames.frame(frames.CONTINUATION, 0, 1, b"\0" * size)
    server.receiver.receive(head + more * (pieces - 1))
    assert code(server) is (CALM if failed else None)


@pytest.mark.parametrize(
    ("size", "error"),
    [
        (65_536 - 33, None),
        (65_536 - 32, FieldsRefused),
        (1_048_576 - 33, FieldsRefused),
        (1_048_576 - 32, ConnectionFailed),
    ],
)
def test_a_list_of_fields_has_so_many_bytes(size: int, error: type[Exception] | None) -> None:
    # A name of one character, and 32 bytes that every field counts.
    block = encode([("a", "v" * size)])
    if error is None:
        assert len(HpackDecoder().decode(block)) == 1
    else:
        with pytest.raises(error, match="at most 65536 are accepted"):
            HpackDecoder().decode(block)


def test_fields_that_are_refused_cost_as_much_as_a_hundred_frames() -> None:
    server = greeted(PeerLimits(idle_frames=201))
    # The settings were a frame, too.
    refused = encode([("a", "v" * 70_000)])
    server.receiver.receive(headers(1, block=refused) + headers(3, block=refused))
    assert code(server) is None
    assert kinds(server.take()) == [(frames.RST_STREAM, 1), (frames.RST_STREAM, 3)]
    server.receiver.receive(frames.frame(frames.PING, 0, 0, bytes(8)))
    assert code(server) is CALM


def test_so_many_blocks_of_such_a_size_are_remembered() -> None:
    decoder = HpackDecoder()
    largest = encode([("a", "v" * (1024 - 6))])
    assert len(largest) == 1024
    assert decoder.decode(largest) is decoder.decode(largest)
    larger = encode([("a", "v" * (1024 - 5))])
    assert decoder.decode(larger) is not decoder.decode(larger)
    for number in range(254):
        decoder.decode(encode([("a", str(number))]))
    last, more = encode([("b", "last")]), encode([("b", "more")])
    assert decoder.decode(last) is decoder.decode(last)
    assert decoder.decode(more) is not decoder.decode(more)


def test_64_bytes_of_data_earn_the_visit_of_a_stream() -> None:
    server = greeted(PeerLimits(stream_visits=10, connection_window=65_536))
    server.receiver.receive(headers(1))

    def resize(size: int) -> None:
        server.receiver.receive(frames.settings({4: size}))
        server.take()

    for size in range(10):
        resize(size)
    server.receiver.receive(data(1, b"x" * 16_384) * 2)
    assert kinds(server.take()) == [(frames.WINDOW_UPDATE, 0)]
    # It earned more than it may have at once.
    for size in range(10):
        resize(100 + size)
        assert code(server) is None
    resize(99)
    assert code(server) is CALM


def test_so_many_streams_are_reset_before_their_answer_and_no_more() -> None:
    server = greeted(PeerLimits(idle_frames=3))
    for number in range(3):
        server.receiver.receive(
            headers(2 * number + 1) + frames.rst_stream(2 * number + 1, Http2ErrorCode.CANCEL)
        )
        assert code(server) is None
    # One that is answered makes up for one.
    server.receiver.receive(headers(7, end=True))
    answered = server.calls[3].stream
    assert answered
    answered.send_headers(RESPONSE)
    answered.end(RESPONSE)
    server.take()
    for number in (9, 11):
        assert code(server) is None
        server.receiver.receive(headers(number) + frames.rst_stream(number, Http2ErrorCode.CANCEL))
    assert code(server) is CALM


def test_an_end_without_limits_of_its_own_has_the_usual_ones() -> None:
    limits = PeerLimits()
    assert (limits.streams, limits.stream_window, limits.connection_window) == (
        20_000,
        64 * KIB,
        16 * KIB * KIB,
    )
    assert (limits.idle_frames, limits.replies, limits.stream_visits, limits.unsent) == (
        10_000,
        5_000,
        1_000_000,
        32 * KIB * KIB,
    )


def test_a_long_block_is_sent_in_frames_of_16_kib() -> None:
    block = bytes(range(256)) * 200
    said = frames.header_frames(1, block, end_stream=True)
    pieces = []
    while said:
        size = int.from_bytes(said[:3], "big")
        pieces.append((said[3], said[4], said[9 : 9 + size]))
        said = said[9 + size :]
    assert [(kind, flags, len(piece)) for kind, flags, piece in pieces] == [
        (1, 1, 16_384),
        (9, 0, 16_384),
        (9, 0, 16_384),
        (9, 4, 51_200 - 3 * 16_384),
    ]
    assert b"".join(piece for _, _, piece in pieces) == block
    assert kinds(frames.header_frames(1, block[:16_384], end_stream=False)) == [(1, 1)]


def test_a_stream_that_is_over_says_nothing_more() -> None:
    server, stream, _ = one_call()
    stream.end(RESPONSE)
    stream.send(b"x")
    stream.end(REQUEST)
    stream.end()
    stream.send_headers(RESPONSE)
    assert [kind for kind, _ in kinds(server.take())] == [frames.HEADERS, frames.RST_STREAM]
    stream.send(b"x")
    stream.end()
    assert server.take() == b""


def test_streams_take_turns_with_a_frame_each() -> None:
    server = greeted()
    server.receiver.receive(headers(1) + headers(3))
    for call in server.calls:
        assert call.stream
        call.stream.send(b"x" * 40_000)
    server.connection.sender.window = 65_535
    order = [number for kind, number in kinds(server.take()) if kind == frames.DATA]
    assert order == [1, 3, 1, 3]


def test_a_frame_of_a_stream_that_this_end_has_not_opened_yet_ends_the_connection() -> None:
    client, _ = pair()
    stream, _ = client.call()
    client.receiver.receive(frames.rst_stream(stream.id, Http2ErrorCode.CANCEL))
    assert code(client) is None
    client.receiver.receive(frames.rst_stream(stream.id + 2, Http2ErrorCode.CANCEL))
    assert code(client) is Http2ErrorCode.PROTOCOL_ERROR


def test_a_window_of_settings_that_is_too_large_for_a_stream_ends_the_connection() -> None:
    server, stream, _ = one_call()
    server.receiver.receive(frames.window_update(1, 2**31 - 1 - stream.send_window))
    assert code(server) is None
    server.receiver.receive(frames.settings({4: stream.send_window}))
    assert code(server) is Http2ErrorCode.FLOW_CONTROL_ERROR
    assert str(server.connection.failed) == "the window of a stream is too large"


def test_data_without_a_window_waits_for_one_without_a_place_in_the_queue() -> None:
    server, stream, _ = one_call()
    stream.send(b"x" * 65_535)
    server.take()
    assert stream.send_window == 0
    stream.send(b"y")
    assert not stream.queued
    # The window of the connection is used up, too.
    server.receiver.receive(frames.window_update(1, 1) + frames.window_update(0, 1))
    assert server.take() == data(1, b"y")


def test_a_client_accepts_no_streams() -> None:
    client, _ = pair()
    client.receiver.receive(headers(3))
    assert code(client) is Http2ErrorCode.PROTOCOL_ERROR
