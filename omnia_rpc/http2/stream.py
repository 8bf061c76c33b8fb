"""One stream: what may still be sent and received on it, and what waits to be sent."""

from collections import deque
from typing import TYPE_CHECKING, Protocol

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.fields import Fields

if TYPE_CHECKING:
    from omnia_rpc.http2.connection import Connection

# What a stream may hold for a peer that does not read, before its writer has to wait.
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024
_LITTLE = 2 * 1024


class Listener(Protocol):
    """Whom a stream belongs to. No method may raise."""

    def headers(self, fields: Fields, *, end: bool) -> None:
        """Take fields: those of the response or, with `end`, the last ones."""

    def data(self, data: bytes) -> None:
        """Take bytes; `Stream.consumed` says when their place is free again."""

    def ended(self) -> None:
        """Learn that the peer sends nothing more, after what it sent so far."""

    def reset(self, code: ErrorCode, reason: str) -> None:
        """Learn that the stream is gone, with what was not sent yet."""

    def writable(self) -> None:
        """Learn that a stream that was full may be written to again."""


class Stream:
    """One stream of a connection.

    Attributes:
        window: how many bytes the peer may still send.
        allowed: how many bytes may still be sent; the peer can make it negative.
        answered: whether fields were sent on a stream of the peer.
        expected: bytes of the body that are still to come, where the peer said how many.
        buffered: how many bytes wait to be sent.
        full: whether a writer should wait for `Listener.writable`.
        queued: whether it has its turn to send.
    """

    __slots__ = (
        "_connection",
        "_counted",
        "_mark",
        "_outbox",
        "_unsaid",
        "allowed",
        "answered",
        "buffered",
        "ending",
        "expected",
        "full",
        "id",
        "listener",
        "local_open",
        "queued",
        "remote_open",
        "responded",
        "trailers",
        "waiting",
        "window",
    )

    def __init__(self, connection: "Connection", stream_id: int, window: int, allowed: int) -> None:
        self._connection = connection
        self._outbox = connection.outbox
        self.id = stream_id
        self.listener: Listener | None = None
        self.window = window
        self.allowed = allowed
        self.expected = -1
        self.remote_open = True
        self.local_open = True
        self.responded = False
        self.answered = False
        self.waiting: deque[bytes | memoryview] = deque()
        self.buffered = 0
        self.full = False
        self.queued = False
        self.ending = False
        self.trailers = b""
        self._unsaid = 0
        # How much of what waits the connection knows of, and from where on it wants to know more.
        self._counted = 0
        self._mark = _LITTLE

    def send_headers(self, block: bytes) -> None:
        """Send fields before any data."""
        if self.local_open and not self.ending:
            self.answered = True
            self._connection.control(frames.header_frames(self.id, block, end_stream=False))

    def send(self, data: bytes) -> None:
        """Send bytes when the peer and the others on the connection let them through."""
        if not self.local_open or self.ending:
            return
        self.waiting.append(data)
        self.buffered += len(data)
        if self.buffered > self._mark:
            self._count()
        if not self.queued and self.allowed > 0:
            self._connection.queue(self)

    def end(self, trailers: bytes = b"") -> None:
        """Send nothing more, after what waits and this block of fields."""
        if not self.local_open or self.ending:
            return
        self.ending = True
        self.trailers = trailers
        if self.queued:
            return
        if not self.waiting:
            self._connection.conclude(self)
        elif self.allowed > 0:
            self._connection.queue(self)

    def consumed(self, count: int) -> None:
        """Let the peer send so many bytes more, once it is worth a frame."""
        self._unsaid += count
        if self._unsaid * 2 >= self._connection.stream_window and self.remote_open:
            self.window += self._unsaid
            self._connection.control(frames.window_update(self.id, self._unsaid))
            self._unsaid = 0

    def reset(self, code: ErrorCode) -> None:
        """End the stream at once, in both directions."""
        self._connection.reset(self, code)

    def written(self, count: int) -> None:
        """Learn that so many of the waiting bytes went out."""
        self.buffered -= count
        self.allowed -= count
        if self._counted:
            self._count()
            if self.full and self.buffered <= LOW_WATER:
                self.full = False
                if self.listener:
                    self.listener.writable()

    def forget(self) -> None:
        """Hold nothing more for either side."""
        self.local_open = self.remote_open = False
        self._outbox.left(self)
        self.waiting.clear()
        self.buffered = 0
        self._count()
        self.full = False

    def _count(self) -> None:
        """Tell the connection what waits here, which few streams do: most hold a message or two."""
        outbox, buffered = self._outbox, self.buffered
        outbox.held += buffered - self._counted
        if buffered > HIGH_WATER or (buffered > self._counted and outbox.held > outbox.limit):
            self.full = True
        self._counted = buffered
        self._mark = buffered + _LITTLE
