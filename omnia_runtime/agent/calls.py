"""The tool calls of one round: admitted, run side by side, answered in order."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import orjson

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.sessions import Message
from omnia_runtime.agent.limits import Allowance
from omnia_runtime.observe.audit import note_refused


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
