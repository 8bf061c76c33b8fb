"""What a connection has to send, in an order that is fair to its streams."""

from collections import deque

from omnia_rpc.http2 import frames
from omnia_rpc.http2.stream import Stream

# One write to the socket. More waits for the next turn of the loop, so that reading gets its turn.
WRITE_BYTES = 256 * 1024
_FEW = 64


class Outbox:
    """Frames of the connection first, then the data of streams, a frame each in turn.

    Attributes:
        window: how many bytes of data the peer lets through on all streams together.
        held: bytes that wait on the streams that hold more than a little.
        limit: how many of them are borne before the writers of these streams have to wait.
    """

    __slots__ = ("_control", "_ends", "_gone", "_ready", "held", "limit", "window")

    def __init__(self, limit: int) -> None:
        self.window = frames.DEFAULT_WINDOW
        self.held = 0
        self.limit = limit
        self._control: list[bytes | memoryview] = []
        self._ready: deque[Stream] = deque()
        # Streams that need no window any more: they pass those that wait for one.
        self._ends: deque[Stream] = deque()
        # How many of those that are ready are not there any more.
        self._gone = 0

    @property
    def wants_to_write(self) -> bool:
        """Whether `take` would return something."""
        return bool(self._control or self._ends or (self._ready and self.window > 0))

    @property
    def stuck(self) -> int:
        """How many frames of the connection wait for a peer that does not read."""
        return len(self._control)

    def control(self, data: bytes) -> None:
        """Send frames before any data."""
        self._control.append(data)

    def queue(self, stream: Stream) -> None:
        """Give a stream with data its turn."""
        stream.queued = True
        self._ready.append(stream)

    def conclude(self, stream: Stream) -> None:
        """Give a stream its turn on which only its end is to be said."""
        stream.queued = True
        self._ends.append(stream)

    def left(self, stream: Stream) -> None:
        """Hold nothing of a stream that is not there any more."""
        if stream.queued and stream.waiting:
            self._gone += 1
            # A peer that resets what waits for its window must not leave it here.
            if self._gone > _FEW and self._gone * 2 > len(self._ready):
                alive = [each for each in self._ready if each.local_open]
                self._ready.clear()
                self._ready.extend(alive)
                self._gone = 0

    def take(self) -> tuple[bytes, list[Stream]]:
        """Return what to write now, and the streams on which everything is sent with it."""
        out, self._control = self._control, []
        finished: list[Stream] = []
        budget = WRITE_BYTES
        ends, ready = self._ends, self._ready
        while ends and budget > 0:
            stream = ends.popleft()
            if stream.local_open:
                budget -= self._write(stream, out, finished)
        while ready and budget > 0 and self.window > 0:
            stream = ready.popleft()
            if stream.local_open:
                budget -= self._write(stream, out, finished)
            else:
                self._gone -= 1
        return b"".join(out), finished

    def _write(self, stream: Stream, out: list[bytes | memoryview], finished: list[Stream]) -> int:
        """Write one frame of a stream's data, and its end when that was all."""
        waiting = stream.waiting
        # A peer may have made the window negative after the stream got its turn.
        size = max(0, min(stream.buffered, stream.allowed, self.window, frames.MAX_PAYLOAD))
        whole = size == stream.buffered
        ends = whole and stream.ending
        flags = frames.END_STREAM if ends and not stream.trailers else 0
        if size > 0:
            out.append(frames.head(size, frames.DATA, flags, stream.id))
            if whole:
                out.extend(waiting)
                waiting.clear()
            else:
                out.extend(_cut(waiting, size))
            self.window -= size
        elif whole:
            # What was to be sent was empty.
            waiting.clear()
            if ends and not stream.trailers:
                out.append(frames.head(0, frames.DATA, flags, stream.id))
        if ends:
            if stream.trailers:
                out.append(frames.header_frames(stream.id, stream.trailers, end_stream=True))
            finished.append(stream)
        stream.queued = False
        stream.written(size)
        if waiting and stream.allowed > 0 and not stream.queued:
            self.queue(stream)
        return size + frames.HEAD_BYTES


def _cut(waiting: deque[bytes | memoryview], size: int) -> list[bytes | memoryview]:
    """Take the first bytes without copying what stays."""
    pieces: list[bytes | memoryview] = []
    while size:
        first = waiting[0]
        if len(first) <= size:
            pieces.append(waiting.popleft())
            size -= len(first)
        else:
            view = memoryview(first)
            pieces.append(view[:size])
            waiting[0] = view[size:]
            size = 0
    return pieces
