"""The agent loop: model and tools by turns, within the limits of a turn."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Advice, Code, OmniaError
from omnia_core.jsonvalue import json_bytes, parse_json
from omnia_core.sessions import Message
from omnia_runtime.agent.request_builder import RequestBuilder
from omnia_runtime.observe.audit import record_refused_call
from omnia_runtime.ports.listener import AgentListener, ToolAnswered, ToolCalled, TurnFinished
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.validators import Blocked, OutputBlocked, OutputGate

# Characters of all answers of a turn, with their tool calls and what belongs to these; each answer
# has its own limit too.
MAX_ANSWERS = 8 * 1024 * 1024


class TurnLimits(Struct, frozen=True):
    """Limits of one turn; None means "no limit".

    Attributes:
        max_rounds: model calls that may request tools.
        max_identical: calls of one tool with the same arguments.
        max_cost_usd: cost of all model calls.
        max_tokens: input and output tokens of all model calls.
        stop_on: names of tools; the turn ends after a call of one of them.
    """

    max_rounds: int = 5
    max_calls: int = 10
    max_parallel: int = 10
    max_identical: int = 3
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    stop_on: frozenset[str] = frozenset()


class LimitReached(OmniaError):
    """A limit is reached, and the model requested only tool calls."""

    advice = Advice(
        "The agent used its tools too often.",
        "Ask for less, or raise the limit in tool_policy of its prompt.",
    )

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the model asked for more tools than the turn's limit allows ({limit}); "
            "raise the limit in the pack's tool_policy, or ask for less",
        )


class Allowance:
    """Counts what a turn uses against its limits.

    Attributes:
        usage: the sum over all model calls so far.
        exhausted: the limit that was reached first, as "name: value"; "" if none.
    """

    def __init__(self, limits: TurnLimits) -> None:
        self.usage = Usage()
        self.exhausted = "" if limits.max_rounds > 0 else "max_rounds: 0"
        self._limits = limits
        self._rounds = 0
        self._calls = 0
        self._characters = 0
        self._identical: Counter[tuple[str, bytes]] = Counter()

    def count_usage(self, usage: Usage) -> None:
        """Count the tokens and the cost of a model call."""
        self.usage += usage
        limits, total = self._limits, self.usage
        tokens = total.input_tokens + total.output_tokens
        if limits.max_cost_usd is not None and total.cost_usd >= limits.max_cost_usd:
            self._exhaust(f"max_cost_usd: {limits.max_cost_usd:g}")
        if limits.max_tokens is not None and tokens >= limits.max_tokens:
            self._exhaust(f"max_total_tokens: {limits.max_tokens}")

    def count_answer(self, answer: Message) -> None:
        """Count what a model call has added to the conversation."""
        calls = sum(len(call.arguments) + len(call.opaque) for call in answer.tool_calls)
        self._characters += len(answer.content) + calls
        if self._characters > MAX_ANSWERS:
            self._exhaust(f"characters: {MAX_ANSWERS}")

    def admit(self, call: ToolCall) -> str:
        """Count a tool call. Return "" if it is admitted, else the error for the model."""
        limits = self._limits
        if self._calls >= limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {limits.max_calls}")
        if self.exhausted:
            return f"not called: the turn has used up its limit ({self.exhausted})"
        self._calls += 1
        key = call.name, _canonical_json(call.arguments)
        self._identical[key] += 1
        if self._identical[key] <= limits.max_identical:
            return ""
        if self._identical[key] > limits.max_identical + 1:
            self._exhaust(f"max_identical_tool_calls: {limits.max_identical}")
        return (
            f"not called: {call.name} was called {limits.max_identical} times with these arguments"
            " already; use its results, change the arguments, or answer"
        )

    def end_round(self) -> None:
        """Count a model call that requested tools."""
        self._rounds += 1
        if self._rounds >= self._limits.max_rounds:
            self._exhaust(f"max_rounds: {self._limits.max_rounds}")
        if self._calls >= self._limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {self._limits.max_calls}")

    def _exhaust(self, limit: str) -> None:
        self.exhausted = self.exhausted or limit


def _canonical_json(arguments: str) -> bytes:
    """Return the same bytes for equal JSON documents; invalid JSON is returned as it is."""
    try:
        return json_bytes(parse_json(arguments or "{}"), sort_keys=True)
    except ValueError:
        return arguments.encode()


class Toolbox(Protocol):
    """Executes tool calls."""

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one call. An error is a result; this never raises."""


