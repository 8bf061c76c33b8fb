"""Encodes audit records for the database functions."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from omnia_core.sessions.audit import (
    AuditTrail,
    ProviderCall,
    RuntimeEvent,
    SessionStatus,
    SessionTag,
    ToolExecution,
)
from omnia_core.sessions.daily import DailyCalls, daily_calls
from omnia_core.sessions.escaping import escape_nul, replace_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.latency import histogram


class _Turn(Struct, frozen=True):
    """What one append adds to the daily statistics of its agent."""

    errors: int
    buckets: list[int]


class _Rows(Struct, frozen=True):
    status: SessionStatus | None
    tag: SessionTag
    turns: int
    provider_calls: Sequence[ProviderCall]
    tool_calls: Sequence[ToolExecution]
    events: Sequence[RuntimeEvent]
    daily: Sequence[DailyCalls]
    turn: _Turn | None


def encode_audit(audit: AuditTrail) -> str:
    """Return audit records as JSON text. NUL becomes U+FFFD here; messages keep it."""
    turn = None
    if audit.turn_ms is not None:
        turn = _Turn(int(audit.status == "error"), histogram((audit.turn_ms,)))
    rows = _Rows(
        audit.status,
        audit.tag,
        audit.turns,
        audit.provider_calls,
        audit.tool_calls,
        audit.events,
        daily_calls(audit.provider_calls),
        turn,
    )
    return _json(rows)


def encode_results(results: Sequence[EvalResult], calls: Sequence[ProviderCall]) -> tuple[str, str]:
    """Return results of evaluations, and what calls add to the daily sums, as JSON text."""
    rows = [{**structs.asdict(result), "session": escape_nul(result.session)} for result in results]
    return _json(rows), _json(daily_calls(calls))


def _json(value: object) -> str:
    """Return JSON text without NUL, which PostgreSQL text cannot contain."""
    text = msgspec.json.encode(value).decode()
    if "\\u0000" not in text:
        return text
    return msgspec.json.encode(_without_nul(msgspec.to_builtins(value))).decode()


def _without_nul(value: object) -> object:
    match value:
        case str():
            return replace_nul(value)
        case dict():
            return {name: _without_nul(item) for name, item in value.items()}
        case list() | tuple():
            return [_without_nul(item) for item in value]
        case _:
            return value
