"""What RFC 9113 makes of the numbers of the protocol, and of wrong header fields."""

import pytest
from hpack import Decoder, Encoder

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    Http2ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import FieldsRefused, HpackDecoder, encode
from tests.http2.ends import REQUEST, RESPONSE, End, data, greeted, headers, kinds, pair, talk

PROTOCOL = Http2ErrorCode.PROTOCOL_ERROR
CLOSED = Http2ErrorCode.STREAM_CLOSED
CALM = Http2ErrorCode.ENHANCE_YOUR_CALM

GOOD = ((":method", "POST"), (":scheme", "http"), (":path", "/s/M"))


def code(end: End) -> Http2ErrorCode | None:
    return end.connection.failed.code if end.connection.failed else None


def test_errors_frames_and_settings_have_the_numbers_of_the_standard() -> None:
    assert [(each.name, each.value) for each in Http2ErrorCode] == [
        ("NO_ERROR", 0),
        ("PROTOCOL_ERROR", 1),
        ("INTERNAL_ERROR", 2),
        ("FLOW_CONTROL_ERROR", 3),
        ("SETTINGS_TIMEOUT", 4),
        ("STREAM_CLOSED", 5),
        ("FRAME_SIZE_ERROR", 6),
        ("REFUSED_STREAM", 7),
        ("CANCEL", 8),
        ("COMPRESSION_ERROR", 9),
        ("CONNECT_ERROR", 10),
        ("ENHANCE_YOUR_CALM", 11),
        ("INADEQUATE_SECURITY", 12),
        ("HTTP_1_1_REQUIRED", 13),
    ]
    assert [(each.name, each.value) for each in Setting] == [
        ("HEADER_TABLE_SIZE", 1),
        ("ENABLE_PUSH", 2),
        ("MAX_CONCURRENT_STREAMS", 3),
        ("INITIAL_WINDOW_SIZE", 4),
        ("MAX_FRAME_SIZE", 5),
        ("MAX_HEADER_LIST_SIZE", 6),
    ]
    kinds_in_order = [
        *(frames.DATA, frames.HEADERS, frames.PRIORITY, frames.RST_STREAM, frames.SETTINGS),
        *(frames.PUSH_PROMISE, frames.PING, frames.GOAWAY),
        *(frames.WINDOW_UPDATE, frames.CONTINUATION),
    ]
    assert kinds_in_order == list(range(10))
    flags = (frames.END_STREAM, frames.END_HEADERS, frames.PADDED, frames.PRIORITISED, frames.ACK)
    assert flags == (0x1, 0x4, 0x8, 0x20, 0x1)
    assert (frames.MAX_PAYLOAD, frames.DEFAULT_WINDOW, frames.MAX_WINDOW) == (
        16_384,
        65_535,
        2_147_483_647,
    )
    assert frames.frame(7, 0x25, 258, b"abc") == b"\0\0\3\x07\x25\0\0\1\2abc"


@pytest.mark.parametrize(
    "error",
    [
        protocol_error("why"),
        frame_size_error("why"),
        ConnectionFailed(CALM, "why"),
        StreamFailed(3, CALM, "why"),
        FieldsRefused(CALM, "why"),
    ],
)
def test_an_error_says_why(error: Exception) -> None:
    assert str(error) == "why"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        GOOD[1:],
        GOOD[:2],
        (GOOD[0], GOOD[2]),
        (*GOOD[:2], (":path", "")),
        (*GOOD, (":path", "/s/N")),
        (*GOOD, (":status", "200")),
        (*GOOD, (":other", "x")),
        (GOOD[0], ("a", "b"), *GOOD[1:]),
        (*GOOD, ("", "b")),
        (*GOOD, ("A", "b")),
        (*GOOD, ("a b", "c")),
        (*GOOD, ("connection", "close")),
        (*GOOD, ("keep-alive", "timeout=5")),
        (*GOOD, ("proxy-connection", "close")),
        (*GOOD, ("transfer-encoding", "chunked")),
        (*GOOD, ("upgrade", "h2c")),
        (*GOOD, ("te", "gzip")),
        (*GOOD, ("a", "b\rc")),
        (*GOOD, ("a", "b\nc")),
        (*GOOD, ("a", "b\0c")),
        (*GOOD, ("content-length", "1"), ("content-length", "2")),
        (*GOOD, ("content-length", "a")),
    ],
)
def test_a_malformed_request_costs_itself_only(fields: tuple[tuple[str, str], ...]) -> None:
    server = greeted()
    server.receiver.receive(headers(1) + headers(3, block=encode(fields)))
    assert len(server.calls) == 1
    assert code(server) is None
    assert server.take().endswith(frames.rst_stream(3, PROTOCOL))
    # The id is used up, and what the client had under way is no fault.
    server.receiver.receive(data(3, b"x") + headers(5))
    assert len(server.calls) == 2
    assert code(server) is None