class AgentLoop(Struct, frozen=True):
    """Runs one turn.

    Attributes:
        requests: makes the request of each model call.
        gate: checks the answer; None lets everything pass.
    """

    model: ChatModel
    tools: Toolbox
    limits: TurnLimits
    requests: RequestBuilder
    gate: OutputGate | None = None

    async def run(
        self, request: ChatRequest, transcript: list[Message], listener: AgentListener
    ) -> TurnFinished:
        """Run the turn to its end.

        The loop appends each message to `transcript` when the message is complete, so a caller
        that cancels the turn knows what was done. After a limit is reached, the model is called
        once more, without tools.

        Args:
            request: the first model call.
            transcript: the conversation so far.
            listener: receives the text and the events of the turn.

        Raises:
            ProviderError: a model call failed.
            LimitReached: a limit was reached, and the model requested only more tools.
        """
        allowance = Allowance(self.limits)
        client_tools = frozenset(tool.name for tool in request.tools if tool.on_client)
        while True:
            if allowance.exhausted:
                # The tools stay: some vendors reject a history with calls of undeclared tools.
                request = structs.replace(request, tool_choice="none")
            answer = ModelAnswer(allowance.exhausted, self.limits.stop_on)
            built = self.requests.build(request, transcript)
            try:
                await answer.receive(self.model, built, self.gate, listener)
            except OutputBlocked as error:
                allowance.count_usage(answer.usage)
                # What was sent stays: the message is a paragraph of its own after it.
                gap = "\n\n" if answer.text else ""
                if not listener.send_text(gap + error.blocked.message):
                    await listener.drain()
                return _finish_blocked(error.blocked, allowance, transcript)
            allowance.count_usage(answer.usage)
            self.requests.calibrate(answer.usage)
            transcript.append(answer.message())
            allowance.count_answer(transcript[-1])
            if not answer.final:
                for call in answer.calls:
                    await listener.send_event(ToolCalled(call, call.name in client_tools))
                results = await self._run_calls(answer.calls, allowance)
                for call, result in zip(answer.calls, results, strict=True):
                    transcript.append(_result_message(call, result))
                    event = ToolAnswered(call, result, call.name in client_tools)
                    await listener.send_event(event)
                allowance.end_round()
            if answer.last:
                return TurnFinished(
                    text=answer.text,
                    reason=answer.reason,
                    usage=allowance.usage,
                    parts=tuple(answer.parts),
                    limit=allowance.exhausted,
                )
            # A forced tool choice applies to the first call only; otherwise the loop never ends.
            request = structs.replace(request, tool_choice="auto")

    async def _run_calls(self, calls: Sequence[ToolCall], allowance: Allowance) -> list[ToolResult]:
        """Run the calls of one answer in parallel; results come in the order of the calls.

        A call that is not admitted gets an error result.
        """
        slots = asyncio.Semaphore(max(self.limits.max_parallel, 1))

        async def run(call: ToolCall, refusal: str) -> ToolResult:
            if refusal:
                record_refused_call(call)
                return ToolResult(json_bytes({"error": refusal}).decode(), is_error=True)
            async with slots:
                return await self.tools.call(call)

        admitted = [(call, allowance.admit(call)) for call in calls]
        return await asyncio.gather(*(run(call, refusal) for call, refusal in admitted))


def _result_message(call: ToolCall, result: ToolResult) -> Message:
    return Message(
        "tool", result.for_model, result.parts, tool_call_id=call.id, is_error=result.is_error
    )


def _finish_blocked(
    blocked: Blocked, allowance: Allowance, transcript: list[Message]
) -> TurnFinished:
    transcript.append(Message("assistant", blocked.message, finish_reason="safety"))
    return TurnFinished(
        text=blocked.message,
        reason="safety",
        usage=allowance.usage,
        limit=allowance.exhausted,
        blocked=blocked.validator_type,
    )


class ModelAnswer:
    """Collects the answer of one model call.

    Attributes:
        calls: the tool calls that the model requested.
        parts: the media that it produced.
        usage: zero until the call has ended.
    """

    def __init__(self, limit: str, stop_on: Collection[str] = ()) -> None:
        """Create an empty answer.

        Args:
            limit: the limit that the turn has reached, so that no tool may be called; "" if none.
            stop_on: names of tools; the turn ends after a call of one of them.
        """
        self.calls: list[ToolCall] = []
        self.parts: list[Part] = []
        self.usage = Usage()
        self._limit = limit
        self._stop_on = stop_on
        self._sent: list[str] = []
        self._has_text = False
        self._reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        """The text sent so far; text that the gate holds back is not included."""
        return "".join(self._sent)

    @property
    def final(self) -> bool:
        """Whether no tools have to be run for it."""
        return bool(self._limit) or not self.calls

    @property
    def last(self) -> bool:
        """Whether the turn ends after it and its tool calls."""
        return self.final or any(call.name in self._stop_on for call in self.calls)

    @property
    def reason(self) -> FinishReason:
        """The finish reason of a final answer."""
        return "stop" if self._reason == "tool_use" else self._reason

    def message(self) -> Message:
        """Return the record of the answer."""
        calls = () if self.final else tuple(self.calls)
        reason = self.reason if self.final else "tool_use"
        return Message("assistant", self.text, tuple(self.parts), calls, finish_reason=reason)

    async def receive(
        self,
        model: ChatModel,
        request: ChatRequest,
        gate: OutputGate | None,
        listener: AgentListener,
    ) -> None:
        """Call the model, and send the text that passes the gate.

        Raises:
            ProviderError: the model call failed.
            OutputBlocked: a validator blocks the text.
            LimitReached: a limit is reached, and the model requested only tool calls.
        """
        async with aclosing(model.stream(request)) as events:
            async for event in events:
                if type(event) is not TextDelta:
                    self._collect(event)
                    continue
                self._has_text = True
                text = gate.feed(event.text) if gate else event.text
                if text:
                    self._sent.append(text)
                    if not listener.send_text(text):
                        await listener.drain()
                if gate and gate.cut:
                    self.calls.clear()
                    self._reason = "max_output_tokens"
                    return
        if self._limit and self.calls and not self._has_text:
            raise LimitReached(self._limit)
        if gate and self.last and (rest := gate.end()):
            self._sent.append(rest)
            if not listener.send_text(rest):
                await listener.drain()

    def _collect(self, event: ModelEvent) -> None:
        match event:
            case ToolCallRequest(call_id, name, arguments, opaque):
                self.calls.append(ToolCall(call_id, name, arguments, opaque))
            case MediaProduced(part):
                self.parts.append(part)
            case Finished(reason, usage):
                self._reason, self.usage = reason, usage
            case TextDelta():
                pass  # handled by `receive`
