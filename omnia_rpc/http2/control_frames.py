"""Handles the frames that carry neither header fields nor data (RFC 9113, sections 6.3 to 6.9)."""

import struct

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Http2Connection
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    Http2ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.frames import Setting, check_dependency
from omnia_rpc.http2.stream import Http2Stream

# The debug data of a GOAWAY is cut to this length.
_DEBUG_BYTES = 256


class ControlFrames:
    """Handles the control frames of one connection.

    Attributes:
        settings_received: whether the peer's first SETTINGS have arrived.
    """

    def __init__(self, connection: Http2Connection) -> None:
        self.settings_received = False
        self._connection = connection

    def handle_priority(self, stream_id: int, _: int, payload: bytes) -> None:
        if stream_id == 0:
            raise protocol_error("PRIORITY with the stream id 0")
        if len(payload) != 5:  # noqa: PLR2004 - a dependency and a weight
            raise frame_size_error("PRIORITY has to have five bytes")
        check_dependency(stream_id, payload)
        self._connection.charge_idle_frame()

    def handle_rst_stream(self, stream_id: int, _: int, payload: bytes) -> None:
        connection = self._connection
        if not connection.was_opened(stream_id):
            raise protocol_error("RST_STREAM of a stream that was not opened")
        if len(payload) != 4:  # noqa: PLR2004 - a code
            raise frame_size_error("RST_STREAM has to have four bytes")
        stream = connection.streams.get(stream_id)
        if stream is None:
            connection.charge_idle_frame()
            return
        # A response that the peer does not read does not count as an answer.
        unread = connection.sender.pending_control_frames >= connection.limits.replies
        answered = stream.headers_sent and not unread
        connection.resets_left -= connection.is_server and not answered
        if connection.resets_left < 0:
            raise ConnectionFailed(Http2ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset")
        connection.drop_stream(stream, _error_code(payload), "the peer ended the stream")

    def handle_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        connection = self._connection
        if stream_id:
            raise protocol_error("SETTINGS with a stream id")
        if flags & frames.ACK:
            if payload:
                raise frame_size_error("an acknowledgement of SETTINGS has to be empty")
            connection.charge_idle_frame()
            return
        if len(payload) % 6:
            raise frame_size_error("the length of SETTINGS has to be a multiple of six bytes")
        self.settings_received = True
        for name, value in struct.iter_unpack(">HI", payload):
            self._apply_setting(name, value)
        connection.charge_idle_frame()
        connection.send_reply(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def handle_push_promise(self, stream_id: int, _: int, __: bytes) -> None:
        raise protocol_error(f"PUSH_PROMISE on stream {stream_id}, although push is disabled")

    def handle_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise protocol_error("PING with a stream id")
        if len(payload) != 8:  # noqa: PLR2004 - opaque data
            raise frame_size_error("PING has to have eight bytes")
        if flags & frames.ACK:
            self._connection.on_pong()
            return
        self._connection.charge_idle_frame()
        self._connection.send_reply(frames.frame(frames.PING, frames.ACK, 0, payload))

    def handle_goaway(self, stream_id: int, _: int, payload: bytes) -> None:
        if stream_id:
            raise protocol_error("GOAWAY with a stream id")
        if len(payload) < 8:  # noqa: PLR2004 - a stream id and a code
            raise frame_size_error("GOAWAY has to have at least eight bytes")
        connection = self._connection
        connection.charge_idle_frame()
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        connection.goaway_last_id = last
        connection.goaway_reason = _goaway_reason(payload[4:])
        reason = f"{connection.goaway_reason}; it has not processed this call"
        if not connection.is_server and last < connection.next_id:
            connection.charge_all_streams()
            unprocessed = [stream for stream in connection.streams.values() if stream.id > last]
            for stream in unprocessed:
                connection.drop_stream(stream, Http2ErrorCode.REFUSED_STREAM, reason)
        connection.on_capacity()

    def handle_window_update(self, stream_id: int, _: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - an increment
            raise frame_size_error("WINDOW_UPDATE has to have four bytes")
        connection = self._connection
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        connection.charge_idle_frame()
        if stream_id == 0:
            self._grow_connection_window(increment)
            return
        if not connection.was_opened(stream_id):
            raise protocol_error("WINDOW_UPDATE of a stream that was not opened")
        if increment == 0:
            raise StreamFailed(
                stream_id, Http2ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE with an increment of 0"
            )
        stream = connection.streams.get(stream_id)
        if stream is None:
            return
        if stream.send_window + increment > frames.MAX_WINDOW:
            raise StreamFailed(
                stream_id, Http2ErrorCode.FLOW_CONTROL_ERROR, "the stream window is too large"
            )
        self._grow_window(stream, increment)

    def _apply_setting(self, name: int, value: int) -> None:
        connection = self._connection
        if name == Setting.INITIAL_WINDOW_SIZE:
            if value > frames.MAX_WINDOW:
                raise ConnectionFailed(
                    Http2ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large"
                )
            change = value - connection.initial_send_window
            if change:
                connection.initial_send_window = value
                connection.charge_all_streams()
                self._grow_all_windows(change)
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            connection.peer_max_streams = value
            connection.on_capacity()
        elif name == Setting.ENABLE_PUSH and value not in (
            (0, 1) if connection.is_server else (0,)
        ):
            raise protocol_error("ENABLE_PUSH has to be 0, or 1 from a client")
        elif name == Setting.MAX_FRAME_SIZE and not frames.MAX_PAYLOAD <= value < 1 << 24:
            raise protocol_error("MAX_FRAME_SIZE is out of range")

    def _grow_all_windows(self, change: int) -> None:
        largest = frames.MAX_WINDOW - change
        for stream in self._connection.streams.values():
            if stream.pending or stream.send_window > largest:
                self._grow_window(stream, change)
            else:
                stream.send_window += change

    def _grow_window(self, stream: Http2Stream, change: int) -> None:
        stream.send_window += change
        if stream.send_window > frames.MAX_WINDOW:
            raise ConnectionFailed(
                Http2ErrorCode.FLOW_CONTROL_ERROR, "the window of a stream is too large"
            )
        if stream.pending and stream.send_window > 0 and not stream.queued:
            self._connection.queue_data(stream)

    def _grow_connection_window(self, increment: int) -> None:
        if increment == 0:
            raise protocol_error("WINDOW_UPDATE with an increment of 0")
        connection = self._connection
        if connection.sender.window + increment > frames.MAX_WINDOW:
            raise ConnectionFailed(
                Http2ErrorCode.FLOW_CONTROL_ERROR, "the connection window is too large"
            )
        connection.sender.window += increment
        # Wakes the writer.
        connection.send_control(b"")


def _goaway_reason(payload: bytes) -> str:
    """Return code and debug data of a GOAWAY as printable text."""
    debug = payload[4 : 4 + _DEBUG_BYTES].decode(errors="replace")
    text = "".join(letter if letter.isprintable() else " " for letter in debug).strip()
    code = _error_code(payload)
    if code is Http2ErrorCode.NO_ERROR and not text:
        return "the peer is shutting down"
    return f"the peer is shutting down ({code.name}{': ' if text else ''}{text})"


def _error_code(payload: bytes) -> Http2ErrorCode:
    try:
        return Http2ErrorCode(int.from_bytes(payload[:4], "big"))
    except ValueError:
        return Http2ErrorCode.INTERNAL_ERROR
