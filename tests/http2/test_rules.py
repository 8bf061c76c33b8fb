"""What RFC 9113 makes of each wrong frame: an error of its stream, or the end of the connection."""

import pytest

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import encode
from tests.http2.ends import End, data, greeted, headers, kinds, pair, talk

PROTOCOL = Http2ErrorCode.PROTOCOL_ERROR
SIZE = Http2ErrorCode.FRAME_SIZE_ERROR
FLOW = Http2ErrorCode.FLOW_CONTROL_ERROR
CLOSED = Http2ErrorCode.STREAM_CLOSED


def setting(name: int, value: int) -> bytes:
    return frames.settings({name: value})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frames.frame(frames.PRIORITY, 0, 0, bytes(5)), PROTOCOL),
        (frames.frame(frames.PRIORITY, 0, 1, bytes(4)), SIZE),
        # A stream that depends on itself.
        (frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\x10"), PROTOCOL),
        (frames.frame(frames.RST_STREAM, 0, 0, bytes(4)), PROTOCOL),
        (frames.frame(frames.RST_STREAM, 0, 9, bytes(4)), PROTOCOL),
        (frames.frame(frames.RST_STREAM, 0, 1, bytes(3)), SIZE),
        (frames.frame(frames.SETTINGS, 0, 1), PROTOCOL),
        (frames.frame(frames.SETTINGS, frames.ACK, 0, bytes(6)), SIZE),
        (frames.frame(frames.SETTINGS, 0, 0, bytes(5)), SIZE),
        (setting(Setting.INITIAL_WINDOW_SIZE, 2**31), FLOW),
        (setting(Setting.ENABLE_PUSH, 2), PROTOCOL),
        (setting(Setting.MAX_FRAME_SIZE, 16_383), PROTOCOL),
        (setting(Setting.MAX_FRAME_SIZE, 2**24), PROTOCOL),
        (frames.frame(frames.PUSH_PROMISE, 0, 1, bytes(4)), PROTOCOL),
        (frames.frame(frames.PING, 0, 1, bytes(8)), PROTOCOL),
        (frames.frame(frames.PING, 0, 0, bytes(7)), SIZE),
        (frames.frame(frames.GOAWAY, 0, 1, bytes(8)), PROTOCOL),
        (frames.frame(frames.GOAWAY, 0, 0, bytes(7)), SIZE),
        (frames.frame(frames.WINDOW_UPDATE, 0, 1, bytes(3)), SIZE),
        (frames.window_update(9, 1), PROTOCOL),
        (frames.window_update(0, 0), PROTOCOL),
        (frames.window_update(0, 2**31 - 1), FLOW),
        (data(9, b"x"), PROTOCOL),
        (data(0, b"x"), PROTOCOL),
        (frames.frame(frames.DATA, frames.PADDED, 1, b"\x05abc"), PROTOCOL),
        (frames.head(16_385, frames.DATA, 0, 1), SIZE),
        (frames.frame(frames.CONTINUATION, 0, 1), PROTOCOL),
        (frames.frame(frames.HEADERS, 0, 3) + data(1, b"x"), PROTOCOL),
        (frames.frame(frames.HEADERS, 0, 3) + frames.frame(frames.CONTINUATION, 0, 1), PROTOCOL),
    ],
)
def test_a_frame_that_breaks_the_connections_rules_ends_it(
    said: bytes, code: Http2ErrorCode
) -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    server.receiver.receive(said)
    assert server.connection.failed
    assert server.connection.failed.code is code
    assert server.calls[0].was_reset is not None
    # What follows is ignored.
    server.receiver.receive(headers(3))
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frames.window_update(1, 0), PROTOCOL),
        (frames.window_update(1, 2**31 - 1), FLOW),
        (data(1, b"x" * 11), PROTOCOL),
    ],
)
def test_a_frame_that_breaks_a_streams_rules_costs_that_stream(
    said: bytes, code: Http2ErrorCode
) -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    server.receiver.receive(headers(3))
    stream = server.calls[0].stream
    assert stream
    stream.body_left = 10
    server.receiver.receive(said)
    assert server.connection.failed is None
    assert server.calls[0].was_reset is code
    assert server.calls[1].was_reset is None
    assert (frames.RST_STREAM, 1) in kinds(server.take())
    server.receiver.receive(data(3, b"still here", frames.END_STREAM))
    assert (bytes(server.calls[1].body), server.calls[1].over) == (b"still here", True)


@pytest.mark.parametrize(
    "said",
    [
        setting(Setting.ENABLE_PUSH, 1),
        setting(Setting.MAX_FRAME_SIZE, 16_384),
        setting(Setting.MAX_FRAME_SIZE, 2**24 - 1),
        setting(Setting.INITIAL_WINDOW_SIZE, 2**31 - 1),
        setting(0xFF, 7),
        frames.frame(frames.PRIORITY, 0, 1, bytes(5)),
        frames.frame(frames.PRIORITY, 0, 99, bytes(5)),
        frames.frame(0xFA, 0xFF, 7, b"unknown"),
        frames.window_update(1, 2**31 - 1 - frames.DEFAULT_WINDOW),
        frames.window_update(0, 2**31 - 1 - frames.DEFAULT_WINDOW),
        frames.frame(frames.DATA, frames.PADDED, 1, b"\x02x\x00\x00"),
        frames.frame(frames.GOAWAY, 0, 0, bytes(8)),
    ],
)
def test_a_frame_within_the_rules_costs_nothing(said: bytes) -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    server.receiver.receive(said)
    server.receiver.receive(data(1, b"end", frames.END_STREAM))
    assert server.connection.failed is None
    assert (server.calls[0].was_reset, server.calls[0].over) == (None, True)


