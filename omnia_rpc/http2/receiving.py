"""The bytes of a peer, frame by frame."""

from collections.abc import Callable

from omnia_rpc.http2 import frames
from omnia_rpc.http2.blocks import HeaderBlocks
from omnia_rpc.http2.connection import Connection, known
from omnia_rpc.http2.control import ControlFrames
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.padding import unpadded
from omnia_rpc.http2.stream import Stream

Handle = Callable[[int, int, bytes], None]


class Receiver:
    """Feeds a connection. After a rule is broken the rest is ignored."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = b""
        self._preface = frames.PREFACE if connection.is_server else b""
        self._control = control = ControlFrames(connection)
        self._blocks = blocks = HeaderBlocks(connection)
        self._handlers: dict[int, Handle] = {
            frames.HEADERS: blocks.headers,
            frames.PRIORITY: control.priority,
            frames.RST_STREAM: control.rst_stream,
            frames.SETTINGS: control.settings,
            frames.PUSH_PROMISE: control.push_promise,
            frames.PING: control.ping,
            frames.GOAWAY: control.goaway,
            frames.WINDOW_UPDATE: control.window_update,
            frames.CONTINUATION: blocks.continuation,
        }

    def receive(self, data: bytes) -> None:
        """Take bytes. What breaks the connection ends it; `Connection.failed` says why."""
        if self._connection.failed:
            return
        try:
            self._receive(self._buffer + data if self._buffer else data)
        except ConnectionFailed as failed:
            self._buffer = b""
            self._connection.end(failed.code, failed.reason)

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
                if kind == frames.DATA and not self._blocks.open and self._control.began:
                    stream = streams.get(stream_id)
                    if stream and stream.remote_open and not flags & frames.PADDED and length:
                        self._plain_data(stream, flags, data[start:end])
                    else:
                        self._data(stream_id, flags, data[start:end])
                else:
                    self._other(kind, flags, stream_id, data[start:end])
            except StreamFailed as failed:
                self._fail(failed)
        self._buffer = data[position:] if position < size else b""

    def _plain_data(self, stream: Stream, flags: int, data: bytes) -> None:
        """Take the data that nearly all frames are."""
        length = len(data)
        connection = self._connection
        connection.received(length)
        connection.patience = connection.limits.idle_frames
        stream.window -= length
        if stream.window < 0:
            raise StreamFailed(
                stream.id, ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows"
            )
        if stream.expected >= 0:
            _count_expected(stream, length)
        if stream.listener:
            stream.listener.data(data)
        if flags & frames.END_STREAM and stream.remote_open:
            connection.peer_ended(stream)

    def _data(self, stream_id: int, flags: int, payload: bytes) -> None:
        """Take data that is padded, empty, or of no open stream."""
        connection = self._connection
        if not known(connection, stream_id):
            raise protocol_error("data of a stream that was not opened")
        connection.received(len(payload))
        data = unpadded(payload, flags)
        stream = connection.streams.get(stream_id)
        if stream is None or not stream.remote_open:
            if not connection.was_reset_here(stream_id):
                raise StreamFailed(stream_id, ErrorCode.STREAM_CLOSED, "data after the end")
            connection.moved_nothing()
            return
        if not data and not flags & frames.END_STREAM:
            connection.moved_nothing()
        stream.window -= len(payload)
        if stream.window < 0:
            raise StreamFailed(
                stream_id, ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows"
            )
        stream.consumed(len(payload) - len(data))
        if stream.expected >= 0:
            _count_expected(stream, len(data))
        if data and stream.listener:
            stream.listener.data(data)
        if flags & frames.END_STREAM and stream.remote_open:
            connection.peer_ended(stream)

    def _other(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._blocks.open
        if block and (kind != frames.CONTINUATION or stream_id != block.stream_id):
            raise protocol_error("another frame inside a header block")
        if not self._control.began and (kind != frames.SETTINGS or flags & frames.ACK):
            raise protocol_error("the first frame is not SETTINGS")
        handle = self._handlers.get(kind)
        if handle:
            handle(stream_id, flags, payload)
        else:
            self._connection.moved_nothing()

    def _fail(self, failed: StreamFailed) -> None:
        stream = self._connection.streams.get(failed.stream_id)
        self._connection.refuse(failed.stream_id, failed.code)
        if stream:
            self._connection.drop(stream, failed.code, failed.reason)


def _count_expected(stream: Stream, length: int) -> None:
    if length > stream.expected:
        raise StreamFailed(
            stream.id, ErrorCode.PROTOCOL_ERROR, "the body is longer than content-length"
        )
    stream.expected -= length
