"""Collects the audit records of a turn while it runs; the turn stores them with its messages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.sessions.audit import (
    AuditTrail,
    CallStatus,
    EventKind,
    ProviderCall,
    ProviderFault,
    RuntimeEvent,
    SessionStatus,
    SessionTag,
    ToolExecution,
    ToolStatus,
    timestamp,
)
from omnia_runtime.ports.model import ProviderError

MAX_RECORDS = 1000  # of each kind, in one turn
_MAX_DETAIL = 500
_MAX_ARGUMENTS = 100_000
_FAULTS: dict[int, ProviderFault] = {401: "refused", 403: "refused", 429: "rate_limited"}
_SERVER_FAULT = 500


class AuditRecorder:
    """Collects a bounded number of audit records of one turn."""

    def __init__(self, tag: SessionTag = "agent", *, beside_turns: bool = False) -> None:
        """`beside_turns`: it records what is done for the session and for no turn of it."""
        self._tag = tag
        self._beside_turns = beside_turns
        self._began = time.monotonic()
        self._provider_calls: list[ProviderCall] = []
        self._tools: list[ToolExecution] = []
        self._events: list[RuntimeEvent] = []
        self._attempts: dict[str, int] = {}
        self._dropped = 0

    def provider_called(
        self,
        provider: str,
        model: str,
        status: CallStatus,
        seconds: float,
        usage: Usage,
        failure: Exception | None,
        first_word: float | None = None,
    ) -> None:
        """Record a model request.

        Args:
            provider: its name in the agent.
            model: its model.
            status: how it ended.
            seconds: how long it took.
            usage: what it used.
            failure: the error that ended it.
            first_word: seconds until the first text of the answer; None without text.
        """
        attempt = 0 if self._beside_turns else self._attempts.pop(provider, 1)
        if self._has_room(self._provider_calls):
            self._provider_calls.append(
                ProviderCall(
                    began_at=_time_before(seconds),
                    provider=provider,
                    model=model,
                    status=status,
                    fault=classify_fault(failure) if failure else "",
                    attempt=attempt,
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cached_tokens=usage.cached_tokens,
                    cost_usd=usage.cost_usd,
                    duration_ms=_milliseconds(seconds),
                    first_word_ms=None if first_word is None else _milliseconds(first_word),
                )
            )

    def retried(self, provider: str, attempt: int, error: ProviderError) -> None:
        """Record a retry of a model request; `attempt` is the number of the next request."""
        self._attempts[provider] = attempt
        self.event(EventKind.PROVIDER_RETRIED, f"{provider}: {classify_fault(error)}")

    def tool_called(self, call: ToolCall, handler: str, status: ToolStatus, seconds: float) -> None:
        """Record a tool call."""
        if self._has_room(self._tools):
            self._tools.append(
                ToolExecution(
                    began_at=_time_before(seconds),
                    call_id=call.id,
                    name=call.name,
                    handler=handler,
                    arguments=call.arguments[:_MAX_ARGUMENTS],
                    status=status,
                    duration_ms=_milliseconds(seconds),
                )
            )

    def event(self, kind: EventKind, detail: str = "") -> None:
        """Record an event; `detail` must not contain text of the conversation."""
        if self._has_room(self._events):
            self._events.append(RuntimeEvent(timestamp(), kind, detail[:_MAX_DETAIL]))

    def mark_trial(self) -> None:
        """The turn belongs to a trial: it does not count among the turns of the day."""
        self._tag = "trial"

    def begin_turn(self) -> AuditTrail:
        """Return the records to store with the message that begins the turn."""
        self._events.append(RuntimeEvent(timestamp(), EventKind.TURN_BEGAN))
        return self._take("active", turns=1)

    def end_turn(
        self, status: SessionStatus, kind: EventKind, detail: str, turns: int = 0
    ) -> AuditTrail:
        """Return the records to store with the messages that end the turn."""
        if self._dropped:
            self._events.append(
                RuntimeEvent(timestamp(), EventKind.RECORDS_DROPPED, str(self._dropped))
            )
        self._events.append(RuntimeEvent(timestamp(), kind, detail[:_MAX_DETAIL]))
        return self._take(status, turns=turns, ended=True)

    def take(self) -> AuditTrail:
        """Return the records to store with messages that neither begin nor end a turn."""
        return self._take(None)

    def _take(
        self, status: SessionStatus | None, *, turns: int = 0, ended: bool = False
    ) -> AuditTrail:
        counted = ended and self._tag != "trial"
        audit = AuditTrail(
            status=status,
            tag=self._tag,
            turns=turns,
            turn_ms=_milliseconds(time.monotonic() - self._began) if counted else None,
            provider_calls=tuple(self._provider_calls),
            tool_calls=tuple(self._tools),
            events=tuple(self._events),
        )
        self._provider_calls, self._tools, self._events = [], [], []
        return audit

    def _has_room(
        self, records: list[ProviderCall] | list[ToolExecution] | list[RuntimeEvent]
    ) -> bool:
        free = len(records) < MAX_RECORDS
        self._dropped += not free
        return free


# The recorder of the turn that the current task runs.
_current: ContextVar[AuditRecorder | None] = ContextVar("omnia_audit_recorder", default=None)


@contextmanager
def recording(recorder: AuditRecorder | None) -> Iterator[AuditRecorder | None]:
    """Make `recorder` the current one; with None nothing is recorded."""
    token = _current.set(recorder)
    try:
        yield recorder
    finally:
        _current.reset(token)


def current_recorder() -> AuditRecorder | None:
    """Return the recorder of the current turn; None if the turn is not audited."""
    return _current.get()


def mark_trial() -> None:
    """Record the current turn as one of a trial."""
    if (recorder := _current.get()) is not None:
        recorder.mark_trial()


def record_event(kind: EventKind, detail: str = "") -> None:
    """Record an event of the current turn."""
    if (recorder := _current.get()) is not None:
        recorder.event(kind, detail)


def record_tool_call(call: ToolCall, handler: str, status: ToolStatus, seconds: float) -> None:
    """Record a tool call of the current turn."""
    if (recorder := _current.get()) is not None:
        recorder.tool_called(call, handler, status, seconds)


def record_refused_call(call: ToolCall) -> None:
    """Record a tool call that was refused before it reached a handler."""
    record_tool_call(call, "", "refused", 0.0)


def classify_fault(error: Exception) -> ProviderFault:
    """Return the kind of a provider's error."""
    if not isinstance(error, ProviderError):
        return "failed"
    if error.status == 0:
        return "unreachable" if error.retryable else "failed"
    if error.status >= _SERVER_FAULT:
        return "overloaded"
    return _FAULTS.get(error.status, "invalid")


def _time_before(seconds: float) -> str:
    return timestamp(datetime.now(UTC) - timedelta(seconds=seconds))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
