"""What a connection has to send, in an order that is fair to its streams."""

from collections import deque

from omnia_core.http2 import frames
from omnia_core.http2.stream import Stream

# One write to the socket. More waits for the next turn of the loop, so that reading gets its turn.
WRITE_BYTES = 256 * 1024


class Outbox:
    """Frames of the connection first, then the data of streams, a frame each in turn.

    Attributes:
        window: how many bytes of data the peer lets through on all streams together.
    """

    __slots__ = ("_control", "_ready", "window")

    def __init__(self) -> None:
        self.window = frames.DEFAULT_WINDOW
        self._control: list[bytes | memoryview] = []
        self._ready: deque[Stream] = deque()

    @property
    def wants_to_write(self) -> bool:
        """Whether `take` would return something."""
        return bool(self._control) or (
            bool(self._ready) and (self.window > 0 or any(not each.waiting for each in self._ready))
        )

    def control(self, data: bytes) -> None:
        """Send frames before any data."""
        self._control.append(data)

    def queue(self, stream: Stream) -> None:
        """Give a stream its turn."""
        stream.queued = True
        self._ready.append(stream)

    def take(self) -> tuple[bytes, list[Stream]]:
        """Return what to write now, and the streams on which everything is sent with it."""
        out, self._control = self._control, []
        finished: list[Stream] = []
        budget = WRITE_BYTES
        blocked: list[Stream] = []
        ready = self._ready
        while ready and budget > 0:
            stream = ready.popleft()
            if not stream.local_open:
                stream.queued = False
            elif stream.waiting and self.window <= 0:
                blocked.append(stream)
            else:
                budget -= self._write(stream, out, finished)
        ready.extendleft(reversed(blocked))
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
        elif ends and not stream.trailers:
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
