"""The state of one end of an HTTP/2 connection: streams, flow control, limits and shutdown."""

from collections.abc import Callable
from dataclasses import dataclass

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import (
    ConnectionFailed,
    Http2ErrorCode,
    StreamFailed,
    protocol_error,
)
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import MAX_LIST_BYTES, Fields, FieldsRefused, HpackDecoder
from omnia_rpc.http2.sender import FrameSender
from omnia_rpc.http2.stream import Http2Stream, StreamListener

# Frames of the connection as a whole have this stream id.
_CONNECTION = 0
_LAST_ID = 2**31 - 1
_BYTES_PER_VISIT = 64

AcceptStream = Callable[[Http2Stream, Fields], StreamListener | None]


@dataclass(frozen=True)
class PeerLimits:
    """What the peer may cost before the connection is closed.

    Attributes:
        streams: streams that the peer may have open at once.
        stream_window: bytes that the peer may send on a stream before they are consumed.
        connection_window: bytes that may be in flight on all streams together.
        idle_frames: consecutive frames that make no progress, and streams that are reset before
            they are answered.
        replies: frames that wait to be sent and only reply to frames of the peer.
        stream_visits: streams that are visited for frames which concern all of them; every 64
            bytes of data earn one back.
        unsent: bytes of data that wait for the peer before every writer has to wait.
    """

    streams: int = 20_000
    stream_window: int = 64 * 1024
    connection_window: int = 16 * 1024 * 1024
    idle_frames: int = 10_000
    replies: int = 5_000
    stream_visits: int = 1_000_000
    unsent: int = 32 * 1024 * 1024


