"""Encodes audit records and text for the database functions."""

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
from omnia_core.sessions.latency import histogram


class _Daily(Struct, frozen=True):
    """What one append adds to the daily statistics of a model."""

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
    daily: Sequence[_Daily]
    turn: _Turn | None


def encode_audit(audit: AuditTrail) -> str:
    """Return audit records as JSON text.

    PostgreSQL text cannot contain NUL, which becomes U+FFFD here; messages keep it.
    """
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
        _daily(audit.provider_calls),
        turn,
    )
    text = msgspec.json.encode(rows).decode()
    if "\\u0000" not in text:
        return text
    return msgspec.json.encode(_without_nul(msgspec.to_builtins(rows))).decode()


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


def _daily(calls: Sequence[ProviderCall]) -> list[_Daily]:
    """Sum up the calls by model, in the same order for every writer, which prevents deadlocks."""
    grouped: defaultdict[tuple[str, str], list[ProviderCall]] = defaultdict(list)
    for call in calls:
        grouped[call.provider, call.model].append(call)
    return [
        _Daily(
            provider,
            model,
            len(group),
            sum(call.status == "error" for call in group),
            sum(call.input_tokens for call in group),
            sum(call.output_tokens for call in group),
            sum(call.cached_tokens for call in group),
            sum(call.cost_usd for call in group),
            histogram(call.duration_ms for call in group),
        )
        for (provider, model), group in sorted(grouped.items())
    ]


def replace_nul(value: str) -> str:
    """Return a text for people in which NUL, which PostgreSQL cannot store, is U+FFFD."""
    return value.replace("\0", "\ufffd")


def escape_nul(value: str) -> str:
    """Return a text without NUL, which PostgreSQL cannot store; `unescape_nul` reverses it."""
    return value.replace("\\", "\\\\").replace("\0", "\\0")


def unescape_nul(value: str) -> str:
    """Return the text that `escape_nul` escaped."""
    return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
