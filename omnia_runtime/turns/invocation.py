"""One call of a function: input in, the model's text out, nothing remembered but the record."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from msgspec import Struct, structs

from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_core.telemetry.tracing import current_span
from omnia_runtime.agent.loop import run_turn
from omnia_runtime.agent.request_builder import Asking
from omnia_runtime.configuration.reload import Live
from omnia_runtime.observe.audit import Recorder, note_event, note_held, recording
from omnia_runtime.observe.metrics import Metrics
from omnia_runtime.ports.listener import LimitReached, Nobody, TurnFinished
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.prompts.prompt import input_values
from omnia_runtime.turns.agent_version import AgentVersion, BoundTools
from omnia_runtime.turns.structured import repair_request, unwrapped
from omnia_runtime.turns.tracing import RuntimeTracing, note_end, note_version
from omnia_runtime.turns.turn import Caller, closed
from omnia_runtime.turns.turn_store import Ending, cut_by, finished_with, stamped

# A model that was stopped for these reasons gives no better answer when it is asked again.
_FINAL = frozenset({"safety", "refusal"})


class Invoked(Struct, frozen=True):
    """The answer of a function; `output` is the text as the model gave it."""

    output: str
    usage: Usage
    duration_ms: int


class Invocations:
    """Runs function calls."""

    def __init__(
        self,
        live: Live,
        records: InvocationRecords,
        metrics: Metrics,
        tracing: RuntimeTracing,
    ) -> None:
        self._live = live
        self._records = records
        self._metrics = metrics
        self._tracing = tracing

    async def close(self) -> None:
        """Wait a moment for the records of calls."""
        await self._records.close()

    async def run(
        self,
        invocation_id: str,
        input_json: str,
        metadata: Mapping[str, str],
        call_metadata: Mapping[str, str],
    ) -> Invoked:
        """Run a call; `call_metadata` is that of the gRPC call.

        Raises:
            OmniaError: INVALID_ARGUMENT when the input is at fault, else the call failed.
        """
        began, status = time.monotonic(), "error"
        self._metrics.turn_began()
        try:
            with self._tracing.invocation(call_metadata) as span:
                caller = Caller(call_metadata)
                record = InvocationRecord(invocation_id, input_json, caller.user_id)
                with self._records.kept(record):
                    finished = await self._run(record, input_json, metadata, caller)
                note_end(span, finished)
            status = "success"
        except LimitReached as error:
            self._metrics.held(error.limit)
            raise
        finally:
            took = time.monotonic() - began
            self._metrics.turn_ended(status, took)
        return Invoked(finished.text, finished.usage, round(took * 1000))

    async def _run(
        self,
        record: InvocationRecord,
        input_json: str,
        metadata: Mapping[str, str],
        caller: Caller,
    ) -> TurnFinished:
        agent = self._live.current.for_session(record.id, "")
        record.answered_by(agent.version)
        note_version(current_span(), agent)
        system = agent.prompt.render(input_values(input_json))
        if blocked := agent.validators.check_input(input_json):
            self._metrics.blocked(blocked.validator_type, "input")
            note_event(EventKind.INPUT_BLOCKED, blocked.validator_type)
            raise OmniaError(Code.FAILED_PRECONDITION, blocked.message)
        messages = record.messages
        request = agent.request(system, messages, metadata)
        finished = await self._turn(agent, request, messages, caller)
        text = unwrapped(finished.text)
        record.reason, record.fault = finished.reason, _fault(agent, text)
        if not record.fault or finished.reason in _FINAL:
            return structs.replace(finished, text=text)
        messages.append(Message("user", repair_request(record.fault)))
        again = structs.replace(request, tool_choice="none")
        repaired = await self._turn(agent, again, messages, caller)
        text = unwrapped(repaired.text)
        record.reason, record.fault = repaired.reason, _fault(agent, text)
        return structs.replace(repaired, text=text, usage=finished.usage + repaired.usage)

    async def _turn(
        self, agent: AgentVersion, request: ChatRequest, messages: list[Message], caller: Caller
    ) -> TurnFinished:
        tools = BoundTools(agent.tools, agent.rate, "", caller)
        gate = agent.validators.gate()
        asking = Asking(agent.context, {})
        finished = await run_turn(
            agent.model, tools, request, messages, agent.limits, asking, Nobody(), gate
        )
        self._metrics.held(finished.limit, finished.blocked)
        note_held(finished.limit, finished.blocked)
        return finished


def _fault(agent: AgentVersion, text: str) -> str:
    return agent.output.fault(text) if agent.output else ""


# Calls whose records wait for the store; beyond, records are dropped and counted.
MOST_WAITING = 64
# What the last records have when the runtime ends.
_SECONDS = 2.0

_log = structlog.get_logger()


class InvocationRecord:
    """One call while it runs.

    Attributes:
        messages: what was said; the first is the input.
        reason: why the model stopped, "" while it has not.
        fault: what is wrong with the shape of the last answer, "" when nothing is.
    """

    def __init__(self, invocation_id: str, input_json: str, user_id: str) -> None:
        self.id = invocation_id
        self.messages = [Message("user", input_json, user_id=user_id)]
        self.reason = ""
        self.fault = ""

    def answered_by(self, version: str) -> None:
        """Note the version of the PromptPack."""
        self.messages[0] = structs.replace(self.messages[0], pack_version=version)


class InvocationRecords:
    """Stores calls in the background: no caller waits for it, and no call fails by it."""

    def __init__(self, store: SessionStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._writes: set[asyncio.Task[None]] = set()

    @contextmanager
    def kept(self, record: InvocationRecord) -> Iterator[None]:
        """Note what happens within, and store it at the end, where the store keeps it."""
        if not self._store.keeps_trail:
            yield
            return
        recorder = Recorder("function")
        with recording(recorder):
            note_event(EventKind.TURN_BEGAN)
            try:
                yield
            except BaseException as error:
                reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
                messages = closed(record.messages, 0, "", reason)
                self._keep(record.id, messages, recorder, _cut_by(error))
                raise
            self._keep(record.id, record.messages, recorder, _ending(record))

    async def close(self) -> None:
        """Wait a moment for what is not stored yet."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_SECONDS)
        for task in self._writes:
            task.cancel()

    def _keep(
        self, session_id: str, messages: list[Message], recorder: Recorder, ending: Ending
    ) -> None:
        if len(self._writes) >= MOST_WAITING:
            self._metrics.stored("append", "dropped", 0.0)
            return
        trail = recorder.ended(*ending, turns=1)
        write = self._store.append(session_id, stamped(messages), expected_length=0, trail=trail)
        task = asyncio.create_task(_told(session_id, write))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


async def _told(session_id: str, write: Coroutine[Any, Any, int]) -> None:
    try:
        await write
    except OmniaError as error:
        _log.warning("a call was not recorded", session=session_id, reason=error.message)


def _ending(record: InvocationRecord) -> Ending:
    if not record.fault:
        return finished_with(record.reason)
    return "error", EventKind.OUTPUT_INVALID, record.fault


def _cut_by(error: BaseException) -> Ending:
    status, kind, detail = cut_by(error)
    if isinstance(error, OmniaError) and error.code is Code.INVALID_ARGUMENT:
        return status, EventKind.INPUT_INVALID, detail
    return status, EventKind.RUNTIME_ERROR if kind is EventKind.TURN_FAILED else kind, detail