@pytest.mark.parametrize(
    "fields",
    [
        (*GOOD, (":authority", "a")),
        (*GOOD, ("te", "trailers")),
        (*GOOD, ("a", ""), ("a", "")),
        (*GOOD, ("content-length", "0")),
    ],
)
def test_a_good_request_is_a_call(fields: tuple[tuple[str, str], ...]) -> None:
    server = greeted()
    server.receiver.receive(headers(1, end=True, block=encode(fields)))
    (heard,) = server.calls
    assert heard.fields == [fields]
    assert (heard.over, heard.was_reset) == (True, None)


@pytest.mark.parametrize(
    ("said", "reset"),
    [
        # Trailers are the end, have no pseudo-fields and keep the rules of other fields.
        (headers(1, block=RESPONSE) + headers(1, block=encode([("a", "b")])), PROTOCOL),
        (headers(1, block=RESPONSE) + headers(1, end=True, block=RESPONSE), PROTOCOL),
        (headers(1, block=RESPONSE) + headers(1, end=True, block=encode([("te", "x")])), PROTOCOL),
        (headers(1, end=True, block=RESPONSE), None),
        # 103 is before the answer, unless nothing follows.
        (headers(1, block=encode([(":status", "103")])) + headers(1, block=RESPONSE), None),
        (headers(1, end=True, block=encode([(":status", "103")])), None),
        (headers(1, block=encode([(":status", "")])), PROTOCOL),
        (headers(1, block=encode([("a", "b")])), PROTOCOL),
        # The length that was announced.
        (
            headers(1, end=True, block=encode([(":status", "200"), ("content-length", "1")])),
            PROTOCOL,
        ),
        (
            headers(1, block=encode([(":status", "200"), ("content-length", "2")]))
            + data(1, b"a")
            + data(1, b"bc"),
            PROTOCOL,
        ),
        (
            headers(1, block=encode([(":status", "200"), ("content-length", "2")]))
            + frames.frame(frames.DATA, frames.PADDED, 1, b"\1abc\0"),
            PROTOCOL,
        ),
    ],
)
def test_an_answer_keeps_the_order_of_its_parts(said: bytes, reset: Http2ErrorCode | None) -> None:
    client, server = pair()
    (_, heard), (_, other) = client.call(), client.call()
    talk(client, server)
    client.receiver.receive(said)
    assert heard.was_reset is reset
    assert (other.was_reset, code(client)) == (None, None)


