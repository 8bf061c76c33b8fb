"""The answers of the API, built from database rows without I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from omnia_core.names import EvalOutcome
from omnia_core.sessions.escaping import unescape_nul
from omnia_core.sessions.latency import quantile


class SessionView(Struct, frozen=True):
    """A session with its usage.

    Attributes:
        name: what the session is about; "" while it has no name.
        expires_at: when the session ends if it is not used again, or when it ended.
        kept_until: when the session is deleted if it is not used again.
        messages: number of messages, deleted ones included.
        messages_deleted: number of deleted messages; the oldest are deleted first.
        first_message: the first words that its user said, on one line; absent where they are
            deleted, or there are none.
    """

    id: str
    namespace: str
    agent: str
    name: str
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
    first_message: str | UnsetType = UNSET


class SessionSums(Struct, frozen=True):
    """The sums of all sessions of a list."""

    sessions: int
    turns: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float


class Sessions(Struct, frozen=True, omit_defaults=True):
    """A page of sessions.

    Attributes:
        next: the cursor of the next page, None on the last page.
        sums: of the sessions of every page; absent where they were not asked for, and of a search.
    """

    sessions: Sequence[SessionView]
    next: str | None
    sums: SessionSums | None = None


class UserView(Struct, frozen=True):
    """A user and what is kept of their sessions.

    Attributes:
        id: the pseudonym of the user.
        active_at: when they last used a session.
        first_begun_at: when their first session began that is kept.
    """

    id: str
    active_at: datetime
    first_begun_at: datetime
    sessions: int
    turns: int
    cost_usd: float


class Users(Struct, frozen=True):
    """A page of users; `next` is the cursor of the next page, None on the last page."""

    users: Sequence[UserView]
    next: str | None


class RecordPage(Struct, frozen=True):
    """A page of records of one session.

    Attributes:
        next: the cursor of the next page, None on the last page.
        last: the cursor after the last record, to poll for new records. On an empty page it is
            the cursor of the request.
    """

    items: Sequence[object]
    next: str | None
    last: str


class Latency(Struct, frozen=True):
    """Latency quantiles in milliseconds, estimated from bucket counts; None without counts."""

    p50: float | None
    p95: float | None


class Turns(Struct, frozen=True):
    """Ended turns of a group and their latency."""

    count: int
    errors: int
    latency_ms: Latency


class Calls(Struct, frozen=True):
    """Requests to models, retries included, with tokens, cost and latency."""

    count: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    latency_ms: Latency


class Aggregate(Struct, frozen=True):
    """The sums of one group; `turns` is None when the group is a provider or a model."""

    group: str
    turns: Turns | None
    provider_calls: Calls


class Aggregates(Struct, frozen=True):
    """The sums of all groups, sorted by the name of the group."""

    group_by: str
    groups: Sequence[Aggregate]


class EvalGroup(Struct, frozen=True, omit_defaults=True):
    """The results of one group; what it is not grouped by is left out.

    Attributes:
        results: all of them, whatever became of them.
        pass_rate: the share of `passed` in `passed` and `failed`; None without both.
        mean_score: of those with a score; None without any.
        cost_usd: of the requests to judges.
    """

    results: int
    passed: int
    failed: int
    scored: int
    skipped: int
    errors: int
    pass_rate: float | None
    mean_score: float | None
    cost_usd: float
    eval: str | None = None
    variant: str | None = None
    agent: str | None = None
    pack_version: str | None = None


class EvalSummary(Struct, frozen=True):
    """The results of evaluations by group."""

    by: Sequence[str]
    since: datetime | None
    groups: Sequence[EvalGroup]


def eval_summary(
    by: Sequence[str], since: datetime | None, rows: Sequence[Mapping[str, Any]]
) -> EvalSummary:
    """Convert the rows of a summary."""
    return EvalSummary(by, since, [_eval_group(by, row) for row in rows])


def _eval_group(by: Sequence[str], row: Mapping[str, Any]) -> EvalGroup:
    counts = {str(outcome): row[f"{outcome}_count"] for outcome in EvalOutcome}
    errors = counts.pop(EvalOutcome.ERROR)
    decided = counts["passed"] + counts["failed"]
    measured = decided + counts["scored"]
    return EvalGroup(
        results=sum(counts.values()) + errors,
        **counts,
        errors=errors,
        pass_rate=counts["passed"] / decided if decided else None,
        mean_score=row["score"] / measured if measured else None,
        cost_usd=row["cost_usd"],
        **{name: row[name] for name in by},
    )


def session_view(row: Mapping[str, Any]) -> SessionView:
    """Convert a row of the session table."""
    values = {name: row[name] for name in SessionView.__struct_fields__}
    values["id"], values["user_id"] = unescape_nul(row["id"]), unescape_nul(row["user_id"])
    values["first_message"] = row["first_message"] or UNSET
    return SessionView(**values)


def user_view(row: Mapping[str, Any]) -> UserView:
    """Convert a row of the list of users."""
    values = {name: row[name] for name in UserView.__struct_fields__ if name != "id"}
    return UserView(id=unescape_nul(row["user_id"]), **values)


def aggregates(
    group_by: str, turns: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]
) -> Aggregates:
    """Join the rows of turns and of provider calls by group."""
    with_turns = group_by in ("agent", "day")
    turns_by_group = {row["group"]: row for row in turns}
    calls_by_group = {row["group"]: row for row in calls}
    return Aggregates(
        group_by,
        [
            Aggregate(
                group,
                _turns(turns_by_group.get(group)) if with_turns else None,
                _calls(calls_by_group.get(group)),
            )
            for group in sorted(turns_by_group.keys() | calls_by_group.keys())
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
