"""A turn that ended with an answer, for who looks at it afterwards."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_core.telemetry.tracing import Span
from omnia_runtime.turns.agent_version import AgentVersion


class EndedTurn(Struct, frozen=True):
    """A turn of a session, or a call of a function.

    Attributes:
        number: its number in the session, from 1.
        agent: the version that answered.
        messages: those of the turn, from the user's on.
        answer: all text of the turn.
        blocked: the type of the validator that blocked the answer; "" if none did.
        span: the span of the turn, which may have ended.
    """

    session_id: str
    number: int
    agent: AgentVersion
    messages: Sequence[Message]
    answer: str
    usage: Usage
    latency_ms: float
    blocked: str
    span: Span


TurnListener: TypeAlias = Callable[[EndedTurn], None]
"""Is called when a turn has ended and is stored. It must not take time, and must not raise."""
