"""A turn that ended with an answer, for listeners after it."""

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


def without_refused(messages: Sequence[Message]) -> list[Message]:
    """Return the messages of a function call without the answers that did not fit its schema.

    Each of them is followed by a request for another answer, which is left out too.
    """
    following = [each.role for each in messages[1:]]
    return [
        message
        for at, message in enumerate(messages)
        if at == 0
        or not (message.role == "user" or (at < len(following) and following[at] == "user"))
    ]
