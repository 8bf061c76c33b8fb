"""The loop of one turn: ask the model, run the tools it asks for, ask again."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct, structs

from omnia_core.sessions import Message, ToolCall
from omnia_runtime.agent.events import (
    AgentEvent,
    LimitReached,
    ToolAnswered,
    ToolCalled,
    TurnFinished,
)
from omnia_runtime.providers.port import (
    ChatModel,
    ChatRequest,
    Finished,
    MediaProduced,
    TextDelta,
    ToolCallRequest,
    Usage,
)
from omnia_runtime.tools.source import ToolResult


class Toolbox(Protocol):
    """The port behind which tools are called; a call never raises."""

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one call."""


class Limits(Struct, frozen=True):
    """How much one turn may do with tools."""

    max_rounds: int = 5
    max_calls: int = 10


async def run_turn(
    model: ChatModel,
    tools: Toolbox,
    request: ChatRequest,
    transcript: list[Message],
    limits: Limits,
) -> AsyncGenerator[AgentEvent, None]:
    """Run a turn to its end.

    `transcript` holds the conversation so far. The loop appends each message as it is complete, so
    that a caller who cancels knows what was done.

    Raises:
        ProviderError: the model did not answer.
        LimitReached: the model wanted nothing but more tools when its limit was used up.
    """
    usage, calls_left = Usage(), limits.max_calls
    for round_number in range(limits.max_rounds + 1):
        last = round_number == limits.max_rounds or calls_left <= 0
        asked = structs.replace(
            request,
            messages=transcript,
            tools=() if last else request.tools,
            # A forced choice holds for the first round; it would otherwise never end.
            tool_choice=request.tool_choice if round_number == 0 else "auto",
        )
        said: list[str] = []
        calls: list[ToolCall] = []
        finished = Finished("stop")
        async with aclosing(model.stream(asked)) as stream:
            async for event in stream:
                match event:
                    case TextDelta(text):
                        said.append(text)
                        yield text
                    case ToolCallRequest(call_id, name, arguments, opaque):
                        calls.append(ToolCall(call_id, name, arguments, opaque))
                    case MediaProduced():
                        pass
                    case Finished():
                        finished = event
        text, usage = "".join(said), usage + finished.usage
        if last and calls and not text:
            raise LimitReached(_limit(limits, calls_left))
        if last or not calls:
            reason = "stop" if finished.reason == "tool_use" else finished.reason
            transcript.append(Message("assistant", text, finish_reason=reason))
            yield TurnFinished(text, reason, usage)
            return
        transcript.append(
            Message("assistant", text, tool_calls=tuple(calls), finish_reason="tool_use")
        )
        for call in calls:
            yield ToolCalled(call)
        results = await _call_all(tools, calls, calls_left)
        calls_left -= len(calls)
        for call, result in zip(calls, results, strict=True):
            transcript.append(_answer(call, result))
            yield ToolAnswered(call, result)


async def _call_all(tools: Toolbox, calls: Sequence[ToolCall], allowed: int) -> list[ToolResult]:
    """Run the calls of a round side by side; results come in the order of the calls."""
    results = await asyncio.gather(*(tools.call(call) for call in calls[:allowed]))
    refused = ToolResult('{"error":"not called: too many tool calls in this turn"}', is_error=True)
    return [*results, *[refused] * (len(calls) - len(results))]


def _answer(call: ToolCall, result: ToolResult) -> Message:
    return Message(
        "tool",
        result.content,
        result.parts,
        tool_call_id=call.id,
        is_error=result.is_error,
    )


def _limit(limits: Limits, calls_left: int) -> str:
    if calls_left <= 0:
        return f"max_tool_calls_per_turn: {limits.max_calls}"
    return f"max_rounds: {limits.max_rounds}"
