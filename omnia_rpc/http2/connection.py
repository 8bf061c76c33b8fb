"""One end of a connection: its streams, its windows, and what it answers to a peer."""

from collections.abc import Callable

from omnia_rpc.http2 import frames
from omnia_rpc.http2.compression import FieldDecoder, FieldsRefused
from omnia_rpc.http2.errors import ConnectionFailed, ErrorCode, StreamFailed, protocol_error
from omnia_rpc.http2.fields import Fields
from omnia_rpc.http2.limits import Limits, greeting
from omnia_rpc.http2.sending import Outbox
from omnia_rpc.http2.stream import Listener, Stream

__all__ = ("Accept", "Connection", "Limits", "known")

_NOBODY = 0
_LAST_ID = 2**31 - 1
_BYTES_A_TOUCH = 64

Accept = Callable[[Stream, Fields], Listener | None]


class Connection:
    """State of a connection. Bytes go in by `receive` and come out by `take`.

    Attributes:
        failed: why the connection is over, once it is; what is left to send says so to the peer.
        peer_gone_at: the last of our streams that the peer has dealt with, once it takes no more.
        goodbye: how the peer said so.
        pinged: called when the peer answers a ping.
        opened: called when one more stream may be opened, or none any more.
        explain: makes the fields that tell a client why its own are not taken; else it gets a
            reset.
    """

    def __init__(
        self, *, wake: Callable[[], None], limits: Limits, accept: Accept | None = None
    ) -> None:
        """Begin.

        Args:
            wake: called when there is something to take.
            limits: what the peer may do.
            accept: takes the peer's streams, which makes this the server; None refuses a stream.
        """
        self.limits = limits
        self.stream_window = limits.stream_window
        self.streams: dict[int, Stream] = {}
        self.failed: ConnectionFailed | None = None
        self.peer_gone_at: int | None = None
        self.goodbye = ""
        self.pinged: Callable[[], None] = _nothing
        self.opened: Callable[[], None] = _nothing
        self.explain: Callable[[FieldsRefused], bytes] | None = None
        self.accept = accept
        self.last_peer_id = 0
        self.next_id = 1
        self.initial_allowed = frames.DEFAULT_WINDOW
        self.peer_streams = 2**31
        self.decoder = FieldDecoder()
        self.outbox = Outbox(limits.unsent)
        self.patience = limits.idle_frames
        self.resets_left = limits.idle_frames
        self._touches_left = limits.touches
        self._wake = wake
        self._answers = 0
        self._window = limits.connection_window
        self._unsaid = 0
        self._reset_here: dict[int, None] = {}
        self.control(greeting(limits, is_server=self.is_server))

    @property
    def is_server(self) -> bool:
        """Whether the peer opens the streams."""
        return self.accept is not None

    def open(self, block: bytes, listener: Listener) -> Stream:
        """Begin a stream with these fields; `can_open` says whether that is possible."""
        stream = Stream(self, self.next_id, self.stream_window, self.initial_allowed)
        stream.listener = listener
        self.streams[stream.id] = stream
        self.next_id += 2
        self.control(frames.header_frames(stream.id, block, end_stream=False))
        return stream

    @property
    def can_open(self) -> bool:
        """Whether the peer takes one more stream now."""
        return (
            self.failed is None
            and self.peer_gone_at is None
            and len(self.streams) < self.peer_streams
            and not self.is_used_up
        )

    @property
    def is_used_up(self) -> bool:
        """Whether there is no id left for one more stream of ours."""
        return self.next_id > _LAST_ID

    def take(self) -> bytes:
        """Return what to write now; `outbox.wants_to_write` says whether there is more."""
        self._answers = 0
        window = self.outbox.window
        data, finished = self.outbox.take()
        if self.outbox.window < window:
            self.patience = self.limits.idle_frames
            self._moved(window - self.outbox.window)
        for stream in finished:
            stream.local_open = False
            if self.is_server and stream.remote_open:
                # All is said: what the peer might still send is not wanted.
                self.reset(stream, ErrorCode.NO_ERROR)
            else:
                self._close_if_over(stream)
        return data

    def control(self, data: bytes) -> None:
        """Send frames as soon as possible."""
        self.outbox.control(data)
        self._wake()

    def answer(self, data: bytes) -> None:
        """Send frames that the peer asked for; one that asks without reading is cut off."""
        self._answers += 1
        if self._answers > self.limits.answers:
            raise ConnectionFailed(
                ErrorCode.ENHANCE_YOUR_CALM, "too many frames that want an answer"
            )
        self.control(data)

    def queue(self, stream: Stream) -> None:
        """Give a stream with data its turn to send."""
        self.outbox.queue(stream)
        self._wake()

    def conclude(self, stream: Stream) -> None:
        """Give a stream its turn on which only its end is to be said."""
        self.outbox.conclude(stream)
        self._wake()

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream at once; frames of the peer that are under way are ignored."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.forget()
        stream.listener = None
        self._remember(stream.id)
        self.control(frames.rst_stream(stream.id, code))
        self.opened()

    def refuse(self, stream_id: int, code: ErrorCode) -> None:
        """Answer a frame of a stream that is not there."""
        self._remember(stream_id)
        self.answer(frames.rst_stream(stream_id, code))

    def was_reset_here(self, stream_id: int) -> bool:
        """Whether the peer may not know yet that a stream is over."""
        return stream_id in self._reset_here

    def peer_ended(self, stream: Stream) -> None:
        """Note the peer's end of a stream."""
        stream.remote_open = False
        if stream.expected > 0:
            raise StreamFailed(
                stream.id, ErrorCode.PROTOCOL_ERROR, "the body is shorter than content-length"
            )
        listener = stream.listener
        self._close_if_over(stream)
        if listener:
            listener.ended()

    def drop(self, stream: Stream, code: ErrorCode, reason: str) -> None:
        """Forget a stream that the peer, or the end of the connection, has ended."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.forget()
        listener, stream.listener = stream.listener, None
        if listener:
            listener.reset(code, reason)
        self.opened()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self.control(frames.frame(frames.PING, 0, _NOBODY, b"omnia\0\0\0"))

    def announce_end(self) -> None:
        """Ask the peer to open no more streams; those that it opens meanwhile are served."""
        self.control(frames.goaway(frames.MAX_WINDOW, ErrorCode.NO_ERROR, ""))

    def end(self, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Say goodbye, and end every stream here."""
        if self.failed is None:
            self.failed = ConnectionFailed(code, reason)
            self.control(frames.goaway(self.last_peer_id, code, reason))
        told = "; ".join(
            each for each in (reason or "the connection was closed", self.goodbye) if each
        )
        for stream in list(self.streams.values()):
            self.drop(stream, code, told)
        self.opened()

    def received(self, size: int) -> None:
        """Count bytes of data against the connection's window, and open it again in time."""
        self._window -= size
        if self._window < 0:
            raise ConnectionFailed(
                ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window allows"
            )
        self._unsaid += size
        if self._unsaid * 2 >= self.limits.connection_window:
            self._window += self._unsaid
            self.control(frames.window_update(_NOBODY, self._unsaid))
            self._moved(self._unsaid)
            self._unsaid = 0

    def moved_nothing(self, cost: int = 1) -> None:
        """Count a frame that costs the peer little and brings nobody further."""
        self.patience -= cost
        if self.patience < 0:
            raise ConnectionFailed(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that move nothing")

    def touch_all(self) -> None:
        """Count the streams for a frame after which each of them is looked at."""
        self._touches_left -= len(self.streams)
        if self._touches_left < 0:
            raise ConnectionFailed(
                ErrorCode.ENHANCE_YOUR_CALM, "too many frames that concern every stream"
            )

    def _moved(self, size: int) -> None:
        touches = self._touches_left + size // _BYTES_A_TOUCH
        self._touches_left = min(touches, self.limits.touches)

    def _close_if_over(self, stream: Stream) -> None:
        if not stream.local_open and not stream.remote_open:
            self.streams.pop(stream.id, None)
            stream.listener = None
            self.resets_left = min(self.resets_left + 1, self.limits.idle_frames)
            self.opened()

    def _remember(self, stream_id: int) -> None:
        self._reset_here[stream_id] = None
        # All streams may be reset at once, with frames of each under way.
        if len(self._reset_here) > self.limits.streams:
            del self._reset_here[next(iter(self._reset_here))]


def _nothing() -> None:
    """Stand in until somebody wants to be told."""


def known(connection: Connection, stream_id: int) -> bool:
    """Whether a stream of this id was ever opened.

    Raises:
        ConnectionFailed: the id is 0, which no stream has.
    """
    if stream_id == _NOBODY:
        raise protocol_error("a frame of a stream with the stream id 0")
    if stream_id % 2 == (1 if connection.is_server else 0):
        return stream_id <= connection.last_peer_id
    return not connection.is_server and stream_id < connection.next_id
