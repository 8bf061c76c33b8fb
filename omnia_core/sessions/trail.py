"""The audit trail of the last turns of a session, as it is read again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.sessions.audit import ProviderCall, RuntimeEvent, ToolExecution

MOST_RECORDS = 2000
"""How many records of each kind are read, the newest first."""

Record: TypeAlias = ProviderCall | ToolExecution | RuntimeEvent
TrailRow: TypeAlias = tuple[int, Record]
"""A record, after the number of its turn in the trail."""


class TurnTrail(Struct, frozen=True):
    """The records of one turn, each kind in the order in which it was recorded.

    Attributes:
        tool_calls: without their arguments, which are in the messages.
    """

    provider_calls: tuple[ProviderCall, ...] = ()
    tool_calls: tuple[ToolExecution, ...] = ()
    events: tuple[RuntimeEvent, ...] = ()


class SessionTrail(Struct, frozen=True):
    """The trail of the last turns, as it was at one moment.

    Attributes:
        length: how many messages the session had.
        counted: how many turns the trail counts. Those that were said elsewhere, before the
            session, are in no trail.
        turns: by the number of the turn in the trail, from 1.
    """

    length: int
    counted: int
    turns: Mapping[int, TurnTrail]


def session_trail(length: int, counted: int, kinds: Iterable[Sequence[TrailRow]]) -> SessionTrail:
    """Return the trail of these rows, each kind with the newest record first.

    A turn is left out if `MOST_RECORDS` were read of a kind, and it has the oldest of them: some
    of its records may be missing.
    """
    records: defaultdict[int, list[Record]] = defaultdict(list)
    complete = 0
    for rows in kinds:
        if len(rows) >= MOST_RECORDS:
            complete = max(complete, rows[-1][0])
        for turn, record in reversed(rows):
            records[turn].append(record)
    return SessionTrail(
        length,
        counted,
        {turn: _turn(found) for turn, found in sorted(records.items()) if turn > complete},
    )


def _turn(records: Sequence[Record]) -> TurnTrail:
    return TurnTrail(
        tuple(record for record in records if isinstance(record, ProviderCall)),
        tuple(record for record in records if isinstance(record, ToolExecution)),
        tuple(record for record in records if isinstance(record, RuntimeEvent)),
    )
