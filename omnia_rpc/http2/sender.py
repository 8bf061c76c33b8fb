"""Orders the frames of a connection for writing, fair to its streams."""

from collections import deque

from omnia_rpc.http2 import frames
from omnia_rpc.http2.stream import Http2Stream

# At most this much goes into one write. The rest waits for the next round of the event loop, so
# that reading gets its share.
WRITE_BYTES = 256 * 1024
# A queue with fewer closed streams is not worth cleaning up.
_CLOSED_TOLERATED = 64


class FrameSender:
    """Sends control frames first, then the data of the streams, one frame of each in turn.

    Attributes:
        window: bytes of data that the peer's connection window still allows.
        buffered: bytes that wait on the streams that hold more than a little.
        buffer_limit: above it, every writer whose stream grows has to wait.
    """

    __slots__ = (
        "_closed",
        "_control",
        "_data_queue",
        "_end_queue",
        "buffer_limit",
        "buffered",
        "window",
    )

    def __init__(self, buffer_limit: int) -> None:
        self.window = frames.DEFAULT_WINDOW
        self.buffered = 0
        self.buffer_limit = buffer_limit
        self._control: list[bytes | memoryview] = []
        self._data_queue: deque[Http2Stream] = deque()
        # These streams need no window, so they overtake those that wait for one.
        self._end_queue: deque[Http2Stream] = deque()
        # How many streams of the data queue are closed already.
        self._closed = 0

    @property
    def wants_to_write(self) -> bool:
        """Whether `next_write` would return something."""
        return bool(self._control or self._end_queue or (self._data_queue and self.window > 0))

    @property
    def pending_control_frames(self) -> int:
        """How many control frames wait for a peer that does not read."""
        return len(self._control)

    def send_control(self, data: bytes) -> None:
        """Send frames before any data."""
        self._control.append(data)

    def queue_data(self, stream: Http2Stream) -> None:
        """Queue a stream that has data and a window."""
        stream.queued = True
        self._data_queue.append(stream)

    def queue_end(self, stream: Http2Stream) -> None:
        """Queue a stream on which only the end has to be sent."""
        stream.queued = True
        self._end_queue.append(stream)

    def discard(self, stream: Http2Stream) -> None:
        """Discard what is queued of a stream that is closed."""
        if stream.queued and stream.pending:
            self._closed += 1
            # A peer must not fill the queue with streams that it resets while they wait.
            if self._closed > _CLOSED_TOLERATED and self._closed * 2 > len(self._data_queue):
                still_open = [queued for queued in self._data_queue if queued.local_open]
                self._data_queue.clear()
                self._data_queue.extend(still_open)
                self._closed = 0

    def next_write(self) -> tuple[bytes, list[Http2Stream]]:
        """Return the bytes to write now, and the streams whose last frame is among them."""
        out, self._control = self._control, []
        finished: list[Http2Stream] = []
        budget = WRITE_BYTES
        ends, ready = self._end_queue, self._data_queue
        while ends and budget > 0:
            stream = ends.popleft()
            if stream.local_open:
                budget -= self._write(stream, out, finished)
        while ready and budget > 0 and self.window > 0:
            stream = ready.popleft()
            if stream.local_open:
                budget -= self._write(stream, out, finished)
            else:
                self._closed -= 1
        return b"".join(out), finished

    def _write(
        self, stream: Http2Stream, out: list[bytes | memoryview], finished: list[Http2Stream]
    ) -> int:
        """Write one DATA frame of a stream and, when that was all, its end; return the bytes."""
        pending = stream.pending
        # The peer may have made the window negative after the stream was queued.
        size = max(0, min(stream.buffered, stream.send_window, self.window, frames.MAX_PAYLOAD))
        whole = size == stream.buffered
        ends = whole and stream.ending
        flags = frames.END_STREAM if ends and not stream.trailers else 0
        if size > 0:
            out.append(frames.head(size, frames.DATA, flags, stream.id))
            if whole:
                out.extend(pending)
                pending.clear()
            else:
                out.extend(_split_off(pending, size))
            self.window -= size
        elif whole:
            # The pending data was empty.
            pending.clear()
            if ends and not stream.trailers:
                out.append(frames.head(0, frames.DATA, flags, stream.id))
        if ends:
            if stream.trailers:
                out.append(frames.header_frames(stream.id, stream.trailers, end_stream=True))
            finished.append(stream)
        stream.queued = False
        stream.data_written(size)
        if pending and stream.send_window > 0 and not stream.queued:
            self.queue_data(stream)
        return size + frames.HEAD_BYTES


def _split_off(pending: deque[bytes | memoryview], size: int) -> list[bytes | memoryview]:
    """Remove the first `size` bytes and return them, without copying the rest."""
    pieces: list[bytes | memoryview] = []
    while size:
        first = pending[0]
        if len(first) <= size:
            pieces.append(pending.popleft())
            size -= len(first)
        else:
            view = memoryview(first)
            pieces.append(view[:size])
            pending[0] = view[size:]
            size = 0
    return pieces
