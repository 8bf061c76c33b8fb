"""The audio of a caller on its way to the runtime."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.events import Audio, CallRequest, Failed, SessionConfig

SAMPLE_RATES = range(8_000, 192_001)
CHANNELS = range(1, 9)

NO_AUDIO = Failed(
    ErrorCode.DUPLEX_UNSUPPORTED, "audio not supported: this agent takes no calls; write to it"
)

# Eight seconds of 16 kHz in 16 bits.
LIMIT_BYTES = 256 * 1024
# What a piece counts beside its bytes, so that empty ones are bounded too.
_PIECE_BYTES = 64
MAX_SEQUENCE = 0xFFFFFFFF


def agreed(request: CallRequest, offer: SessionConfig) -> SessionConfig | Failed:
    """Return what client and runtime agree on; what an offer leaves open stays as requested.

    A client can change its sample rate and its channels, not what it is able to encode.
    """
    codec = offer.codec or request.codec
    config = SessionConfig(
        codec, offer.sample_rate or request.sample_rate, offer.channels or request.channels
    )
    fits = config.sample_rate in SAMPLE_RATES and config.channels in CHANNELS
    if codec.lower() == request.codec.lower() and fits:
        return config
    return Failed(
        ErrorCode.UNSATISFIABLE_FORMAT,
        f"the agent wants {codec} at {config.sample_rate} Hz with {config.channels} channels, and "
        f"the call offers {request.codec}; call again with what the agent wants",
    )


class AudioQueue:
    """One writer, which stops while the queue is full; one reader, which waits while it is empty.

    Whoever writes on while it is full adds to it all the same: what has been received is kept.
    """

    __slots__ = (
        "_closed",
        "_delivered",
        "_filled",
        "_last",
        "_limit",
        "_pieces",
        "_room",
        "_size",
        "_taken",
    )

    def __init__(
        self,
        room: Callable[[], None],
        delivered: Callable[[float], None],
        limit: int = LIMIT_BYTES,
    ) -> None:
        """Begin empty.

        Args:
            room: called when the queue is no longer full.
            delivered: told how long a piece took to the runtime, in seconds.
            limit: in bytes.
        """
        self._room = room
        self._delivered = delivered
        self._limit = limit
        self._pieces: deque[tuple[Audio, float]] = deque()
        self._taken = 0.0
        self._size = 0
        self._last = 0
        self._closed = False
        self._filled: asyncio.Event | None = None

    @property
    def full(self) -> bool:
        """Whether the writer should stop."""
        return self._size >= self._limit

    def put(self, audio: Audio) -> None:
        """Add a piece; after the last one, none."""
        if self._closed:
            return
        self._closed = audio.is_last
        self._last = audio.sequence
        self._pieces.append((audio, time.perf_counter()))
        self._size += len(audio.data) + _PIECE_BYTES
        if self._filled:
            self._filled.set()

    def end(self) -> None:
        """Add the last piece, which is empty, unless it is there."""
        self.put(Audio(b"", (self._last + 1) & MAX_SEQUENCE, is_last=True))

    async def take(self) -> Audio:
        """Return the oldest piece."""
        while not self._pieces:
            self._filled = asyncio.Event()
            await self._filled.wait()
        was_full = self.full
        audio, self._taken = self._pieces.popleft()
        self._size -= len(audio.data) + _PIECE_BYTES
        if was_full and not self.full:
            self._room()
        return audio

    def delivered(self) -> None:
        """Learn that the runtime has what was taken last."""
        self._delivered(time.perf_counter() - self._taken)
