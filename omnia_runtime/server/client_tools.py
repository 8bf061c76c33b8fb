"""The tools that the client of one stream executes."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.files.tools import ClientConfig, ToolDefinition
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

Send = Callable[[pb.ServerMessage], Awaitable[None]]

# Calls whose answer may still be on its way.
_REMEMBERED = 64


class ClientTools:
    """Sends calls to the client, and hands its answers to whoever waits for them."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[str, asyncio.Future[ToolResult]] = {}
        self._over: tuple[str, ...] = ()

    async def execute(
        self,
        call: ToolCall,
        tool: ToolDefinition,  # noqa: ARG002 - the client knows its tools by their names
        config: ClientConfig,
    ) -> ToolResult:
        answer: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = answer
        try:
            await self._send(
                pb.ServerMessage(
                    tool_call=pb.ToolCall(
                        id=call.id,
                        name=call.name,
                        arguments_json=call.arguments,
                        execution=pb.TOOL_EXECUTION_CLIENT,
                        consent_message=config.consent_message,
                        categories=config.categories,
                    )
                )
            )
            return await answer
        finally:
            del self._waiting[call.id]
            self._over = (*self._over, call.id)[-_REMEMBERED:]

    def answer(self, result: pb.ClientToolResult) -> bool:
        """Take an answer of the client; one that comes too late is dropped.

        False when the client was not asked.
        """
        waiting = self._waiting.get(result.call_id)
        if waiting is None:
            return result.call_id in self._over
        if not waiting.done():
            waiting.set_result(_result(result))
        return True


def _result(result: pb.ClientToolResult) -> ToolResult:
    if result.is_rejected:
        reason = result.rejection_reason or "without a reason"
        text = orjson.dumps({"error": f"the user's client refused the call: {reason}"}).decode()
        return ToolResult(text, is_error=True)
    return ToolResult(result.result_json or "null")