def test_a_client_must_not_be_told_that_it_may_push() -> None:
    client = End(server=False)
    client.receiver.receive(setting(Setting.ENABLE_PUSH, 1))
    assert client.connection.failed
    assert client.connection.failed.code is PROTOCOL


def test_a_ping_is_answered_with_its_data_and_settings_are_acknowledged() -> None:
    server = greeted()
    server.receiver.receive(frames.frame(frames.PING, 0, 0, b"12345678"))
    server.receiver.receive(setting(Setting.MAX_CONCURRENT_STREAMS, 5))
    said = server.take()
    assert frames.frame(frames.PING, frames.ACK, 0, b"12345678") in said
    assert frames.frame(frames.SETTINGS, frames.ACK, 0) in said
    server.receiver.receive(frames.frame(frames.PING, frames.ACK, 0, b"12345678"))
    assert server.take() == b""


def test_data_after_the_end_of_a_stream_is_an_error_of_that_stream() -> None:
    server = greeted()
    server.receiver.receive(headers(1, end=True))
    server.receiver.receive(headers(3))
    server.receiver.receive(data(1, b"late"))
    assert server.connection.failed is None
    assert server.calls[0].was_reset is CLOSED
    assert server.calls[1].was_reset is None


def test_the_end_on_a_frame_whose_listener_resets_the_stream_is_no_second_end() -> None:
    for padding in (0, frames.PADDED):
        server = greeted()
        server.receiver.receive(headers(1))
        heard = server.calls[0]
        stream = heard.stream
        assert stream
        heard.on_data = lambda _, reset=stream.reset: reset(Http2ErrorCode.CANCEL)  # type: ignore[method-assign, misc]
        payload = b"\x01x\x00" if padding else b"x"
        server.receiver.receive(data(1, payload, frames.END_STREAM | padding))
        assert server.connection.failed is None
        assert not heard.over


def test_calls_that_a_leaving_server_has_not_seen_are_refused_and_the_others_go_on() -> None:
    client, server = pair()
    calls = [client.call() for _ in range(3)]
    talk(client, server)
    client.receiver.receive(frames.goaway(calls[0][0].id, Http2ErrorCode.NO_ERROR, "ro\x07lled"))
    assert [heard.was_reset for _, heard in calls] == [None, *[Http2ErrorCode.REFUSED_STREAM] * 2]
    assert client.connection.goaway_reason == "the peer is shutting down (NO_ERROR: ro lled)"
    assert not client.connection.can_open_stream


@pytest.mark.parametrize("lengths", [("x",), ("-1",), ("\u0661",), ("1", "2")])
def test_an_answer_whose_length_is_no_number_costs_its_call(lengths: tuple[str, ...]) -> None:
    client, server = pair()
    (_, heard), (_, other) = client.call(), client.call()
    talk(client, server)
    fields = encode(((":status", "200"), *(("content-length", each) for each in lengths)))
    client.receiver.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, fields))
    assert heard.was_reset is PROTOCOL
    assert (other.was_reset, client.connection.failed) == (None, None)


def test_the_length_of_an_answer_is_kept_to() -> None:
    client, server = pair()
    _, heard = client.call()
    talk(client, server)
    fields = encode(((":status", "200"), ("content-length", "3"), ("content-length", "3")))
    client.receiver.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, fields))
    client.receiver.receive(data(1, b"abc", frames.END_STREAM))
    assert (bytes(heard.body), heard.over, heard.was_reset) == (b"abc", True, None)


def test_credit_for_half_of_a_window_is_given_back_at_once() -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    stream = server.calls[0].stream
    assert stream
    server.take()
    half = server.connection.stream_window // 2
    stream.consumed(half - 1)
    assert (frames.WINDOW_UPDATE, 1) not in kinds(server.take())
    stream.consumed(1)
    assert (frames.WINDOW_UPDATE, 1) in kinds(server.take())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (bytes(8), "the peer is shutting down"),
        (bytes(4) + b"\0\0\0\x0b", "the peer is shutting down (ENHANCE_YOUR_CALM)"),
        (bytes(4) + b"\0\0\0\x0bslow", "the peer is shutting down (ENHANCE_YOUR_CALM: slow)"),
        (bytes(4) + b"\0\0\xff\0", "the peer is shutting down (INTERNAL_ERROR)"),
        (bytes(8) + b"x" * 999, f"the peer is shutting down (NO_ERROR: {'x' * 256})"),
    ],
)
def test_the_reason_of_a_goodbye_is_printable_and_bounded(payload: bytes, reason: str) -> None:
    server = greeted()
    server.receiver.receive(frames.frame(frames.GOAWAY, 0, 0, payload))
    assert server.connection.goaway_reason == reason


def test_a_window_that_grows_lets_what_waits_go() -> None:
    client, server = pair()
    stream, _ = client.call()
    client.take()
    client.receiver.receive(setting(Setting.INITIAL_WINDOW_SIZE, 0))
    stream.send(b"x" * 10)
    client.take()
    client.receiver.receive(frames.window_update(stream.id, 4))
    assert data(stream.id, b"xxxx") in client.take()
    client.receiver.receive(setting(Setting.INITIAL_WINDOW_SIZE, 3))
    assert data(stream.id, b"xxx") in client.take()
    assert server.connection.failed is None