class Http2Connection:
    """One end of a connection, without I/O.

    `FrameReceiver` puts received bytes in; `data_to_send` returns what to write.

    Attributes:
        failed: why the connection is closed; None while it is open.
        goaway_last_id: the last of our streams that the peer processes, once it sent GOAWAY.
        goaway_reason: the reason of that GOAWAY, as text for logs.
        on_pong: called when the peer acknowledges a PING.
        on_capacity: called when a stream may be opened, or when none may be opened any more.
        explain_refusal: makes the header block that answers a request whose fields are refused;
            without it, such a request is reset.
    """

    def __init__(
        self, *, wake: Callable[[], None], limits: PeerLimits, accept: AcceptStream | None = None
    ) -> None:
        """Create one end; what it sends first waits in `data_to_send`.

        Args:
            wake: called when there is something to send.
            limits: what the peer may cost.
            accept: called with each stream of the peer, which makes this end the server; it
                returns the stream's listener, or None to refuse the stream.
        """
        self.limits = limits
        self.stream_window = limits.stream_window
        self.streams: dict[int, Http2Stream] = {}
        self.failed: ConnectionFailed | None = None
        self.goaway_last_id: int | None = None
        self.goaway_reason = ""
        self.on_pong: Callable[[], None] = _do_nothing
        self.on_capacity: Callable[[], None] = _do_nothing
        self.explain_refusal: Callable[[FieldsRefused], bytes] | None = None
        self.accept = accept
        self.last_peer_id = 0
        self.next_id = 1
        self.initial_send_window = frames.DEFAULT_WINDOW
        self.peer_max_streams = 2**31
        self.decoder = HpackDecoder()
        self.sender = FrameSender(limits.unsent)
        self.idle_frames_left = limits.idle_frames
        self.resets_left = limits.idle_frames
        self._visits_left = limits.stream_visits
        self._wake = wake
        self._replies = 0
        self._receive_window = limits.connection_window
        # Received bytes that the peer has not got back with a WINDOW_UPDATE yet.
        self._uncredited = 0
        # Streams that were reset here; the peer may not know it yet. A dict keeps their order.
        self._reset_here: dict[int, None] = {}
        self.send_control(first_frames(limits, is_server=self.is_server))

    @property
    def is_server(self) -> bool:
        """Whether the peer opens the streams."""
        return self.accept is not None

    def open_stream(self, block: bytes, listener: StreamListener) -> Http2Stream:
        """Open a stream with this header block; check `can_open_stream` before."""
        stream = Http2Stream(self, self.next_id, self.stream_window, self.initial_send_window)
        stream.listener = listener
        self.streams[stream.id] = stream
        self.next_id += 2
        self.send_control(frames.header_frames(stream.id, block, end_stream=False))
        return stream

    @property
    def can_open_stream(self) -> bool:
        """Whether the peer accepts one more stream now."""
        return (
            self.failed is None
            and self.goaway_last_id is None
            and len(self.streams) < self.peer_max_streams
            and not self.ids_exhausted
        )

    @property
    def ids_exhausted(self) -> bool:
        """Whether no stream id is left for this end."""
        return self.next_id > _LAST_ID

    def data_to_send(self) -> bytes:
        """Return the bytes to write now; `sender.wants_to_write` says whether there are more."""
        self._replies = 0
        window = self.sender.window
        data, finished = self.sender.next_write()
        if self.sender.window < window:
            self.idle_frames_left = self.limits.idle_frames
            self._earn_visits(window - self.sender.window)
        for stream in finished:
            stream.local_open = False
            if self.is_server and stream.remote_open:
                # The response is complete: the rest of the request is not needed.
                self.reset_stream(stream, Http2ErrorCode.NO_ERROR)
            else:
                self._close_if_done(stream)
        return data

    def send_control(self, data: bytes) -> None:
        """Send frames before any data."""
        self.sender.send_control(data)
        self._wake()

    def send_reply(self, data: bytes) -> None:
        """Send frames that the peer requested.

        Raises:
            ConnectionFailed: the peer requests too many without reading them.
        """
        self._replies += 1
        if self._replies > self.limits.replies:
            raise ConnectionFailed(
                Http2ErrorCode.ENHANCE_YOUR_CALM, "too many frames that require a reply"
            )
        self.send_control(data)

    def queue_data(self, stream: Http2Stream) -> None:
        """Queue a stream that has data and a window."""
        self.sender.queue_data(stream)
        self._wake()

    def queue_end(self, stream: Http2Stream) -> None:
        """Queue a stream on which only the end has to be sent."""
        self.sender.queue_end(stream)
        self._wake()

    def reset_stream(self, stream: Http2Stream, code: Http2ErrorCode) -> None:
        """Send RST_STREAM and close the stream; frames of it that are in flight are ignored."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.discard()
        stream.listener = None
        self._remember_reset(stream.id)
        self.send_control(frames.rst_stream(stream.id, code))
        self.on_capacity()

    def reject_stream(self, stream_id: int, code: Http2ErrorCode) -> None:
        """Reply with RST_STREAM to a frame of the peer."""
        self._remember_reset(stream_id)
        self.send_reply(frames.rst_stream(stream_id, code))

    def was_reset_here(self, stream_id: int) -> bool:
        """Whether this end reset a stream, so that the peer may not know it yet."""
        return stream_id in self._reset_here

    def handle_end(self, stream: Http2Stream) -> None:
        """Handle the peer's END_STREAM.

        Raises:
            StreamFailed: the body is shorter than its content-length.
        """
        stream.remote_open = False
        if stream.body_left > 0:
            raise StreamFailed(
                stream.id,
                Http2ErrorCode.PROTOCOL_ERROR,
                "the body is shorter than its content-length",
            )
        listener = stream.listener
        self._close_if_done(stream)
        if listener:
            listener.on_end()

    def drop_stream(self, stream: Http2Stream, code: Http2ErrorCode, reason: str) -> None:
        """Close a stream that the peer, or the end of the connection, has ended."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.discard()
        listener, stream.listener = stream.listener, None
        if listener:
            listener.on_reset(code, reason)
        self.on_capacity()

    def send_ping(self) -> None:
        """Send a PING; `on_pong` is called when the peer acknowledges it."""
        self.send_control(frames.frame(frames.PING, 0, _CONNECTION, b"omnia\0\0\0"))

    def announce_shutdown(self) -> None:
        """Ask the peer to open no more streams; streams that it opens meanwhile are served."""
        self.send_control(frames.goaway(frames.MAX_WINDOW, Http2ErrorCode.NO_ERROR, ""))

    def close(self, code: Http2ErrorCode = Http2ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Send GOAWAY and close every stream."""
        if self.failed is None:
            self.failed = ConnectionFailed(code, reason)
            self.send_control(frames.goaway(self.last_peer_id, code, reason))
        reasons = (reason or "the connection was closed", self.goaway_reason)
        text = "; ".join(known for known in reasons if known)
        for stream in list(self.streams.values()):
            self.drop_stream(stream, code, text)
        self.on_capacity()

    def count_received(self, size: int) -> None:
        """Count received data against the connection window, and reopen the window in time.

        Raises:
            ConnectionFailed: the peer sent more than the window allows.
        """
        self._receive_window -= size
        if self._receive_window < 0:
            raise ConnectionFailed(
                Http2ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection window allows"
            )
        self._uncredited += size
        if self._uncredited * 2 >= self.limits.connection_window:
            self._receive_window += self._uncredited
            self.send_control(frames.window_update(_CONNECTION, self._uncredited))
            self._earn_visits(self._uncredited)
            self._uncredited = 0

    def charge_idle_frame(self, cost: int = 1) -> None:
        """Charge the peer for a frame that makes no progress (PING, empty DATA, …).

        Raises:
            ConnectionFailed: there were too many.
        """
        self.idle_frames_left -= cost
        if self.idle_frames_left < 0:
            raise ConnectionFailed(
                Http2ErrorCode.ENHANCE_YOUR_CALM, "too many frames that make no progress"
            )

    def charge_all_streams(self) -> None:
        """Charge the peer for a frame for which every stream has to be visited.

        Raises:
            ConnectionFailed: there were too many visits.
        """
        self._visits_left -= len(self.streams)
        if self._visits_left < 0:
            raise ConnectionFailed(
                Http2ErrorCode.ENHANCE_YOUR_CALM, "too many frames that concern every stream"
            )

    def was_opened(self, stream_id: int) -> bool:
        """Whether a stream with this id was ever opened.

        Raises:
            ConnectionFailed: the id is 0, which is not the id of a stream.
        """
        if stream_id == _CONNECTION:
            raise protocol_error("a frame of a stream with the stream id 0")
        if stream_id % 2 == (1 if self.is_server else 0):
            return stream_id <= self.last_peer_id
        return not self.is_server and stream_id < self.next_id

    def _earn_visits(self, size: int) -> None:
        visits = self._visits_left + size // _BYTES_PER_VISIT
        self._visits_left = min(visits, self.limits.stream_visits)

    def _close_if_done(self, stream: Http2Stream) -> None:
        if not stream.local_open and not stream.remote_open:
            self.streams.pop(stream.id, None)
            stream.listener = None
            self.resets_left = min(self.resets_left + 1, self.limits.idle_frames)
            self.on_capacity()

    def _remember_reset(self, stream_id: int) -> None:
        self._reset_here[stream_id] = None
        # All streams may be reset at once, with frames of each of them in flight.
        if len(self._reset_here) > self.limits.streams:
            del self._reset_here[next(iter(self._reset_here))]


def first_frames(limits: PeerLimits, *, is_server: bool) -> bytes:
    """Return what an end sends first: the client's preface, SETTINGS and the connection window."""
    values = {
        Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
        Setting.MAX_HEADER_LIST_SIZE: MAX_LIST_BYTES,
    }
    if is_server:
        values[Setting.MAX_CONCURRENT_STREAMS] = limits.streams
    else:
        values[Setting.ENABLE_PUSH] = 0
    settings = frames.settings({int(name): value for name, value in values.items()})
    more = limits.connection_window - frames.DEFAULT_WINDOW
    preface = b"" if is_server else frames.PREFACE
    return preface + settings + frames.window_update(_CONNECTION, more)


def _do_nothing() -> None:
    """The default callback."""
