"""Handles HEADERS and CONTINUATION: requests, responses and trailers (RFC 9113, section 8)."""

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Http2Connection
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    Http2ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.frames import check_dependency, unpadded
from omnia_rpc.http2.header_fields import (
    Fields,
    FieldsRefused,
    request_problem,
    response_problem,
    trailers_problem,
)
from omnia_rpc.http2.stream import Http2Stream

MAX_BLOCK_BYTES = 256 * 1024
MAX_CONTINUATIONS = 64
# Decoding a list that is refused takes as long as handling this many small frames.
_COST_OF_REFUSED = 100
_INFORMATIONAL = "1"


class _HeaderBlock:
    """A header block that may arrive in several frames."""

    def __init__(self, stream_id: int, end_stream: int, data: bytes) -> None:
        self.stream_id = stream_id
        self.end_stream = end_stream
        self.data = bytearray(data)
        self._frames = 1

    def add(self, data: bytes) -> None:
        self.data += data
        self._frames += 1
        if len(self.data) > MAX_BLOCK_BYTES or self._frames > MAX_CONTINUATIONS:
            raise ConnectionFailed(
                Http2ErrorCode.ENHANCE_YOUR_CALM, "the header block is too large"
            )


class HeaderFrames:
    """Assembles header blocks, and opens or continues their streams.

    Attributes:
        incomplete: the block that has to be completed before any other frame may follow.
    """

    def __init__(self, connection: Http2Connection) -> None:
        self.incomplete: _HeaderBlock | None = None
        self._connection = connection

    def handle_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        data = unpadded(payload, flags)
        if flags & frames.PRIORITISED:
            if len(data) < 5:  # noqa: PLR2004 - a dependency and a weight
                raise frame_size_error("HEADERS is too short for its priority")
            check_dependency(stream_id, data)
            data = data[5:]
        self._connection.was_opened(stream_id)  # refuses the id 0
        self.incomplete = _HeaderBlock(stream_id, flags & frames.END_STREAM, data)
        if flags & frames.END_HEADERS:
            self._complete()

    def handle_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self.incomplete is None:
            raise protocol_error(f"CONTINUATION without HEADERS on stream {stream_id}")
        self.incomplete.add(payload)
        if flags & frames.END_HEADERS:
            self._complete()

    def _complete(self) -> None:
        block, self.incomplete = self.incomplete, None
        if block is None:
            return
        connection = self._connection
        fields = self._decode(block)
        stream = connection.streams.get(block.stream_id)
        if stream:
            fields = _accepted(block.stream_id, fields)
            self._continue_stream(stream, fields, end=bool(block.end_stream))
        elif connection.is_server and not connection.was_opened(block.stream_id):
            self._open_stream(block.stream_id, fields, end=bool(block.end_stream))
        elif not connection.was_reset_here(block.stream_id):
            if not connection.was_opened(block.stream_id):
                raise protocol_error("header fields of a stream that was not opened")
            raise ConnectionFailed(
                Http2ErrorCode.STREAM_CLOSED, "header fields after the end of a stream"
            )

    def _decode(self, block: _HeaderBlock) -> Fields | FieldsRefused:
        # A refused list has been decoded to its end, so only its stream is concerned.
        try:
            return self._connection.decoder.decode(bytes(block.data))
        except FieldsRefused as refused:
            self._connection.charge_idle_frame(_COST_OF_REFUSED)
            return refused

    def _open_stream(self, stream_id: int, given: Fields | FieldsRefused, *, end: bool) -> None:
        connection = self._connection
        if stream_id % 2 == 0 or connection.accept is None:
            raise protocol_error("the stream ids of a client have to be odd")
        connection.last_peer_id = stream_id
        if len(connection.streams) >= connection.limits.streams:
            raise StreamFailed(stream_id, Http2ErrorCode.REFUSED_STREAM, "too many open streams")
        if isinstance(given, FieldsRefused) and connection.explain_refusal:
            block = connection.explain_refusal(given)
            connection.send_reply(frames.header_frames(stream_id, block, end_stream=True))
            connection.reject_stream(stream_id, Http2ErrorCode.NO_ERROR)
            return
        fields = _accepted(stream_id, given)
        problem = request_problem(fields)
        if problem:
            raise StreamFailed(stream_id, Http2ErrorCode.PROTOCOL_ERROR, problem)
        stream = Http2Stream(
            connection, stream_id, connection.stream_window, connection.initial_send_window
        )
        stream.headers_received = True
        stream.body_left = _content_length(stream_id, fields)
        connection.streams[stream_id] = stream
        stream.listener = connection.accept(stream, fields)
        if stream.listener is None:
            raise StreamFailed(
                stream_id, Http2ErrorCode.REFUSED_STREAM, "the server refused the stream"
            )
        if end:
            connection.handle_end(stream)

    def _continue_stream(self, stream: Http2Stream, fields: Fields, *, end: bool) -> None:
        """Handle response headers or trailers."""
        if not stream.remote_open:
            raise StreamFailed(
                stream.id,
                Http2ErrorCode.STREAM_CLOSED,
                "header fields after the end of the stream",
            )
        if stream.headers_received:
            problem = trailers_problem(fields) if end else "header fields inside a body"
        else:
            problem = response_problem(fields)
        if problem:
            raise StreamFailed(stream.id, Http2ErrorCode.PROTOCOL_ERROR, problem)
        if not stream.headers_received:
            if dict(fields)[":status"].startswith(_INFORMATIONAL) and not end:
                self._connection.charge_idle_frame()
                return
            stream.headers_received = True
            stream.body_left = _content_length(stream.id, fields)
        if stream.listener:
            stream.listener.on_headers(fields, end=end)
        if end and stream.remote_open:
            self._connection.handle_end(stream)


def _accepted(stream_id: int, given: Fields | FieldsRefused) -> Fields:
    if isinstance(given, FieldsRefused):
        raise StreamFailed(stream_id, given.code, given.reason)
    return given


def _content_length(stream_id: int, fields: Fields) -> int:
    given = {value for name, value in fields if name == "content-length"}
    if not given:
        return -1
    value = given.pop()
    if given or not (value.isascii() and value.isdecimal()):
        raise StreamFailed(
            stream_id, Http2ErrorCode.PROTOCOL_ERROR, "content-length is not one number"
        )
    return int(value)
