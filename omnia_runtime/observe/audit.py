"""What a turn does, noted while it does it, for the append that ends it."""

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

MOST_RECORDS = 1000  # of a turn, of each kind
_LONGEST_DETAIL = 500
_LONGEST_ARGUMENTS = 100_000
_FAULTS: dict[int, ProviderFault] = {401: "refused", 403: "refused", 429: "rate_limited"}
_SERVER_FAULT = 500


class Recorder:
    """Collects the records of one turn, a bounded number of them."""

    def __init__(self, tag: SessionTag = "agent") -> None:
        self._tag = tag
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
    ) -> None:
        """Note a request to a model, and the `failure` that ended it."""
        attempt = self._attempts.pop(provider, 1)
        if self._room(self._provider_calls):
            self._provider_calls.append(
                ProviderCall(
                    _ago(seconds),
                    provider,
                    model,
                    status,
                    fault_of(failure) if failure else "",
                    attempt,
                    usage.input_tokens,
                    usage.output_tokens,
                    usage.cached_tokens,
                    usage.cost_usd,
                    _milliseconds(seconds),
                )
            )

    def retried(self, provider: str, attempt: int, error: ProviderError) -> None:
        """Note that a model is asked again; `attempt` is the number of the next request."""
        self._attempts[provider] = attempt
        self.event(EventKind.PROVIDER_RETRIED, f"{provider}: {fault_of(error)}")

    def tool_called(self, call: ToolCall, handler: str, status: ToolStatus, seconds: float) -> None:
        """Note a tool call."""
        if self._room(self._tools):
            self._tools.append(
                ToolExecution(
                    _ago(seconds),
                    call.id,
                    call.name,
                    handler,
                    call.arguments[:_LONGEST_ARGUMENTS],
                    status,
                    _milliseconds(seconds),
                )
            )

    def event(self, kind: EventKind, detail: str = "") -> None:
        """Note something that happened; `detail` is nothing that somebody said."""
        if self._room(self._events):
            self._events.append(RuntimeEvent(timestamp(), kind, detail[:_LONGEST_DETAIL]))

    def begun(self) -> AuditTrail:
        """Return what the append says that begins a turn."""
        self._events.append(RuntimeEvent(timestamp(), EventKind.TURN_BEGAN))
        return self._taken("active", turns=1)

    def ended(
        self, status: SessionStatus, kind: EventKind, detail: str, turns: int = 0
    ) -> AuditTrail:
        """Return what the append says that ends the turn."""
        if self._dropped:
            self._events.append(
                RuntimeEvent(timestamp(), EventKind.RECORDS_DROPPED, str(self._dropped))
            )
        self._events.append(RuntimeEvent(timestamp(), kind, detail[:_LONGEST_DETAIL]))
        return self._taken(status, turns=turns, ended=True)

    def beside(self) -> AuditTrail:
        """Return what an append says that neither begins nor ends a turn."""
        return self._taken(None)

    def _taken(
        self, status: SessionStatus | None, *, turns: int = 0, ended: bool = False
    ) -> AuditTrail:
        trail = AuditTrail(
            status,
            self._tag,
            turns,
            _milliseconds(time.monotonic() - self._began) if ended else None,
            tuple(self._provider_calls),
            tuple(self._tools),
            tuple(self._events),
        )
        self._provider_calls, self._tools, self._events = [], [], []
        return trail

    def _room(self, records: list[ProviderCall] | list[ToolExecution] | list[RuntimeEvent]) -> bool:
        free = len(records) < MOST_RECORDS
        self._dropped += not free
        return free


# Of the turn that the task runs; what happens outside of one is noted nowhere.
_current: ContextVar[Recorder | None] = ContextVar("omnia_recorder", default=None)


def recorder() -> Recorder | None:
    """Return the recorder of the turn that runs here; None where none is kept."""
    return _current.get()


def note_event(kind: EventKind, detail: str = "") -> None:
    """Note something in the turn that runs here."""
    if (current := _current.get()) is not None:
        current.event(kind, detail)


def note_tool(call: ToolCall, handler: str, status: ToolStatus, seconds: float) -> None:
    """Note a tool call in the turn that runs here."""
    if (current := _current.get()) is not None:
        current.tool_called(call, handler, status, seconds)


def note_refused(call: ToolCall) -> None:
    """Note a tool call that nobody was asked to execute."""
    note_tool(call, "", "refused", 0.0)


def note_held(limit: str, blocked: str = "") -> None:
    """Note what kept the turn that runs here from going on; either may be ""."""
    if limit:
        note_event(EventKind.LIMIT_REACHED, limit)
    if blocked:
        note_event(EventKind.OUTPUT_BLOCKED, blocked)


@contextmanager
def recording(made: Recorder | None) -> Iterator[Recorder | None]:
    """Note in `made` what happens within, or nothing when it is None."""
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def fault_of(error: Exception) -> ProviderFault:
    """Return the kind of an error of a provider."""
    if not isinstance(error, ProviderError):
        return "failed"
    if error.status == 0:
        return "unreachable" if error.retryable else "failed"
    if error.status >= _SERVER_FAULT:
        return "overloaded"
    return _FAULTS.get(error.status, "invalid")


def _ago(seconds: float) -> str:
    return timestamp(datetime.now(UTC) - timedelta(seconds=seconds))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
