"""The effects that a conversation asks the connection to execute."""

from typing import TypeAlias

from msgspec import Struct

from omnia_facade.backend.events import AudioInput, CallRequest, ClientToolResult, TurnRequest
from omnia_facade.media.port import UploadRequest
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline


class Send(Struct, frozen=True):
    """Send a text frame."""

    data: bytes


class SendMedia(Struct, frozen=True):
    """Send a frame with `size` bytes of media; a text frame unless `binary`."""

    data: bytes
    size: int
    binary: bool


class ProbeSession(Struct, frozen=True):
    """Ask the backend whether a session can be continued, and report to `probed`."""

    session_id: str


class StartTurn(Struct, frozen=True):
    """Run a turn; report to `turn_event` and `turn_ended` with this number.

    `accepted_at` is when the message arrived, by `time.perf_counter`.
    """

    number: int
    request: TurnRequest
    accepted_at: float


class StartCall(Struct, frozen=True):
    """Run a voice call; report as for a turn."""

    number: int
    request: CallRequest


class QueueAudio(Struct, frozen=True):
    """Queue audio for the running call, or for the one that starts next."""

    audio: AudioInput


class HangUp(Struct, frozen=True):
    """Ask the running call to end soon."""


class DropAudio(Struct, frozen=True):
    """Drop the queued audio of a call: the call has ended."""


class RequestUpload(Struct, frozen=True):
    """Request an upload ticket and send it to the client."""

    request: UploadRequest


class CancelTurn(Struct, frozen=True):
    """Ask the running turn or call to end soon."""


class Abandon(Struct, frozen=True):
    """Cancel the running probe, turn or call; its result is not needed any more."""


class Close(Struct, frozen=True):
    """Close the connection."""

    code: int
    reason: str


MediaEffect: TypeAlias = QueueAudio | HangUp | DropAudio | RequestUpload
RareEffect: TypeAlias = (
    CancelTurn
    | Abandon
    | Close
    | ClientToolResult
    | SetDeadline
    | ClearDeadline
    | SendMedia
    | MediaEffect
)
Effect: TypeAlias = Send | ProbeSession | StartTurn | StartCall | RareEffect
