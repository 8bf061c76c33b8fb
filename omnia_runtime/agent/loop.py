"""The loop of one turn: ask the model, run the tools it asks for, ask again."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import orjson
from msgspec import structs

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.agent.answer import Answer
from omnia_runtime.agent.limits import Allowance, Limits
from omnia_runtime.observe.audit import note_refused
from omnia_runtime.ports.listener import Listener, ToolAnswered, ToolCalled, TurnFinished
from omnia_runtime.ports.model import ChatModel, ChatRequest
from omnia_runtime.validators import Blocked, OutputBlocked, OutputGate


class Shape(Protocol):
    """Decides what the model is sent of what was said."""

    def ask(self, request: ChatRequest, messages: Sequence[Message]) -> ChatRequest:
        """Make the next call from the first one and what was said so far."""

    def used(self, usage: Usage) -> None:
        """Take what the vendor counted for that call."""


async def run_turn(
    model: ChatModel,
    tools: Toolbox,
    request: ChatRequest,
    transcript: list[Message],
    limits: Limits,
    shape: Shape,
    listener: Listener,
    gate: OutputGate | None = None,
) -> TurnFinished:
    """Run a turn to its end, and say to `listener` what happens.

    `transcript` holds the conversation so far. The loop appends each message as it is complete, so
    that a caller who cancels knows what was done. When a limit is used up, the model answers once
    more, without tools.

    Raises:
        ProviderError: the model did not answer.
        LimitReached: the model wanted nothing but more tools when a limit was used up.
    """
    allowance = Allowance(limits)
    on_client = frozenset(tool.name for tool in request.tools if tool.on_client)
    while True:
        if allowance.exhausted:
            # The tools stay: some vendors refuse a history with calls of tools they do not know.
            request = structs.replace(request, tool_choice="none")
        answer = Answer(allowance.exhausted, limits.stop_on)
        try:
            await answer.hear(model, shape.ask(request, transcript), gate, listener)
        except OutputBlocked as error:
            allowance.spend(answer.usage)
            if not listener.say(error.blocked.message):
                await listener.room()
            return _blocked(error.blocked, allowance, transcript)
        allowance.spend(answer.usage)
        shape.used(answer.usage)
        transcript.append(answer.message())
        if not answer.final:
            for call in answer.calls:
                await listener.tell(ToolCalled(call, call.name in on_client))
            results = await run_calls(tools, answer.calls, allowance, limits.max_parallel)
            for call, result in zip(answer.calls, results, strict=True):
                transcript.append(answered(call, result))
                await listener.tell(ToolAnswered(call, result, call.name in on_client))
            allowance.end_round()
        if answer.last:
            return TurnFinished(
                answer.text,
                answer.reason,
                allowance.usage,
                tuple(answer.parts),
                allowance.exhausted,
            )
        # A forced choice holds for the first round; it would otherwise never end.
        request = structs.replace(request, tool_choice="auto")


def _blocked(blocked: Blocked, allowance: Allowance, transcript: list[Message]) -> TurnFinished:
    message, by = blocked.message, blocked.validator_type
    transcript.append(Message("assistant", message, finish_reason="safety"))
    return TurnFinished(message, "safety", allowance.usage, (), allowance.exhausted, by)


class Toolbox(Protocol):
    """The port behind which tools are called; a call never raises."""

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one call."""


async def run_calls(
    tools: Toolbox, calls: Sequence[ToolCall], allowance: Allowance, max_parallel: int
) -> list[ToolResult]:
    """Run the calls of a round; results come in the order of the calls.

    A call that is not admitted has a result that says why.
    """
    slots = asyncio.Semaphore(max(max_parallel, 1))

    async def run(call: ToolCall, refusal: str) -> ToolResult:
        if refusal:
            note_refused(call)
            return ToolResult(orjson.dumps({"error": refusal}).decode(), is_error=True)
        async with slots:
            return await tools.call(call)

    admitted = [(call, allowance.admit(call)) for call in calls]
    return await asyncio.gather(*(run(call, refusal) for call, refusal in admitted))


def answered(call: ToolCall, result: ToolResult) -> Message:
    """Return the message that tells the model the result of its call."""
    return Message(
        "tool", result.content, result.parts, tool_call_id=call.id, is_error=result.is_error
    )
