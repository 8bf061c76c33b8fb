"""Sessions that are read for an evaluation: their messages, and the records of their turns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.records import Message, Session

# Of the audit trail: each begins with its turn. The last of the first two is the duration in ms,
# before it are the fields of `Usage`.
ModelRow: TypeAlias = tuple[int, int, int, int, float, float]
ToolRow: TypeAlias = tuple[int, float]
EventRow: TypeAlias = tuple[int, datetime, str, str]

BLOCKED = (EventKind.OUTPUT_BLOCKED, EventKind.INPUT_BLOCKED)
TOLD_BY_EVENTS = (*BLOCKED, EventKind.TURN_BEGAN, EventKind.TURN_ENDED)
"""The events that `with_trail` reads."""


class RecordedTurn(Struct, frozen=True):
    """The records of a turn besides its messages.

    Attributes:
        latency_ms: from its beginning to its end; None if unknown.
        model_ms: how long its calls of models took together.
        blocked: the type of the validator that blocked the message or the answer.
    """

    usage: Usage = Usage()
    latency_ms: float | None = None
    model_ms: float = 0.0
    blocked: str = ""


class RecordedSession(Struct, frozen=True):
    """A session as it is stored.

    Attributes:
        turns: by the number of the turn in its session, from 1; {} where no audit trail is kept.
    """

    session: Session
    turns: Mapping[int, RecordedTurn] = {}

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.session.id

    @property
    def messages(self) -> Sequence[Message]:
        """The messages that are kept."""
        return self.session.messages


def with_trail(
    session: Session,
    turns: int,
    models: Iterable[ModelRow],
    tools: Iterable[ToolRow],
    events: Iterable[EventRow],
) -> RecordedSession:
    """Return a session with the turns of its audit trail.

    Args:
        session: its messages.
        turns: how many turns the trail counts. Messages that were said elsewhere, before the
            session, are in no trail: its numbers are those of the last turns.
        models: the calls of models for answers, whose `attempt` is not 0.
        tools: the calls of tools.
        events: those of `TOLD_BY_EVENTS`; others may be among them.
    """
    usage: defaultdict[int, Usage] = defaultdict(Usage)
    model_ms: defaultdict[int, float] = defaultdict(float)
    calls_ms: defaultdict[int, float] = defaultdict(float)
    times: dict[tuple[int, str], datetime] = {}
    blocked: dict[int, str] = {}
    for turn, asked, answered, cached, cost, milliseconds in models:
        usage[turn] += Usage(asked, answered, cached, cost)
        model_ms[turn] += milliseconds
        calls_ms[turn] += milliseconds
    for turn, milliseconds in tools:
        calls_ms[turn] += milliseconds
    for turn, at, kind, detail in events:
        times[turn, kind] = at
        if kind in BLOCKED:
            blocked[turn] = detail
    known = {*calls_ms, *(turn for turn, _ in times)}
    earlier = session.turns - turns
    return RecordedSession(
        session,
        {
            turn + earlier: RecordedTurn(
                usage[turn],
                _duration(times, turn, calls_ms.get(turn)),
                model_ms[turn],
                blocked.get(turn, ""),
            )
            for turn in sorted(known)
        },
    )


def _duration(
    times: Mapping[tuple[int, str], datetime], turn: int, calls_ms: float | None
) -> float | None:
    """Return how long a turn took in ms: by its events, else what its calls took together."""
    began, ended = times.get((turn, EventKind.TURN_BEGAN)), times.get((turn, EventKind.TURN_ENDED))
    if began is None or ended is None:
        return calls_ms
    return (ended - began).total_seconds() * 1000
