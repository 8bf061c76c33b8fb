"""Frames that carry neither fields nor data."""

import struct

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Connection, known
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.stream import Stream

# Of what a peer says when it leaves; more is noise.
_TEXT_BYTES = 256


class ControlFrames:
    """Carries out what a peer says of streams and of the connection.

    Attributes:
        began: whether the peer has said its settings.
    """

    def __init__(self, connection: Connection) -> None:
        self.began = False
        self._connection = connection

    def priority(self, stream_id: int, _: int, payload: bytes) -> None:
        if stream_id == 0:
            raise protocol_error("PRIORITY with the stream id 0")
        if len(payload) != 5:  # noqa: PLR2004 - a dependency and a weight
            raise frame_size_error("PRIORITY has five bytes")
        check_dependency(stream_id, payload)
        self._connection.moved_nothing()

    def rst_stream(self, stream_id: int, _: int, payload: bytes) -> None:
        connection = self._connection
        if not known(connection, stream_id):
            raise protocol_error("RST_STREAM of a stream that was not opened")
        if len(payload) != 4:  # noqa: PLR2004 - a code
            raise frame_size_error("RST_STREAM has four bytes")
        stream = connection.streams.get(stream_id)
        if stream is None:
            connection.moved_nothing()
            return
        # An answer that the peer leaves unread is none.
        answered = stream.answered and connection.outbox.stuck < connection.limits.answers
        connection.resets_left -= connection.is_server and not answered
        if connection.resets_left < 0:
            raise ConnectionFailed(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset")
        connection.drop(stream, _code(payload), "the peer ended the stream")

    def settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        connection = self._connection
        if stream_id:
            raise protocol_error("SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise frame_size_error("an acknowledgement of SETTINGS is empty")
            connection.moved_nothing()
            return
        if len(payload) % 6:
            raise frame_size_error("SETTINGS come in pieces of six bytes")
        self.began = True
        for name, value in struct.iter_unpack(">HI", payload):
            self._setting(name, value)
        connection.moved_nothing()
        connection.answer(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _setting(self, name: int, value: int) -> None:
        connection = self._connection
        if name == Setting.INITIAL_WINDOW_SIZE:
            if value > frames.MAX_WINDOW:
                raise ConnectionFailed(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large")
            change = value - connection.initial_allowed
            if change:
                connection.initial_allowed = value
                connection.touch_all()
                self._allow_all(change)
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            connection.peer_streams = value
            connection.opened()
        elif name == Setting.ENABLE_PUSH and value not in (
            (0, 1) if connection.is_server else (0,)
        ):
            raise protocol_error("ENABLE_PUSH is 0, or 1 from a client")
        elif name == Setting.MAX_FRAME_SIZE and not frames.MAX_PAYLOAD <= value < 1 << 24:
            raise protocol_error("MAX_FRAME_SIZE is out of bounds")

    def _allow_all(self, change: int) -> None:
        largest = frames.MAX_WINDOW - change
        for stream in self._connection.streams.values():
            if stream.waiting or stream.allowed > largest:
                self._allow(stream, change)
            else:
                stream.allowed += change

    def _allow(self, stream: Stream, change: int) -> None:
        stream.allowed += change
        if stream.allowed > frames.MAX_WINDOW:
            raise ConnectionFailed(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large")
        if stream.waiting and stream.allowed > 0 and not stream.queued:
            self._connection.queue(stream)

    def push_promise(self, stream_id: int, _: int, __: bytes) -> None:
        raise protocol_error(f"PUSH_PROMISE on stream {stream_id}, which nobody asked for")

    def ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise protocol_error("PING of a stream")
        if len(payload) != 8:  # noqa: PLR2004 - opaque data
            raise frame_size_error("PING has eight bytes")
        if flags & frames.ACK:
            self._connection.pinged()
            return
        self._connection.moved_nothing()
        self._connection.answer(frames.frame(frames.PING, frames.ACK, 0, payload))

    def goaway(self, stream_id: int, _: int, payload: bytes) -> None:
        if stream_id:
            raise protocol_error("GOAWAY of a stream")
        if len(payload) < 8:  # noqa: PLR2004 - a stream id and a code
            raise frame_size_error("GOAWAY has eight bytes at least")
        connection = self._connection
        connection.moved_nothing()
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        connection.peer_gone_at = last
        connection.goodbye = _goodbye(payload[4:])
        unseen = f"{connection.goodbye}; it has not seen this call"
        if not connection.is_server and last < connection.next_id:
            connection.touch_all()
            for stream in [each for each in connection.streams.values() if each.id > last]:
                connection.drop(stream, ErrorCode.REFUSED_STREAM, unseen)
        connection.opened()

    def window_update(self, stream_id: int, _: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - an increment
            raise frame_size_error("WINDOW_UPDATE has four bytes")
        connection = self._connection
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        connection.moved_nothing()
        if stream_id == 0:
            self._connection_window(increment)
            return
        if not known(connection, stream_id):
            raise protocol_error("WINDOW_UPDATE of a stream that was not opened")
        if increment == 0:
            raise StreamFailed(stream_id, ErrorCode.PROTOCOL_ERROR, "an increment of 0")
        stream = connection.streams.get(stream_id)
        if stream is None:
            return
        if stream.allowed + increment > frames.MAX_WINDOW:
            raise StreamFailed(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "the window is too large")
        self._allow(stream, increment)

    def _connection_window(self, increment: int) -> None:
        if increment == 0:
            raise protocol_error("an increment of 0")
        connection = self._connection
        if connection.outbox.window + increment > frames.MAX_WINDOW:
            raise ConnectionFailed(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large")
        connection.outbox.window += increment
        connection.control(b"")


def check_dependency(stream_id: int, data: bytes) -> None:
    """Refuse a priority that no tree could hold; others are ignored (RFC 9113, section 5.3).

    Raises:
        ConnectionFailed: the stream depends on itself.
    """
    if int.from_bytes(data[:4], "big") & 0x7FFFFFFF == stream_id:
        raise protocol_error("a stream that depends on itself")


def _goodbye(payload: bytes) -> str:
    """Return the code and the text of a GOAWAY in words that a log can bear."""
    text = payload[4 : 4 + _TEXT_BYTES].decode(errors="replace")
    said = "".join(each if each.isprintable() else " " for each in text).strip()
    code = _code(payload)
    if code is ErrorCode.NO_ERROR and not said:
        return "the peer is shutting down"
    return f"the peer is shutting down ({code.name}{': ' if said else ''}{said})"


def _code(payload: bytes) -> ErrorCode:
    try:
        return ErrorCode(int.from_bytes(payload[:4], "big"))
    except ValueError:
        return ErrorCode.INTERNAL_ERROR