def test_what_comes_before_the_answer_is_not_the_answer() -> None:
    client, server = pair()
    _, heard = client.call()
    talk(client, server)
    client.receiver.receive(headers(1, block=encode([(":status", "103")])))
    assert heard.fields == []
    client.receiver.receive(headers(1, block=RESPONSE))
    assert heard.fields == [((":status", "200"),)]


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (headers(0), PROTOCOL),
        (headers(2), PROTOCOL),
        # The stream was opened, ended by both sides and forgotten.
        (headers(1), CLOSED),
        (frames.frame(frames.HEADERS, 0x24, 5, b"\0\0\0\5\0" + REQUEST), PROTOCOL),
        (frames.frame(frames.HEADERS, 0x24, 5, bytes(4)), Http2ErrorCode.FRAME_SIZE_ERROR),
        (frames.frame(frames.HEADERS, 0xC, 5, b""), Http2ErrorCode.FRAME_SIZE_ERROR),
        (frames.frame(frames.HEADERS, 0xC, 5, b"\5" + bytes(4)), PROTOCOL),
    ],
)
def test_fields_in_the_wrong_place_end_the_connection(said: bytes, failure: Http2ErrorCode) -> None:
    server = greeted()
    server.receiver.receive(headers(1, end=True) + headers(3))
    answered = server.calls[0].stream
    assert answered
    answered.send_headers(RESPONSE)
    answered.end()
    server.take()
    server.receiver.receive(said)
    assert code(server) is failure


@pytest.mark.parametrize("flags", [0x24, 0x2C], ids=["plain", "padded"])
def test_a_priority_is_left_out(flags: int) -> None:
    server = greeted()
    payload = b"\0\0\0\0\x10" + REQUEST
    padded = b"\2" + payload + b"\0\0" if flags & frames.PADDED else payload
    server.receiver.receive(frames.frame(frames.HEADERS, flags, 1, padded))
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frames.PREFACE[:-1] + b"x",
        frames.PREFACE + frames.frame(frames.PING, 0, 0, bytes(8)),
        frames.PREFACE + frames.frame(frames.SETTINGS, frames.ACK, 0),
        frames.PREFACE + data(1, b"x"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_client_begins_with_the_preface_and_its_settings(said: bytes, size: int) -> None:
    server = End(server=True)
    for at in range(0, len(said), size):
        server.receiver.receive(said[at : at + size])
    assert code(server) is PROTOCOL
    goodbye = frames.goaway(0, PROTOCOL, server.connection.failed.reason)  # type: ignore[union-attr]
    assert server.take().endswith(goodbye)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 253, 254, 255, 256, 127 + 2**14, 40_000])
def test_another_decoder_reads_our_fields_of_any_length(size: int) -> None:
    fields = [("n" * max(size, 1), "v" * size), ("a", "b")]
    decoder = Decoder(max_header_list_size=200_000)
    decoded = decoder.decode(encode(fields))
    assert [(_text(each[0]), _text(each[1])) for each in decoded] == fields


@pytest.mark.parametrize("size", [30, 31, 62, 63, 64, 126, 127, 128, 255, 16_000])
@pytest.mark.parametrize("huffman", [True, False])
def test_our_decoder_reads_the_fields_of_another_encoder(size: int, *, huffman: bool) -> None:
    fields = [("a" * size, "v" * size), (":status", "200"), ("a" * size, "v" * size)]
    decoder = HpackDecoder()
    encoder = Encoder()
    for _ in range(3):
        assert list(decoder.decode(encoder.encode(fields, huffman=huffman))) == fields


def test_a_block_that_needs_no_table_is_decoded_once() -> None:
    decoder = HpackDecoder()
    # 61 is the last entry of the table that never changes.
    for block in (b"\xbd", b"\xbd" + b"\x00\x01a\x01b", b"\x0f\x2e\x01x"):
        assert decoder.decode(block) is decoder.decode(block)
    added = b"\x40\x01a\x01b"
    assert decoder.decode(added) is not decoder.decode(added)
    assert decoder.decode(b"\xbe") is not decoder.decode(b"\xbe")


def test_a_table_may_shrink_before_the_first_field_and_not_after_it() -> None:
    decoder = HpackDecoder()
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.decode(b"\x20" + b"\x3f\xe1\x1f" + b"\x82") == ((":method", "GET"),)
    for block in (b"\x3f\xe2\x1f", b"\x82\x20", b"\xbe"):
        with pytest.raises(ConnectionFailed) as failed:
            HpackDecoder().decode(block)
        assert failed.value.code is Http2ErrorCode.COMPRESSION_ERROR


