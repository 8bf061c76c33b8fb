"""The user's audio of a call on its way to the runtime: format negotiation and queue."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.backend.events import AudioInput, CallRequest, Failed, SessionConfig

SAMPLE_RATES = range(8_000, 192_001)
CHANNELS = range(1, 9)

AUDIO_UNSUPPORTED = Failed(
    ErrorCode.DUPLEX_UNSUPPORTED, "audio not supported: this agent takes no calls; write to it"
)

# Eight seconds of 16 kHz in 16 bits.
LIMIT_BYTES = 256 * 1024
# Added to the size of each piece, so that empty pieces are bounded too.
_PIECE_BYTES = 64
MAX_SEQUENCE = 0xFFFFFFFF


def negotiated_format(request: CallRequest, offer: SessionConfig) -> SessionConfig | Failed:
    """Return the format of both sides; a field that the offer omits stays as requested.

    A client can change its sample rate and its channels, but not its codec.
    """
    codec = offer.codec or request.codec
    config = SessionConfig(
        codec, offer.sample_rate or request.sample_rate, offer.channels or request.channels
    )
    supported = config.sample_rate in SAMPLE_RATES and config.channels in CHANNELS
    if codec.lower() == request.codec.lower() and supported:
        return config
    return Failed(
        ErrorCode.UNSATISFIABLE_FORMAT,
        f"the agent wants {codec} at {config.sample_rate} Hz with {config.channels} channels, and "
        f"the call offers {request.codec}; call again with what the agent wants",
    )


class AudioQueue:
    """A queue with one writer and one reader, bounded by its writer.

    The writer should stop while the queue is full; audio that it puts nevertheless is kept. The
    reader waits while the queue is empty.
    """

    __slots__ = (
        "_closed",
        "_filled",
        "_last",
        "_limit",
        "_on_delivered",
        "_on_room",
        "_pieces",
        "_size",
        "_taken_at",
    )

    def __init__(
        self,
        on_room: Callable[[], None],
        on_delivered: Callable[[float], None],
        limit: int = LIMIT_BYTES,
    ) -> None:
        """Begin empty.

        Args:
            on_room: called when the queue is no longer full.
            on_delivered: called with the seconds from the arrival of a piece to its delivery.
            limit: in bytes.
        """
        self._on_room = on_room
        self._on_delivered = on_delivered
        self._limit = limit
        self._pieces: deque[tuple[AudioInput, float]] = deque()
        self._taken_at = 0.0
        self._size = 0
        self._last = 0
        self._closed = False
        self._filled: asyncio.Event | None = None

    @property
    def full(self) -> bool:
        """Whether the writer should stop."""
        return self._size >= self._limit

    def put(self, audio: AudioInput) -> None:
        """Add a piece; pieces after the last one are dropped."""
        if self._closed:
            return
        self._closed = audio.is_last
        self._last = audio.sequence
        self._pieces.append((audio, time.perf_counter()))
        self._size += len(audio.data) + _PIECE_BYTES
        if self._filled:
            self._filled.set()

    def end(self) -> None:
        """Add an empty last piece, unless there is a last piece already."""
        self.put(AudioInput(b"", (self._last + 1) & MAX_SEQUENCE, is_last=True))

    async def take(self) -> AudioInput:
        """Remove and return the oldest piece."""
        while not self._pieces:
            self._filled = asyncio.Event()
            await self._filled.wait()
        was_full = self.full
        audio, self._taken_at = self._pieces.popleft()
        self._size -= len(audio.data) + _PIECE_BYTES
        if was_full and not self.full:
            self._on_room()
        return audio

    def delivered(self) -> None:
        """Called when the runtime has received the piece taken last."""
        self._on_delivered(time.perf_counter() - self._taken_at)
