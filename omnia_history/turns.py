"""The turns of a session: what is recorded of each, put together without I/O."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from omnia_core.sessions import Message
from omnia_core.sessions.audit import EventKind
from omnia_history.records import (
    EvalResultView,
    EventView,
    MessageView,
    ProviderCallView,
    ToolCallView,
    record_view,
)

# What ends a turn, and its finish reason where the event has none.
_ENDS = {
    EventKind.TURN_ENDED: "",
    EventKind.TURN_FAILED: "error",
    EventKind.TURN_CANCELLED: "cancelled",
}

Row: TypeAlias = Mapping[str, Any]

_decoder = msgspec.json.Decoder(Message)


class TurnView(Struct, frozen=True, kw_only=True):
    """A turn with everything that is recorded of it.

    Attributes:
        turn: its number in the session, from 1; 0 for what was said elsewhere before.
        began_at: None where no event says so.
        ended_at: likewise, and while it runs.
        finish_reason: as of its answer; error or cancelled of a turn without one; "" while it
            runs.
        pack_version: that answered; "" without a pack, and where the messages were deleted.
        variant: likewise; "" for the stable one.
        variables: the values of the prompt's variables that came with its message; None where they
            are not kept.
        first_word_ms: from its beginning to the first text of an answer; None if unknown.
    """

    turn: int
    began_at: datetime | None
    ended_at: datetime | None
    finish_reason: str
    pack_version: str
    variant: str
    variables: Mapping[str, str] | None
    first_word_ms: float | None
    messages: Sequence[MessageView]
    provider_calls: Sequence[ProviderCallView]
    tool_calls: Sequence[ToolCallView]
    events: Sequence[EventView]
    eval_results: Sequence[EvalResultView]


class TurnsPage(Struct, frozen=True):
    """A page of the turns of one session.

    Attributes:
        next: the cursor of the next page, None on the last page.
        last: the cursor after the last turn that has ended, to poll for what was added: a turn that
            runs comes again.
    """

    items: Sequence[TurnView]
    next: str | None
    last: str


def turn_views(records: Mapping[str, Sequence[Row]]) -> list[TurnView]:
    """Return the turns of records by kind, in their order."""
    turns: defaultdict[int, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for kind, rows in records.items():
        for row in rows:
            turns[max(row["turn"], 0)][kind].append(row)
    return [_turn(number, turns[number]) for number in sorted(turns)]


def last_ended(turns: Sequence[TurnView], before: int) -> int:
    """Return the number of the last turn that no record can be added to; else `before`."""
    ended = [each.turn for each in turns if each.ended_at or each.turn < turns[-1].turn]
    return max([before, *ended])


def _turn(number: int, records: Mapping[str, Sequence[Row]]) -> TurnView:
    began_at, ended_at, reason = None, None, ""
    for event in records["events"]:
        if event["kind"] == EventKind.TURN_BEGAN:
            began_at = event["at"]
        elif event["kind"] in _ENDS:
            ended_at = event["at"]
            reason = _ENDS[event["kind"]] or event["detail"]
    said = (_decoder.decode(row["record"]) for row in records["messages"])
    asked = next((each for each in said if each.role == "user"), Message("user"))
    views: dict[str, list[Any]] = {
        kind: [record_view(kind, row) for row in rows] for kind, rows in records.items()
    }
    return TurnView(
        turn=number,
        began_at=began_at,
        ended_at=ended_at,
        finish_reason=reason,
        pack_version=asked.pack_version,
        variant=asked.variant,
        variables=asked.variables,
        first_word_ms=_first_word(began_at, records["provider-calls"]),
        messages=views.get("messages", []),
        provider_calls=views.get("provider-calls", []),
        tool_calls=views.get("tool-calls", []),
        events=views.get("events", []),
        eval_results=views.get("eval-results", []),
    )


def _first_word(began_at: datetime | None, calls: Sequence[Row]) -> float | None:
    """Return the milliseconds from the beginning of a turn to the first text of an answer."""
    if began_at is None:
        return None
    times = [
        (call["began_at"] - began_at).total_seconds() * 1000 + call["first_word_ms"]
        for call in calls
        if call["attempt"] and call.get("first_word_ms") is not None
    ]
    return round(min(times), 3) if times else None
