"""What a conversation wants done."""

from typing import TypeAlias

from msgspec import Struct

from omnia_facade.dialogue.events import Audio, CallRequest, ToolAnswer, TurnRequest
from omnia_facade.media.port import UploadRequest
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline


class Send(Struct, frozen=True):
    """Write a text frame."""

    data: bytes


class SendMedia(Struct, frozen=True):
    """Write a frame with media, `size` bytes of it; a text frame unless `binary`."""

    data: bytes
    size: int
    binary: bool


class Probe(Struct, frozen=True):
    """Ask whether a session can be continued, and report to `probed`."""

    session_id: str


class StartTurn(Struct, frozen=True):
    """Have the message answered; report to `event` and `turn_ended` under this number.

    `accepted_at` is when the message came, by `time.perf_counter`.
    """

    number: int
    request: TurnRequest
    accepted_at: float


class StartCall(Struct, frozen=True):
    """Have the call taken; report as for a turn."""

    number: int
    request: CallRequest


class Hear(Struct, frozen=True):
    """Keep audio for the call that is running, or will be."""

    audio: Audio


class HangUp(Struct, frozen=True):
    """Ask the running call to end soon."""


class EndAudio(Struct, frozen=True):
    """Forget the audio that was kept for a call: it is over."""


class RequestUpload(Struct, frozen=True):
    """Ask for the permission to upload a file, and tell the client."""

    request: UploadRequest


class CancelTurn(Struct, frozen=True):
    """Ask the running turn or call to end soon."""


class Abandon(Struct, frozen=True):
    """Stop the probe, turn or call that is under way; nobody listens any more."""


class Close(Struct, frozen=True):
    """Close the connection."""

    code: int
    reason: str


MediaEffect: TypeAlias = Hear | HangUp | EndAudio | RequestUpload
RareEffect: TypeAlias = (
    CancelTurn
    | Abandon
    | Close
    | ToolAnswer
    | SetDeadline
    | ClearDeadline
    | SendMedia
    | MediaEffect
)
Effect: TypeAlias = Send | Probe | StartTurn | StartCall | RareEffect
