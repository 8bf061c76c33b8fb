"""Frames that carry fields: requests, responses, trailers."""

from omnia_rpc.http2 import frames
from omnia_rpc.http2.compression import FieldsRefused
from omnia_rpc.http2.connection import Connection, known
from omnia_rpc.http2.control import check_dependency
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    ErrorCode,
    StreamFailed,
    frame_size_error,
    protocol_error,
)
from omnia_rpc.http2.fields import Fields, request_problem, response_problem, trailers_problem
from omnia_rpc.http2.padding import unpadded
from omnia_rpc.http2.stream import Stream

MAX_BLOCK_BYTES = 256 * 1024
MAX_CONTINUATIONS = 64
# A list that is refused takes as long to read as so many small frames.
_COST_OF_REFUSED = 100
_INFORMATIONAL = "1"


class _Block:
    """A header block that may come in several frames."""

    def __init__(self, stream_id: int, end: int, data: bytes) -> None:
        self.stream_id = stream_id
        self.end = end
        self.data = bytearray(data)
        self._frames = 1

    def add(self, data: bytes) -> None:
        self.data += data
        self._frames += 1
        if len(self.data) > MAX_BLOCK_BYTES or self._frames > MAX_CONTINUATIONS:
            raise ConnectionFailed(ErrorCode.ENHANCE_YOUR_CALM, "the header block is too large")


class HeaderBlocks:
    """Puts blocks together, and opens or continues their streams.

    Attributes:
        open: the block of which more must come before anything else.
    """

    def __init__(self, connection: Connection) -> None:
        self.open: _Block | None = None
        self._connection = connection

    def headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        data = unpadded(payload, flags)
        if flags & frames.PRIORITISED:
            if len(data) < 5:  # noqa: PLR2004 - a dependency and a weight
                raise frame_size_error("HEADERS without its priority")
            check_dependency(stream_id, data)
            data = data[5:]
        known(self._connection, stream_id)
        self.open = _Block(stream_id, flags & frames.END_STREAM, data)
        if flags & frames.END_HEADERS:
            self._complete()

    def continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self.open is None:
            raise protocol_error(f"CONTINUATION without HEADERS on stream {stream_id}")
        self.open.add(payload)
        if flags & frames.END_HEADERS:
            self._complete()

    def _complete(self) -> None:
        block, self.open = self.open, None
        if block is None:
            return
        connection = self._connection
        fields = self._decoded(block)
        stream = connection.streams.get(block.stream_id)
        if stream:
            self._more_fields(stream, _taken(block.stream_id, fields), end=bool(block.end))
        elif connection.is_server and not known(connection, block.stream_id):
            self._new_stream(block.stream_id, fields, end=bool(block.end))
        elif not connection.was_reset_here(block.stream_id):
            if not known(connection, block.stream_id):
                raise protocol_error("fields of a stream that was not opened")
            raise ConnectionFailed(ErrorCode.STREAM_CLOSED, "fields after the end of a stream")

    def _decoded(self, block: _Block) -> Fields | FieldsRefused:
        # What is refused is known when the block was read to its end, and concerns its stream only.
        try:
            return self._connection.decoder.decode(bytes(block.data))
        except FieldsRefused as refused:
            self._connection.moved_nothing(_COST_OF_REFUSED)
            return refused

    def _new_stream(self, stream_id: int, given: Fields | FieldsRefused, *, end: bool) -> None:
        connection = self._connection
        if stream_id % 2 == 0 or connection.accept is None:
            raise protocol_error("a client's streams have odd ids")
        connection.last_peer_id = stream_id
        if len(connection.streams) >= connection.limits.streams:
            raise StreamFailed(stream_id, ErrorCode.REFUSED_STREAM, "too many streams")
        if isinstance(given, FieldsRefused) and connection.explain:
            block = connection.explain(given)
            connection.answer(frames.header_frames(stream_id, block, end_stream=True))
            connection.refuse(stream_id, ErrorCode.NO_ERROR)
            return
        fields = _taken(stream_id, given)
        problem = request_problem(fields)
        if problem:
            raise StreamFailed(stream_id, ErrorCode.PROTOCOL_ERROR, problem)
        stream = Stream(connection, stream_id, connection.stream_window, connection.initial_allowed)
        stream.responded = True
        stream.expected = _content_length(stream_id, fields)
        connection.streams[stream_id] = stream
        stream.listener = connection.accept(stream, fields)
        if stream.listener is None:
            raise StreamFailed(stream_id, ErrorCode.REFUSED_STREAM, "the stream is not taken")
        if end:
            connection.peer_ended(stream)

    def _more_fields(self, stream: Stream, fields: Fields, *, end: bool) -> None:
        """Take the fields of a response, or those after a body."""
        if not stream.remote_open:
            raise StreamFailed(stream.id, ErrorCode.STREAM_CLOSED, "fields after the end")
        if stream.responded:
            problem = trailers_problem(fields) if end else "fields in the middle of a body"
        else:
            problem = response_problem(fields)
        if problem:
            raise StreamFailed(stream.id, ErrorCode.PROTOCOL_ERROR, problem)
        if not stream.responded:
            if dict(fields)[":status"].startswith(_INFORMATIONAL) and not end:
                self._connection.moved_nothing()
                return
            stream.responded = True
            stream.expected = _content_length(stream.id, fields)
        if stream.listener:
            stream.listener.headers(fields, end=end)
        if end and stream.remote_open:
            self._connection.peer_ended(stream)


def _taken(stream_id: int, given: Fields | FieldsRefused) -> Fields:
    if isinstance(given, FieldsRefused):
        raise StreamFailed(stream_id, given.code, given.reason)
    return given


def _content_length(stream_id: int, fields: Fields) -> int:
    given = {value for name, value in fields if name == "content-length"}
    if not given:
        return -1
    value = given.pop()
    if given or not (value.isascii() and value.isdecimal()):
        raise StreamFailed(stream_id, ErrorCode.PROTOCOL_ERROR, "content-length is no number")
    return int(value)
