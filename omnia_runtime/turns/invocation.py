"""One call of a function: input in, the model's text out, nothing remembered."""

import time
import uuid
from collections.abc import Mapping
from contextlib import aclosing

from msgspec import Struct, structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message
from omnia_core.telemetry.tracing import current_span
from omnia_runtime.agent.events import TurnFinished
from omnia_runtime.agent.loop import run_turn
from omnia_runtime.metrics import Metrics
from omnia_runtime.prompts.prompt import input_values
from omnia_runtime.providers.port import ChatRequest, Usage
from omnia_runtime.reload import Live
from omnia_runtime.tools.bound import BoundTools
from omnia_runtime.tracing import RuntimeTracing, note_end, note_version
from omnia_runtime.turns.agent_version import AgentVersion
from omnia_runtime.turns.asking import Asking
from omnia_runtime.turns.structured import repair_request, unwrapped
from omnia_runtime.turns.turn import Caller

# A model that was stopped for these reasons gives no better answer when it is asked again.
_FINAL = frozenset({"safety", "refusal"})


class Invoked(Struct, frozen=True):
    """The answer of a function; `output` is the text as the model gave it."""

    output: str
    usage: Usage
    duration_ms: int


class Invocations:
    """Runs function calls."""

    def __init__(self, live: Live, metrics: Metrics, tracing: RuntimeTracing) -> None:
        self._live = live
        self._metrics = metrics
        self._tracing = tracing

    async def run(
        self, input_json: str, metadata: Mapping[str, str], call_metadata: Mapping[str, str]
    ) -> Invoked:
        """Run a call; `call_metadata` is that of the gRPC call.

        Raises:
            OmniaError: INVALID_ARGUMENT when the input is at fault, else the call failed.
        """
        began, status = time.monotonic(), "error"
        try:
            with self._tracing.invocation(call_metadata) as span:
                finished = await self._run(input_json, metadata, Caller(call_metadata))
                note_end(span, finished)
            status = "success"
        finally:
            took = time.monotonic() - began
            self._metrics.turn_ended(status, took)
        return Invoked(finished.text, finished.usage, round(took * 1000))

    async def _run(
        self, input_json: str, metadata: Mapping[str, str], caller: Caller
    ) -> TurnFinished:
        agent = self._live.current.for_session(uuid.uuid4().hex, "")
        note_version(current_span(), agent)
        system = agent.prompt.render(input_values(input_json))
        if blocked := agent.validators.check_input(input_json):
            raise OmniaError(Code.FAILED_PRECONDITION, blocked.message)
        messages = [Message("user", input_json)]
        request = agent.request(system, messages, metadata)
        finished = await self._turn(agent, request, messages, caller)
        text = unwrapped(finished.text)
        fault = agent.output.fault(text) if agent.output else ""
        if not fault or finished.reason in _FINAL:
            return structs.replace(finished, text=text)
        messages.append(Message("user", repair_request(fault)))
        again = structs.replace(request, tool_choice="none")
        repaired = await self._turn(agent, again, messages, caller)
        usage = finished.usage + repaired.usage
        return structs.replace(repaired, text=unwrapped(repaired.text), usage=usage)

    async def _turn(
        self, agent: AgentVersion, request: ChatRequest, messages: list[Message], caller: Caller
    ) -> TurnFinished:
        tools = BoundTools(agent.tools, agent.rate, "", caller)
        gate = agent.validators.gate()
        asking = Asking(agent.context, {})
        events = run_turn(agent.model, tools, request, messages, agent.limits, asking, gate)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TurnFinished):
                    return event
        raise OmniaError(Code.INTERNAL, "the call ended without an answer")
