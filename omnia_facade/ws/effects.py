"""What a conversation wants done."""

from typing import TypeAlias

from msgspec import Struct

from omnia_facade.turns.events import ToolAnswer, TurnRequest
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline


class Send(Struct, frozen=True):
    """Write a text frame."""

    data: bytes


class Probe(Struct, frozen=True):
    """Ask whether a session can be continued, and report to `probed`."""

    session_id: str


class StartTurn(Struct, frozen=True):
    """Have the message answered; report to `event` and `turn_ended` under this number."""

    number: int
    request: TurnRequest


class CancelTurn(Struct, frozen=True):
    """Ask the running turn to end soon."""


class Abandon(Struct, frozen=True):
    """Stop the probe or turn that is under way; nobody listens any more."""


class Close(Struct, frozen=True):
    """Close the connection."""

    code: int
    reason: str


Effect: TypeAlias = (
    Send
    | Probe
    | StartTurn
    | CancelTurn
    | Abandon
    | Close
    | ToolAnswer
    | SetDeadline
    | ClearDeadline
)