@pytest.mark.parametrize(
    "frame",
    [
        frames.frame(frames.PING, 0, 0, bytes(8)),
        frames.settings({int(Setting.MAX_CONCURRENT_STREAMS): 1}),
    ],
    ids=["ping", "settings"],
)
def test_so_many_replies_may_wait_and_no_more(frame: bytes) -> None:
    server = greeted(PeerLimits(replies=5))
    for _ in range(3):
        server.receiver.receive(frame * 5)
        assert code(server) is None
        server.take()
    server.receiver.receive(frame * 6)
    assert code(server) is CALM


@pytest.mark.parametrize(
    "frame",
    [
        frames.frame(frames.SETTINGS, frames.ACK, 0),
        frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\0"),
        frames.window_update(0, 1),
        frames.window_update(1, 1),
        frames.frame(frames.GOAWAY, 0, 0, bytes(8)),
        frames.frame(0xFA, 0, 0, b"x"),
        data(1, b""),
        frames.rst_stream(3, Http2ErrorCode.CANCEL),
        data(3, b"x"),
    ],
    ids=["ack", "priority", "window", "stream", "goaway", "unknown", "empty", "again", "late"],
)
def test_so_many_frames_may_move_nothing_and_no_more(frame: bytes) -> None:
    server = greeted(PeerLimits(idle_frames=5))
    server.receiver.receive(headers(1) + headers(3))
    ended = server.calls[1].stream
    assert ended
    ended.reset(Http2ErrorCode.CANCEL)
    server.take()
    for _ in range(3):
        server.receiver.receive(data(1, b"x"))
        server.receiver.receive(frame * 5)
        assert code(server) is None
    server.receiver.receive(frame)
    assert code(server) is CALM


def test_a_server_takes_so_many_streams_and_refuses_more() -> None:
    server = greeted(PeerLimits(streams=2))
    server.receiver.receive(headers(1) + headers(3) + headers(5))
    assert len(server.calls) == 2
    assert server.take() == frames.rst_stream(5, Http2ErrorCode.REFUSED_STREAM)
    server.calls[0].stream.reset(Http2ErrorCode.CANCEL)  # type: ignore[union-attr]
    server.receiver.receive(headers(7))
    assert len(server.calls) == 3


def test_a_new_end_says_what_it_takes() -> None:
    limits = PeerLimits(streams=7, stream_window=1000, connection_window=100_000)
    more = frames.window_update(0, 100_000 - 65_535)
    server, client = End(server=True, limits=limits), End(server=False, limits=limits)
    assert server.take() == frames.settings({4: 1000, 6: 65_536, 3: 7}) + more
    assert client.take() == frames.PREFACE + frames.settings({4: 1000, 6: 65_536, 2: 0}) + more


def test_what_is_received_is_credited_by_half_a_window() -> None:
    server = greeted(PeerLimits(connection_window=100_000, stream_window=100_000))
    server.receiver.receive(headers(1))
    server.take()
    for _ in range(3):
        server.receiver.receive(data(1, b"x" * 16_384) * 3 + data(1, b"x" * (50_000 - 49_153)))
        assert server.take() == b""
        server.receiver.receive(data(1, b"x"))
        assert server.take() == frames.window_update(0, 50_000)
        server.calls[0].stream.consumed(50_000)  # type: ignore[union-attr]
        assert kinds(server.take()) == [(frames.WINDOW_UPDATE, 1)]


