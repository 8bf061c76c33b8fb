"""The audio of a client: what begins a call, what belongs to one, and what is not heard."""

import re
from enum import Enum, auto

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.audio import CHANNELS, SAMPLE_RATES
from omnia_facade.dialogue.events import Audio, CallRequest
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.messages import SESSION_ID_PATTERN, Refused, bad_session_id

_CODEC = re.compile(r"[A-Za-z0-9._+-]{1,32}")


class Verdict(Enum):
    """What becomes of a piece of audio."""

    BEGINS = auto()
    GOES_ON = auto()
    IGNORED = auto()


class Voice:
    """Who speaks on when his call is over, or was refused, is not heard until he begins anew.

    He does by hanging up, by sending a last piece, or with a sequence number that does not grow.
    """

    __slots__ = ("_ignored", "_last", "_listening")

    def __init__(self) -> None:
        self._listening = False
        self._last = 0
        self._ignored: int | None = None

    def hear(self, audio: Audio) -> Verdict:
        """Take a piece of audio; one that begins a call needs `begin` or `refuse`."""
        if self._listening:
            self._last = audio.sequence
            self._listening = not audio.is_last
            return Verdict.GOES_ON
        if self._ignored is not None and audio.sequence > self._ignored:
            self._ignored = None if audio.is_last else audio.sequence
            return Verdict.IGNORED
        return Verdict.BEGINS

    def begin(self, audio: Audio) -> None:
        """Listen, from this piece on."""
        self._ignored = None
        self._last = audio.sequence
        self._listening = not audio.is_last

    def refuse(self, audio: Audio) -> None:
        """Ignore this piece and what follows it."""
        self._ignored = None if audio.is_last else audio.sequence

    def hang_up(self) -> None:
        """Learn that nothing follows."""
        self._listening = False
        self._ignored = None

    def end(self) -> None:
        """Learn that the call is over; the client may not know yet."""
        if self._listening:
            self._listening = False
            self._ignored = self._last


def call_request(frame: BinaryFrame, session_id: str) -> CallRequest:
    """Return the call that a frame begins, in `session_id` unless the frame names another.

    Raises:
        Refused: the session's id or the audio's form makes no sense.
    """
    about = frame.metadata
    if about.session_id and not SESSION_ID_PATTERN.fullmatch(about.session_id):
        raise bad_session_id()
    usual = CallRequest(about.session_id or session_id)
    codec = about.codec or usual.codec
    rate = usual.sample_rate if about.sample_rate is None else about.sample_rate
    channels = usual.channels if about.channels is None else about.channels
    if not _CODEC.fullmatch(codec) or rate not in SAMPLE_RATES or channels not in CHANNELS:
        raise Refused(
            ErrorCode.UNSATISFIABLE_FORMAT,
            'expected a codec such as "pcm", a sample_rate of 8000 to 192000 and 1 to 8 channels, '
            f'found "{codec[:32]}", {rate} and {channels}',
        )
    return CallRequest(usual.session_id, codec, rate, channels)
