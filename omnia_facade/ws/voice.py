"""Voice calls of a client: which audio starts a call, continues it or is ignored; their number."""

import re
from enum import Enum, auto

from prometheus_client import Gauge

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.backend.audio import CHANNELS, SAMPLE_RATES
from omnia_facade.backend.events import AudioInput, CallRequest
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.messages import FrameRefused, invalid_session_id

_CODEC = re.compile(r"[A-Za-z0-9._+-]{1,32}")


class VoiceCallLimit:
    """Limits the calls of a pod; each holds a stream to the runtime and a model session."""

    def __init__(self, limit: int, active: Gauge) -> None:
        """Allow `limit` calls at once; `active` shows how many there are."""
        self.limit = limit
        self._active = active
        self._count = 0

    def acquire(self) -> bool:
        """Count a call; False at the limit."""
        if self._count >= self.limit:
            return False
        self._count += 1
        self._active.inc()
        return True

    def release(self) -> None:
        """Count a call less."""
        self._count -= 1
        self._active.dec()


class AudioDecision(Enum):
    """What happens to a piece of audio."""

    STARTS_CALL = auto()
    CONTINUES_CALL = auto()
    IGNORED = auto()


class CallAudioState:
    """Relates pieces of audio to calls.

    Audio that continues after its call has ended or was refused is ignored. The next call begins
    after a hang-up, after a last piece, or with a sequence number that does not grow.
    """

    __slots__ = ("_ignored", "_in_call", "_last")

    def __init__(self) -> None:
        self._in_call = False
        self._last = 0
        self._ignored: int | None = None

    def receive(self, audio: AudioInput) -> AudioDecision:
        """Return the decision; after `STARTS_CALL` call `start` or `refuse`."""
        if self._in_call:
            self._last = audio.sequence
            self._in_call = not audio.is_last
            return AudioDecision.CONTINUES_CALL
        if self._ignored is not None and audio.sequence > self._ignored:
            self._ignored = None if audio.is_last else audio.sequence
            return AudioDecision.IGNORED
        return AudioDecision.STARTS_CALL

    def start(self, audio: AudioInput) -> None:
        """Start a call with this piece."""
        self._ignored = None
        self._last = audio.sequence
        self._in_call = not audio.is_last

    def refuse(self, audio: AudioInput) -> None:
        """Ignore this piece and the ones that continue it."""
        self._ignored = None if audio.is_last else audio.sequence

    def hang_up(self) -> None:
        """Called when the client hangs up: it sends no more audio for this call."""
        self._in_call = False
        self._ignored = None

    def end(self) -> None:
        """Called when the call has ended; the client may not know yet."""
        if self._in_call:
            self._in_call = False
            self._ignored = self._last


def call_request(frame: BinaryFrame, session_id: str) -> CallRequest:
    """Return the call that a frame starts, in `session_id` unless the frame names a session.

    Raises:
        FrameRefused: the session id or the audio format is invalid.
    """
    metadata = frame.metadata
    if metadata.session_id and not SESSION_ID_PATTERN.fullmatch(metadata.session_id):
        raise invalid_session_id()
    default = CallRequest(metadata.session_id or session_id)
    codec = metadata.codec or default.codec
    rate = default.sample_rate if metadata.sample_rate is None else metadata.sample_rate
    channels = default.channels if metadata.channels is None else metadata.channels
    if not _CODEC.fullmatch(codec) or rate not in SAMPLE_RATES or channels not in CHANNELS:
        raise FrameRefused(
            ErrorCode.UNSATISFIABLE_FORMAT,
            'expected a codec such as "pcm", a sample_rate of 8000 to 192000 and 1 to 8 channels, '
            f'found "{codec[:32]}", {rate} and {channels}',
        )
    return CallRequest(default.session_id, codec, rate, channels)
