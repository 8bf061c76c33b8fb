"""Tool calls that the client of a stream executes."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.files.tools import ClientConfig, ToolDefinition
from omnia_core.jsonvalue import json_bytes
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

SendMessage = Callable[[pb.ServerMessage], Awaitable[None]]

# The number of ended calls that are remembered, because a late result may still arrive.
_MAX_ENDED = 64


class ClientToolCalls:
    """Sends calls to the client, and delivers its results to the waiting turn."""

    def __init__(self, send: SendMessage) -> None:
        self._send = send
        self._waiting: dict[str, asyncio.Future[ToolResult]] = {}
        self._ended: tuple[str, ...] = ()

    async def execute(
        self,
        call: ToolCall,
        tool: ToolDefinition,
        config: ClientConfig,
    ) -> ToolResult:
        schema = tool.output_schema
        result: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = result
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
                        output_schema_json=json_bytes(schema).decode() if schema else "",
                    )
                )
            )
            return await result
        finally:
            del self._waiting[call.id]
            self._ended = (*self._ended, call.id)[-_MAX_ENDED:]

    def resolve(self, result: pb.ClientToolResult) -> bool:
        """Deliver a result of the client. A late result is dropped; False for an unknown call."""
        waiting = self._waiting.get(result.call_id)
        if waiting is None:
            return result.call_id in self._ended
        if not waiting.done():
            waiting.set_result(_read_result(result))
        return True


def _read_result(result: pb.ClientToolResult) -> ToolResult:
    if result.is_rejected:
        reason = result.rejection_reason or "without a reason"
        text = orjson.dumps({"error": f"the user's client refused the call: {reason}"}).decode()
        return ToolResult(text, is_error=True)
    return ToolResult(result.result_json or "null")
