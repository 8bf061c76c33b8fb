"""What the API answers; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from omnia_core.sessions.latency import quantile
from omnia_core.sessions.postgres.encoding import unescape_nul


class SessionView(Struct, frozen=True):
    """A session and what it used.

    Attributes:
        expires_at: when it ends, or ended, if nobody uses it.
        kept_until: when it is deleted then.
        messages: how many there ever were.
        messages_deleted: how many of them are not kept any more, the oldest.
    """

    id: str
    agent: str
    tag: str
    user_id: str
    status: str
    begun_at: datetime
    active_at: datetime
    expires_at: datetime
    kept_until: datetime
    ended: bool
    messages: int
    messages_deleted: int
    turns: int
    tool_calls: int
    provider_calls: int
    provider_errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float


class Sessions(Struct, frozen=True):
    """A page of sessions; `next` leads to the one after it, None when this is the last."""

    sessions: Sequence[SessionView]
    next: str | None


class Records(Struct, frozen=True):
    """A page of records of one session.

    Attributes:
        last: the place after the last record, for whoever waits for more; of an empty page the
            one that was asked for.
    """

    items: Sequence[object]
    next: str | None
    last: str


class Latency(Struct, frozen=True):
    """Estimated from counts, in milliseconds; None without any."""

    p50: float | None
    p95: float | None


class Turns(Struct, frozen=True):
    """Turns that ended, and how long they took."""

    count: int
    errors: int
    latency_ms: Latency


class Calls(Struct, frozen=True):
    """Requests to models, retries included."""

    count: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    latency_ms: Latency


class Aggregate(Struct, frozen=True):
    """What one group sums up to; `turns` is None for a provider or a model."""

    group: str
    turns: Turns | None
    provider_calls: Calls


class Aggregates(Struct, frozen=True):
    """The groups, by name."""

    group_by: str
    groups: Sequence[Aggregate]


def session_view(row: Mapping[str, Any]) -> SessionView:
    """Read a row of a session."""
    values = {name: row[name] for name in SessionView.__struct_fields__}
    values["id"], values["user_id"] = unescape_nul(row["id"]), unescape_nul(row["user_id"])
    return SessionView(**values)


def aggregates(
    group_by: str, turns: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]
) -> Aggregates:
    """Join the sums of turns and of calls."""
    with_turns = group_by in ("agent", "day")
    turns_of = {row["group"]: row for row in turns}
    calls_of = {row["group"]: row for row in calls}
    return Aggregates(
        group_by,
        [
            Aggregate(
                name,
                _turns(turns_of.get(name)) if with_turns else None,
                _calls(calls_of.get(name)),
            )
            for name in sorted(turns_of.keys() | calls_of.keys())
        ],
    )


def _turns(row: Mapping[str, Any] | None) -> Turns:
    if row is None:
        return Turns(0, 0, Latency(None, None))
    return Turns(row["turns"], row["errors"], _latency(row["buckets"]))


def _calls(row: Mapping[str, Any] | None) -> Calls:
    if row is None:
        return Calls(0, 0, 0, 0, 0, 0.0, Latency(None, None))
    return Calls(
        row["calls"],
        row["errors"],
        row["input_tokens"],
        row["output_tokens"],
        row["cached_tokens"],
        row["cost_usd"],
        _latency(row["buckets"]),
    )


def _latency(buckets: Sequence[int]) -> Latency:
    return Latency(quantile(buckets, 0.5), quantile(buckets, 0.95))
