"""One HTTP/2 stream: its flow-control windows, and the data that waits to be sent."""

from collections import deque
from typing import Protocol

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import Fields

# Bytes that a stream buffers for a peer that does not read, before its writer has to wait.
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024
# A stream reports its buffer to the sender only when it grows by more than this.
_REPORT_STEP = 2 * 1024


class StreamListener(Protocol):
    """Receives the events of a stream. No method may raise."""

    def on_headers(self, fields: Fields, *, end: bool) -> None:
        """Called with the response headers or, when `end` is set, with the trailers."""

    def on_data(self, data: bytes) -> None:
        """Called with received bytes; `Http2Stream.consumed` returns their credit to the peer."""

    def on_end(self) -> None:
        """Called when the peer has sent everything."""

    def on_reset(self, code: Http2ErrorCode, reason: str) -> None:
        """Called when the stream is reset; data that was not sent yet is discarded."""

    def on_writable(self) -> None:
        """Called when a stream that was `full` accepts data again."""


class StreamSender(Protocol):
    """What a stream needs of the sender of its connection.

    Attributes:
        buffered: bytes that wait on all streams, as far as the streams have reported them.
        buffer_limit: above it, every writer whose stream grows has to wait.
    """

    buffered: int
    buffer_limit: int

    def discard(self, stream: "Http2Stream") -> None:
        """Discard what is queued of a stream that is closed."""


class StreamConnection(Protocol):
    """What a stream needs of its connection.

    Attributes:
        stream_window: the receive window of a stream, in bytes.
    """

    stream_window: int

    @property
    def sender(self) -> StreamSender:
        """The sender that the streams of the connection share."""

    def send_control(self, data: bytes) -> None:
        """Send frames before any data."""

    def queue_data(self, stream: "Http2Stream") -> None:
        """Queue a stream that has data and a window."""

    def queue_end(self, stream: "Http2Stream") -> None:
        """Queue a stream on which only the end has to be sent."""

    def reset_stream(self, stream: "Http2Stream", code: Http2ErrorCode) -> None:
        """Send RST_STREAM and close the stream."""


class Http2Stream:
    """One stream of a connection.

    Attributes:
        receive_window: bytes that the peer may still send.
        send_window: bytes that may still be sent; the peer can make it negative.
        remote_open: whether the peer may still send.
        local_open: whether this end may still send.
        headers_received: whether the request or response headers have arrived.
        headers_sent: whether response headers were sent.
        body_left: bytes of the body that have to follow, by its content-length; -1: unknown.
        pending: data that waits to be sent.
        buffered: the size of `pending` in bytes.
        full: whether a writer should wait for `StreamListener.on_writable`.
        queued: whether the stream is in a queue of the sender.
        ending: whether `end` was called.
    """

    __slots__ = (
        "_connection",
        "_report_above",
        "_reported",
        "_sender",
        "_uncredited",
        "body_left",
        "buffered",
        "ending",
        "full",
        "headers_received",
        "headers_sent",
        "id",
        "listener",
        "local_open",
        "pending",
        "queued",
        "receive_window",
        "remote_open",
        "send_window",
        "trailers",
    )

    def __init__(
        self, connection: StreamConnection, stream_id: int, receive_window: int, send_window: int
    ) -> None:
        self._connection = connection
        self._sender = connection.sender
        self.id = stream_id
        self.listener: StreamListener | None = None
        self.receive_window = receive_window
        self.send_window = send_window
        self.body_left = -1
        self.remote_open = True
        self.local_open = True
        self.headers_received = False
        self.headers_sent = False
        self.pending: deque[bytes | memoryview] = deque()
        self.buffered = 0
        self.full = False
        self.queued = False
        self.ending = False
        self.trailers = b""
        # Consumed bytes that the peer has not got back with a WINDOW_UPDATE yet.
        self._uncredited = 0
        # How much of `buffered` the sender knows, and from where on it has to be told again.
        self._reported = 0
        self._report_above = _REPORT_STEP

    def send_headers(self, block: bytes) -> None:
        """Send a header block before any data."""
        if self.local_open and not self.ending:
            self.headers_sent = True
            self._connection.send_control(frames.header_frames(self.id, block, end_stream=False))

    def send(self, data: bytes) -> None:
        """Send bytes as soon as flow control and the other streams allow it."""
        if not self.local_open or self.ending:
            return
        self.pending.append(data)
        self.buffered += len(data)
        if self.buffered > self._report_above:
            self._report()
        if not self.queued and self.send_window > 0:
            self._connection.queue_data(self)

    def end(self, trailers: bytes = b"") -> None:
        """End this direction after the pending data, with a block of trailers if there is one."""
        if not self.local_open or self.ending:
            return
        self.ending = True
        self.trailers = trailers
        if self.queued:
            return
        if not self.pending:
            self._connection.queue_end(self)
        elif self.send_window > 0:
            self._connection.queue_data(self)

    def consumed(self, count: int) -> None:
        """Return credit for received bytes to the peer, once it is worth a WINDOW_UPDATE."""
        self._uncredited += count
        if self._uncredited * 2 >= self._connection.stream_window and self.remote_open:
            self.receive_window += self._uncredited
            self._connection.send_control(frames.window_update(self.id, self._uncredited))
            self._uncredited = 0

    def reset(self, code: Http2ErrorCode) -> None:
        """Close the stream at once, in both directions."""
        self._connection.reset_stream(self, code)

    def data_written(self, count: int) -> None:
        """Called by the sender after it took `count` bytes of `pending`."""
        self.buffered -= count
        self.send_window -= count
        if self._reported:
            self._report()
            if self.full and self.buffered <= LOW_WATER:
                self.full = False
                if self.listener:
                    self.listener.on_writable()

    def discard(self) -> None:
        """Close both directions and discard the pending data."""
        self.local_open = self.remote_open = False
        self._sender.discard(self)
        self.pending.clear()
        self.buffered = 0
        self._report()
        self.full = False

    def _report(self) -> None:
        """Report the buffered bytes to the sender. Most streams hold too little to report."""
        sender, buffered = self._sender, self.buffered
        sender.buffered += buffered - self._reported
        if buffered > HIGH_WATER or (
            buffered > self._reported and sender.buffered > sender.buffer_limit
        ):
            self.full = True
        self._reported = buffered
        self._report_above = buffered + _REPORT_STEP
