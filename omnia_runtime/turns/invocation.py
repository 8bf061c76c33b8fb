"""Runs function calls: input in, the model's text out. Each call is stored as its own session."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from msgspec import Struct, structs

from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_core.files.pack.compiled import input_values
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_core.telemetry.tracing import current_span
from omnia_runtime.agent.request_builder import RequestBuilder
from omnia_runtime.observe.audit import AuditRecorder, record_event, recording
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import DiscardingListener, TurnFinished
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.turns.agent_version import AgentVersion, AgentVersions, repair_request
from omnia_runtime.turns.budget import AgentBudget
from omnia_runtime.turns.ended import EndedTurn, TurnListener, without_refused
from omnia_runtime.turns.tracing import RuntimeTracing, note_end, note_version
from omnia_runtime.turns.turn import Caller, close_transcript
from omnia_runtime.turns.turn_store import (
    Ending,
    completed_ending,
    failed_ending,
    with_timestamps,
)

# The number of records that may wait for the store; more are dropped and counted.
MAX_PENDING_RECORDS = 64
# The time for the last records when the runtime ends.
_CLOSE_SECONDS = 2.0
# After these finish reasons, a second attempt gives no better answer.
_FINAL_REASONS = frozenset({"safety", "refusal"})

_log = structlog.get_logger()


class InvocationResult(Struct, frozen=True):
    """The result of a function call; `output` is the text of the model."""

    output: str
    usage: Usage
    duration_ms: int


class Invocations:
    """Runs function calls."""

    def __init__(
        self,
        agents: AgentVersions,
        records: "InvocationRecords",
        metrics: RuntimeMetrics,
        tracing: RuntimeTracing,
        budget: AgentBudget | None = None,
    ) -> None:
        """`budget` may refuse calls."""
        self._agents = agents
        self._budget = budget
        self._records = records
        self._metrics = metrics
        self._tracing = tracing

    async def close(self) -> None:
        """Wait shortly for the records of calls."""
        await self._records.close()

    async def run(
        self,
        invocation_id: str,
        input_json: str,
        metadata: Mapping[str, str],
        call_metadata: Mapping[str, str],
    ) -> InvocationResult:
        """Run a call; `call_metadata` is that of the gRPC call.

        Raises:
            OmniaError: the call failed; the code is INVALID_ARGUMENT if the input is invalid.
        """
        began = time.monotonic()
        with self._metrics.measure_turn(), self._tracing.invocation(call_metadata) as span:
            caller = Caller(call_metadata)
            record = InvocationRecord(invocation_id, input_json, caller.user_id)
            with self._records.recording(record):
                finished = await self._run(record, input_json, metadata, caller)
                if record.agent is not None and record.agent.evals:
                    record.ended = _ended(record, record.agent, finished, began)
            note_end(span, finished)
        self._metrics.turn_cost(finished.usage)
        duration_ms = round((time.monotonic() - began) * 1000)
        return InvocationResult(finished.text, finished.usage, duration_ms)

    async def _run(
        self,
        record: "InvocationRecord",
        input_json: str,
        metadata: Mapping[str, str],
        caller: Caller,
    ) -> TurnFinished:
        if self._budget is not None:
            await self._budget.admit()
        agent = self._agents.for_session(record.id, "")
        record.set_agent(agent)
        note_version(current_span(), agent)
        system = agent.prompt.render(input_values(input_json))
        if blocked := agent.check_input(input_json):
            raise OmniaError(Code.FAILED_PRECONDITION, blocked.message)
        request = agent.request(system, record.messages, metadata)
        finished = await self._run_agent(agent, request, record, caller)
        if not record.fault or finished.reason in _FINAL_REASONS:
            return finished
        record.messages.append(Message("user", repair_request(record.fault)))
        without_tools = structs.replace(request, tool_choice="none")
        repaired = await self._run_agent(agent, without_tools, record, caller)
        return structs.replace(repaired, usage=finished.usage + repaired.usage)

    async def _run_agent(
        self, agent: AgentVersion, request: ChatRequest, record: "InvocationRecord", caller: Caller
    ) -> TurnFinished:
        """Run the agent once, and check the output against the schema."""
        loop = agent.loop(RequestBuilder(agent.context, {}), "", caller)
        listener = DiscardingListener()
        finished = await agent.run(loop, request, record.messages, listener)
        text = agent.output.value(finished.text) if agent.output else finished.text
        record.reason = finished.reason
        record.fault = agent.output.fault(text) if agent.output else ""
        return structs.replace(finished, text=text)


class InvocationRecord:
    """The record of a call while it runs.

    Attributes:
        messages: the conversation; the first message is the input.
        reason: the finish reason of the last answer; "" before it.
        fault: the mismatch between the last answer and the output schema; "" if there is none.
        agent: the version that answers; None before it is known.
        ended: the call, if it is to be evaluated.
    """

    def __init__(self, invocation_id: str, input_json: str, user_id: str) -> None:
        self.id = invocation_id
        self.messages = [Message("user", input_json, user_id=user_id)]
        self.reason = ""
        self.fault = ""
        self.agent: AgentVersion | None = None
        self.ended: EndedTurn | None = None

    def set_agent(self, agent: AgentVersion) -> None:
        """Record the version that answers."""
        self.agent = agent
        self.messages[0] = structs.replace(
            self.messages[0], pack_version=agent.version, variant=agent.variant
        )


class InvocationRecords:
    """Stores calls in the background: no caller waits, and a failed write fails no call."""

    def __init__(
        self,
        store: SessionStore,
        metrics: RuntimeMetrics,
        ended: TurnListener | None = None,
        *,
        costs: bool = False,
    ) -> None:
        """Store nothing yet.

        Args:
            store: where calls are stored, if it keeps audit records.
            metrics: count what is stored.
            ended: called for calls that are to be evaluated, when they are stored.
            costs: whether another store is told what the calls cost.
        """
        self._costs = costs
        self._store = store
        self._metrics = metrics
        self._ended = ended
        self._writes: set[asyncio.Task[None]] = set()

    @contextmanager
    def recording(self, record: InvocationRecord) -> Iterator[None]:
        """Record the call inside the block, and store it at the end, if the store keeps audit."""
        if not self._store.keeps_audit:
            with recording(AuditRecorder("function") if self._costs else None) as costs:
                try:
                    yield
                finally:
                    if costs is not None:
                        calls = costs.take().provider_calls
                        self._start(record, self._store.add_costs(calls))
            self._end(record)
            return
        recorder = AuditRecorder("function")
        with recording(recorder):
            record_event(EventKind.TURN_BEGAN)
            try:
                yield
            except BaseException as error:
                reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
                messages = close_transcript(record.messages, 0, "", reason)
                self._start_write(record, messages, recorder, _failed_ending(error))
                raise
            self._start_write(record, record.messages, recorder, _ending(record))

    async def close(self) -> None:
        """Wait shortly for pending writes, then cancel them."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_CLOSE_SECONDS)
        for task in self._writes:
            task.cancel()

    def _end(self, record: InvocationRecord) -> None:
        if self._ended is not None and record.ended is not None:
            self._ended(record.ended)

    def _start_write(
        self,
        record: InvocationRecord,
        messages: list[Message],
        recorder: AuditRecorder,
        ending: Ending,
    ) -> None:
        if len(self._writes) >= MAX_PENDING_RECORDS:
            self._metrics.stored("append", "dropped", 0.0)
            return
        audit = recorder.end_turn(*ending, turns=1)
        write = self._store.append(
            record.id, with_timestamps(messages), expected_length=0, audit=audit
        )
        self._start(record, self._write(record, write))

    def _start(self, record: InvocationRecord, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_log_failure(record.id, write))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write(self, record: InvocationRecord, write: Coroutine[Any, Any, int]) -> None:
        await write
        self._end(record)


async def _log_failure(session_id: str, write: Coroutine[Any, Any, None]) -> None:
    try:
        await write
    except OmniaError as error:
        _log.warning("function call not stored", session=session_id, reason=error.message)


def _ended(
    record: InvocationRecord, agent: AgentVersion, finished: TurnFinished, began: float
) -> EndedTurn:
    """Return a call as the only turn of its session."""
    return EndedTurn(
        session_id=record.id,
        number=1,
        agent=agent,
        messages=without_refused(record.messages),
        answer=finished.text,
        usage=finished.usage,
        latency_ms=(time.monotonic() - began) * 1000,
        blocked=finished.blocked,
        span=current_span(),
    )


def _ending(record: InvocationRecord) -> Ending:
    if not record.fault:
        return completed_ending(record.reason)
    return "error", EventKind.OUTPUT_INVALID, record.fault


def _failed_ending(error: BaseException) -> Ending:
    status, kind, detail = failed_ending(error)
    if isinstance(error, OmniaError) and error.code is Code.INVALID_ARGUMENT:
        return status, EventKind.INPUT_INVALID, detail
    return status, EventKind.RUNTIME_ERROR if kind is EventKind.TURN_FAILED else kind, detail
