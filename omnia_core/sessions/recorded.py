"""Sessions as they are read again, to be evaluated: by the command line, for the runtime."""

from collections.abc import Mapping

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.sessions.records import Message


class RecordedTurn(Struct, frozen=True):
    """What is recorded of a turn beside its messages.

    Attributes:
        latency_ms: how long its calls of models and tools took together; None if unknown.
        model_ms: how long those of models took.
        blocked: the type of the validator that blocked the answer.
    """

    usage: Usage = Usage()
    latency_ms: float | None = None
    model_ms: float = 0.0
    blocked: str = ""


class RecordedSession(Struct, frozen=True):
    """A session as it is stored.

    Attributes:
        messages: those that are kept.
        turns: by the number of the turn in its session, from 1.
        deleted_turns: how many turns were before the first message that is kept.
    """

    id: str
    messages: tuple[Message, ...]
    turns: Mapping[int, RecordedTurn] = {}
    deleted_turns: int = 0
