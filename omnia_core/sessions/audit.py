"""What happened in a session beside its messages: calls of models and tools, and events."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

SessionTag: TypeAlias = Literal["agent", "function"]
SessionStatus: TypeAlias = Literal["active", "completed", "error", "cancelled"]
CallStatus: TypeAlias = Literal["success", "error", "cancelled"]
ToolStatus: TypeAlias = Literal["success", "invalid", "error", "timeout", "refused", "cancelled"]
ProviderFault: TypeAlias = Literal[
    "", "refused", "invalid", "rate_limited", "overloaded", "unreachable", "failed"
]


class EventKind(StrEnum):
    """What may happen in a turn; the set is closed."""

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
    RECORDS_DROPPED = "records_dropped"


class ProviderCall(Struct, frozen=True):
    """One request to a model, retries counted apart.

    Attributes:
        began_at: RFC 3339, UTC, as in every record of the trail.
        provider: its name in the agent.
        fault: the kind of the error, "" without one.
        attempt: from 1; of the same answer, before it has begun.
        duration_ms: to the end of the answer.
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


class ToolExecution(Struct, frozen=True):
    """One tool call, executed or refused.

    Attributes:
        call_id: that of the message's `ToolCall`.
        handler: who executed it, "" when no handler has the tool.
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
    """Something that happened; `detail` is a name or a reason, never what somebody said."""

    at: str
    kind: EventKind
    detail: str = ""


class AuditTrail(Struct, frozen=True):
    """What an append tells beside its messages.

    Attributes:
        status: how the session stands after it; None leaves that as it is.
        tag: agent for a conversation, function for a call of one.
        turns: how many turns begin with it.
        turn_ms: how long the turn took that ends with it, None when none does.
    """

    status: SessionStatus | None = None
    tag: SessionTag = "agent"
    turns: int = 0
    turn_ms: float | None = None
    provider_calls: tuple[ProviderCall, ...] = ()
    tool_calls: tuple[ToolExecution, ...] = ()
    events: tuple[RuntimeEvent, ...] = ()


def moment(when: datetime | None = None) -> str:
    """Write a time, by default now, as records have it."""
    text = (when or datetime.now(UTC)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
