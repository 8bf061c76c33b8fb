"""Splits received bytes into frames and handles them."""

from collections.abc import Callable

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Http2Connection
from omnia_rpc.http2.control_frames import ControlFrames
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    Http2ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.frames import unpadded
from omnia_rpc.http2.header_frames import HeaderFrames
from omnia_rpc.http2.stream import Http2Stream

FrameHandler = Callable[[int, int, bytes], None]


class FrameReceiver:
    """Handles the frames of the peer of one connection."""

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self._buffer = b""
        self._preface = frames.PREFACE if connection.is_server else b""
        self._control = control = ControlFrames(connection)
        self._headers = headers = HeaderFrames(connection)
        self._handlers: dict[int, FrameHandler] = {
            frames.HEADERS: headers.handle_headers,
            frames.PRIORITY: control.handle_priority,
            frames.RST_STREAM: control.handle_rst_stream,
            frames.SETTINGS: control.handle_settings,
            frames.PUSH_PROMISE: control.handle_push_promise,
            frames.PING: control.handle_ping,
            frames.GOAWAY: control.handle_goaway,
            frames.WINDOW_UPDATE: control.handle_window_update,
            frames.CONTINUATION: headers.handle_continuation,
        }

    def receive(self, data: bytes) -> None:
        """Handle received bytes.

        A connection error closes the connection, see `Http2Connection.failed`; what follows is
        ignored.
        """
        if self._connection.failed:
            return
        try:
            self._receive(self._buffer + data if self._buffer else data)
        except ConnectionFailed as failed:
            self._buffer = b""
            self._connection.close(failed.code, failed.reason)

    def _receive(self, data: bytes) -> None:
        if self._preface:
            expected = self._preface[: len(data)]
            if not data.startswith(expected):
                raise protocol_error("this is not HTTP/2")
            self._preface = self._preface[len(expected) :]
            data = data[len(expected) :]
        position, size = 0, len(data)
        streams, read = self._connection.streams, int.from_bytes
        while size - position >= frames.HEAD_BYTES:
            start = position + frames.HEAD_BYTES
            head = read(data[position:start], "big")
            length = head >> 48
            if length > frames.MAX_PAYLOAD:
                raise frame_size_error(f"a frame of {length} bytes")
            end = start + length
            if end > size:
                break
            position = end
            kind, flags, stream_id = head >> 40 & 0xFF, head >> 32 & 0xFF, head & 0x7FFFFFFF
            try:
                if (
                    kind == frames.DATA
                    and not self._headers.incomplete
                    and self._control.settings_received
                ):
                    stream = streams.get(stream_id)
                    if stream and stream.remote_open and not flags & frames.PADDED and length:
                        self._handle_plain_data(stream, flags, data[start:end])
                    else:
                        self._handle_data(stream_id, flags, data[start:end])
                else:
                    self._handle_other(kind, flags, stream_id, data[start:end])
            except StreamFailed as failed:
                self._fail_stream(failed)
        self._buffer = data[position:] if position < size else b""

    def _handle_plain_data(self, stream: Http2Stream, flags: int, data: bytes) -> None:
        """Handle a DATA frame of an open stream without padding, as nearly all frames are."""
        length = len(data)
        connection = self._connection
        connection.count_received(length)
        connection.idle_frames_left = connection.limits.idle_frames
        stream.receive_window -= length
        if stream.receive_window < 0:
            raise StreamFailed(
                stream.id,
                Http2ErrorCode.FLOW_CONTROL_ERROR,
                "more data than the stream window allows",
            )
        if stream.body_left >= 0:
            _count_body(stream, length)
        if stream.listener:
            stream.listener.on_data(data)
        if flags & frames.END_STREAM and stream.remote_open:
            connection.handle_end(stream)

    def _handle_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        """Handle a DATA frame that is padded, empty, or of a stream that is not open."""
        connection = self._connection
        if not connection.was_opened(stream_id):
            raise protocol_error("data of a stream that was not opened")
        connection.count_received(len(payload))
        data = unpadded(payload, flags)
        stream = connection.streams.get(stream_id)
        if stream is None or not stream.remote_open:
            if not connection.was_reset_here(stream_id):
                raise StreamFailed(
                    stream_id, Http2ErrorCode.STREAM_CLOSED, "data after the end of the stream"
                )
            connection.charge_idle_frame()
            return
        if not data and not flags & frames.END_STREAM:
            connection.charge_idle_frame()
        stream.receive_window -= len(payload)
        if stream.receive_window < 0:
            raise StreamFailed(
                stream_id,
                Http2ErrorCode.FLOW_CONTROL_ERROR,
                "more data than the stream window allows",
            )
        stream.consumed(len(payload) - len(data))
        if stream.body_left >= 0:
            _count_body(stream, len(data))
        if data and stream.listener:
            stream.listener.on_data(data)
        if flags & frames.END_STREAM and stream.remote_open:
            connection.handle_end(stream)

    def _handle_other(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._headers.incomplete
        if block and (kind != frames.CONTINUATION or stream_id != block.stream_id):
            raise protocol_error("another frame inside a header block")
        if not self._control.settings_received and (kind != frames.SETTINGS or flags & frames.ACK):
            raise protocol_error("the first frame is not SETTINGS")
        handle = self._handlers.get(kind)
        if handle:
            handle(stream_id, flags, payload)
        else:
            self._connection.charge_idle_frame()

    def _fail_stream(self, failed: StreamFailed) -> None:
        stream = self._connection.streams.get(failed.stream_id)
        self._connection.reject_stream(failed.stream_id, failed.code)
        if stream:
            self._connection.drop_stream(stream, failed.code, failed.reason)


def _count_body(stream: Http2Stream, length: int) -> None:
    if length > stream.body_left:
        raise StreamFailed(
            stream.id,
            Http2ErrorCode.PROTOCOL_ERROR,
            "the body is longer than its content-length",
        )
    stream.body_left -= length
