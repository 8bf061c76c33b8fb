"""A trail as the database's functions take it: rows without NUL, and what they add up to."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from omnia_core.sessions.audit import (
    AuditTrail,
    ProviderCall,
    RuntimeEvent,
    SessionStatus,
    SessionTag,
    ToolExecution,
)
from omnia_core.sessions.latency import counted


class _Daily(Struct, frozen=True):
    """What one append adds to a day of one model."""

    provider: str
    model: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    buckets: list[int]


class _Turn(Struct, frozen=True):
    """What one append adds to a day of its agent."""

    errors: int
    buckets: list[int]


class _Rows(Struct, frozen=True):
    status: SessionStatus | None
    tag: SessionTag
    turns: int
    provider_calls: Sequence[ProviderCall]
    tool_calls: Sequence[ToolExecution]
    events: Sequence[RuntimeEvent]
    daily: Sequence[_Daily]
    turn: _Turn | None


def encoded(trail: AuditTrail) -> str:
    """Return the JSON text of a trail. In a text of PostgreSQL there is no NUL: it becomes U+FFFD;
    the messages hold what was said as it was.
    """
    turn = None
    if trail.turn_ms is not None:
        turn = _Turn(int(trail.status == "error"), counted((trail.turn_ms,)))
    rows = _Rows(
        trail.status,
        trail.tag,
        trail.turns,
        trail.provider_calls,
        trail.tool_calls,
        trail.events,
        _daily(trail.provider_calls),
        turn,
    )
    text = msgspec.json.encode(rows).decode()
    if "\\u0000" not in text:
        return text
    return msgspec.json.encode(_without_nul(msgspec.to_builtins(rows))).decode()


def _without_nul(value: object) -> object:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {name: _without_nul(each) for name, each in value.items()}
        case list() | tuple():
            return [_without_nul(each) for each in value]
        case _:
            return value


def _daily(calls: Sequence[ProviderCall]) -> list[_Daily]:
    """Sum up the calls of each model, in an order that is the same for every writer."""
    grouped: defaultdict[tuple[str, str], list[ProviderCall]] = defaultdict(list)
    for call in calls:
        grouped[call.provider, call.model].append(call)
    return [
        _Daily(
            provider,
            model,
            len(group),
            sum(each.status == "error" for each in group),
            sum(each.input_tokens for each in group),
            sum(each.output_tokens for each in group),
            sum(each.cached_tokens for each in group),
            sum(each.cost_usd for each in group),
            counted(each.duration_ms for each in group),
        )
        for (provider, model), group in sorted(grouped.items())
    ]
