"""What is borne of a peer, and how it is told."""

from dataclasses import dataclass

from omnia_rpc.http2 import frames
from omnia_rpc.http2.compression import MAX_LIST_BYTES
from omnia_rpc.http2.frames import Setting


@dataclass(frozen=True)
class Limits:
    """How much of the peer is borne.

    Attributes:
        streams: how many the peer may have open at once.
        stream_window: bytes that the peer may send on a stream before somebody reads them.
        connection_window: bytes that may be under way on all streams together.
        idle_frames: frames in a row that move nothing, and resets of streams before an answer.
        answers: frames that wait to be sent only because the peer made us answer.
        touches: streams that are looked at for frames which concern all of them; 64 bytes of data
            bring one back.
        unsent: bytes of data that wait for the peer before each writer waits for its own.
    """

    streams: int = 20_000
    stream_window: int = 64 * 1024
    connection_window: int = 16 * 1024 * 1024
    idle_frames: int = 10_000
    answers: int = 5_000
    touches: int = 1_000_000
    unsent: int = 32 * 1024 * 1024


def greeting(limits: Limits, *, is_server: bool) -> bytes:
    """Return what either side says first."""
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
    opening = b"" if is_server else frames.PREFACE
    return opening + settings + frames.window_update(0, more)