def test_a_window_may_be_filled_to_its_last_byte() -> None:
    for said in (data(1, b"x" * 1000), frames.frame(0, frames.PADDED, 1, b"\0" + b"x" * 999)):
        server = greeted(PeerLimits(connection_window=70_000, stream_window=1000))
        server.receiver.receive(headers(1) + said)
        assert server.calls[0].was_reset is None
        server.receiver.receive(data(1, b"y"))
        assert server.calls[0].was_reset is Http2ErrorCode.FLOW_CONTROL_ERROR
    server = greeted(PeerLimits(connection_window=70_000, stream_window=200_000))
    server.connection.limits = PeerLimits(connection_window=10**9)
    server.receiver.receive(headers(1) + data(1, b"x" * 14_000) * 5)
    assert code(server) is None
    server.receiver.receive(data(1, b"y"))
    assert code(server) is Http2ErrorCode.FLOW_CONTROL_ERROR


def test_nothing_is_written_into_a_window_of_nothing() -> None:
    server = greeted()
    server.receiver.receive(frames.settings({4: 0}) + headers(1))
    stream = server.calls[0].stream
    assert stream
    stream.send_headers(RESPONSE)
    server.take()
    stream.send(b"abc")
    assert server.connection.data_to_send() == b""
    assert not server.connection.sender.wants_to_write
    server.receiver.receive(frames.window_update(1, 1))
    assert server.take() == data(1, b"a")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def test_an_answer_that_is_only_announced_and_over_is_over() -> None:
    client, server = pair()
    _, heard = client.call()
    talk(client, server)
    client.receiver.receive(headers(1, end=True, block=encode([(":status", "103")])))
    assert heard.fields == [((":status", "103"),)]
    assert (heard.over, heard.was_reset) == (True, None)


def test_frames_under_way_on_as_many_streams_as_there_may_be_are_no_fault() -> None:
    server = greeted(PeerLimits(streams=3))
    server.receiver.receive(headers(1) + headers(3) + headers(5))
    for heard in server.calls:
        assert heard.stream
        heard.stream.reset(Http2ErrorCode.CANCEL)
    server.take()
    server.receiver.receive(b"".join(data(number, b"x") for number in (1, 3, 5)))
    assert (code(server), server.take()) == (None, b"")
    # Older ones are forgotten: their frames are told to be late.
    server.receiver.receive(headers(7))
    server.calls[3].stream.reset(Http2ErrorCode.CANCEL)  # type: ignore[union-attr]
    server.take()
    server.receiver.receive(data(1, b"x"))
    assert server.take() == frames.rst_stream(1, CLOSED)


def test_a_window_that_comes_back_to_nothing_sends_nothing() -> None:
    client, _ = pair()
    stream, _ = client.call()
    client.take()
    stream.send(b"x" * 10)
    client.take()
    client.receiver.receive(frames.settings({4: 9}))
    stream.send(b"yz")
    assert client.take() == frames.frame(frames.SETTINGS, frames.ACK, 0)
    assert stream.send_window == -1
    client.receiver.receive(frames.window_update(1, 1))
    assert not stream.queued
    assert client.take() == b""
    client.receiver.receive(frames.window_update(1, 1))
    assert client.take() == data(1, b"y")


def test_one_write_takes_256_kib_and_leaves_the_rest_for_the_next() -> None:
    client, server = pair(PeerLimits(stream_window=10**6, connection_window=10**6))
    stream, _ = client.call()
    talk(client, server)
    stream.send(b"x" * 600_000)
    sizes = []
    while said := client.connection.data_to_send():
        sizes.append(len(kinds(said)))
    assert sizes == [16, 16, 5]


@pytest.mark.parametrize(
    ("length", "accepted"),
    [
        (b"\x7f\x00", True),
        (b"\x7f\x80\x80\x80\x80\x00", True),
        (b"\x7f" + b"\x80" * 5 + b"\0", False),
    ],
    ids=["short", "longest", "too long"],
)
def test_an_integer_may_be_padded_to_its_longest_form(length: bytes, *, accepted: bool) -> None:
    block = b"\x00\x01a" + length + b"v" * 127
    if accepted:
        assert HpackDecoder().decode(block) == (("a", "v" * 127),)
    else:
        with pytest.raises(ConnectionFailed):
            HpackDecoder().decode(block)
