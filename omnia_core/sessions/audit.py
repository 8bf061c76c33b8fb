"""Audit records of a session: model calls, tool executions and events."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

SessionTag: TypeAlias = Literal["agent", "function", "trial"]
SessionStatus: TypeAlias = Literal["active", "completed", "error", "cancelled"]
CallStatus: TypeAlias = Literal["success", "error", "cancelled"]
ToolStatus: TypeAlias = Literal["success", "invalid", "error", "timeout", "refused", "cancelled"]
ProviderFault: TypeAlias = Literal[
    "", "refused", "invalid", "rate_limited", "overloaded", "unreachable", "failed"
]


class EventKind(StrEnum):
    """The kinds of events in a turn; the set is closed."""

    TURN_BEGAN = "turn_began"
    TURN_ENDED = "turn_ended"
    TURN_FAILED = "turn_failed"
    TURN_CANCELLED = "turn_cancelled"
    TURN_INTERRUPTED = "turn_interrupted"
    INPUT_BLOCKED = "input_blocked"
    OUTPUT_BLOCKED = "output_blocked"
    LIMIT_REACHED = "limit_reached"
    PROVIDER_RETRIED = "provider_retried"
    PROVIDER_FALLBACK = "provider_fallback"
    BREAKER_OPEN = "breaker_open"
    INPUT_INVALID = "input_invalid"
    OUTPUT_INVALID = "output_invalid"
    RUNTIME_ERROR = "runtime_error"
    SUMMARY_MADE = "summary_made"
    NAME_MADE = "name_made"
    RECORDS_DROPPED = "records_dropped"
    SESSION_DELETED = "session_deleted"


class ProviderCall(Struct, frozen=True):
    """One request to a model; each retry is a request of its own.

    Attributes:
        began_at: RFC 3339, UTC, as in every audit record.
        provider: the name of the provider in the agent.
        fault: the kind of the error; "" without an error.
        attempt: counts the requests for one answer, from 1; only a request whose answer has not
            begun is retried. 0: the request was for no answer, but for a name or a summary of the
            session. It costs the session something, and no turn.
        duration_ms: until the end of the answer.
        first_word_ms: until the first text of the answer; None of an answer without text.
    """

    began_at: str
    provider: str
    model: str
    status: CallStatus
    fault: ProviderFault = ""
    attempt: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: float = 0.0
    first_word_ms: float | None = None


class ToolExecution(Struct, frozen=True):
    """One tool call, executed or refused.

    Attributes:
        call_id: the id of the `ToolCall` in the message.
        handler: the handler that executed it; "" when no handler has the tool.
        arguments: JSON text, as the model wrote it.
    """

    began_at: str
    call_id: str
    name: str
    handler: str
    arguments: str
    status: ToolStatus
    duration_ms: float = 0.0


class RuntimeEvent(Struct, frozen=True):
    """An event; `detail` is a name or a reason, never content of the conversation."""

    at: str
    kind: EventKind
    detail: str = ""


class AuditTrail(Struct, frozen=True):
    """The audit records that are stored with an append.

    Attributes:
        status: the status of the session after the append; None: unchanged.
        tag: `agent` for a conversation, `function` for a function call, `trial` for a conversation
            that tries something out.
        turns: how many turns begin with the append.
        turn_ms: the duration of the turn that ends with the append; None when no turn ends, and
            in a trial.
    """

    status: SessionStatus | None = None
    tag: SessionTag = "agent"
    turns: int = 0
    turn_ms: float | None = None
    provider_calls: tuple[ProviderCall, ...] = ()
    tool_calls: tuple[ToolExecution, ...] = ()
    events: tuple[RuntimeEvent, ...] = ()


def timestamp(when: datetime | None = None) -> str:
    """Return a time, by default now, in the format of the records: RFC 3339, UTC, milliseconds."""
    text = (when or datetime.now(UTC)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
