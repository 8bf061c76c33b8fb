"""Tool calls that the client executes: which ones are pending, and their deadlines.

Some clients acknowledge every call that they are shown, at once: also one of the server, and one
whose turn ends at the same moment. An acknowledgement asks for nothing, so it gets no error.
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.backend.events import ClientToolResult
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws.messages import ClientFrame, FrameRefused

NOT_ACKNOWLEDGED = "client did not acknowledge tool call within timeout"
NOT_ANSWERED = "client acknowledged the tool call and did not answer it within timeout"
REFUSED = "client refused the tool call"
# How many calls of the server are remembered for each connection.
MAX_SHOWN = 256


class SetDeadline(Struct, frozen=True):
    """Set or replace the deadline of a call, in seconds from now."""

    call_id: str
    seconds: float


class ClearDeadline(Struct, frozen=True):
    """Remove the deadline of a call."""

    call_id: str


ToolEffect: TypeAlias = SetDeadline | ClearDeadline | ClientToolResult


class PendingToolCalls:
    """The calls of the running turn that the client has not answered."""

    __slots__ = ("_acknowledged", "_shown", "_timings")

    def __init__(self, timings: Timings = USUAL) -> None:
        self._timings = timings
        self._acknowledged: dict[str, bool] = {}
        # Calls of the server in the order of their frames; a turn may have ended since.
        self._shown: dict[str, None] = {}

    def add_shown(self, call_id: str) -> None:
        """Ignore what the client says about a call that the server executes."""
        self._shown.pop(call_id, None)
        if len(self._shown) >= MAX_SHOWN:
            del self._shown[next(iter(self._shown))]
        self._shown[call_id] = None

    def add(self, call_id: str) -> SetDeadline:
        """Add a call, which must be acknowledged or answered before its deadline."""
        self._acknowledged[call_id] = False
        return SetDeadline(call_id, self._timings.acknowledge)

    def receive(self, frame: ClientFrame) -> list[ToolEffect]:
        """Process a client frame; frames of other types are ignored.

        Raises:
            FrameRefused: no such call is pending.
        """
        if frame.type == "tool_result" and frame.tool_result:
            result = frame.tool_result
            if result.error:
                return self._answer(ClientToolResult(result.call_id, rejection=result.error))
            return self._answer(ClientToolResult(result.call_id, bytes(result.result).decode()))
        if frame.type == "tool_call_nack" and frame.tool_call_nack:
            nack = frame.tool_call_nack
            return self._answer(ClientToolResult(nack.call_id, rejection=nack.reason or REFUSED))
        if frame.type == "tool_call_ack" and frame.tool_call_ack:
            return self._acknowledge(frame.tool_call_ack.call_id)
        return []

    def deadline_passed(self, call_id: str) -> list[ToolEffect]:
        """Reject a call that was not answered in time."""
        acknowledged = self._acknowledged.pop(call_id, None)
        if acknowledged is None:
            return []
        reason = NOT_ANSWERED if acknowledged else NOT_ACKNOWLEDGED
        return [ClientToolResult(call_id, rejection=reason)]

    def clear(self) -> list[ToolEffect]:
        """Remove all calls."""
        calls, self._acknowledged = list(self._acknowledged), {}
        return [ClearDeadline(call) for call in calls]

    def _acknowledge(self, call_id: str) -> list[ToolEffect]:
        if self._acknowledged.get(call_id) is not False:
            return []
        self._acknowledged[call_id] = True
        return [SetDeadline(call_id, self._timings.execute)]

    def _answer(self, result: ClientToolResult) -> list[ToolEffect]:
        if not self._is_pending(result.call_id):
            return []
        del self._acknowledged[result.call_id]
        return [ClearDeadline(result.call_id), result]

    def _is_pending(self, call_id: str) -> bool:
        """Return False for a call that the server executes; raise `FrameRefused` if unknown."""
        if call_id in self._acknowledged:
            return True
        if call_id in self._shown:
            return False
        raise FrameRefused(ErrorCode.TOOL_FAILED, f'no pending tool call "{call_id[:64]}"')


class Deadlines:
    """Named timers of a connection; each calls back once unless it is cleared or replaced."""

    __slots__ = ("_on_deadline", "_timers")

    def __init__(self, on_deadline: Callable[[str], None]) -> None:
        self._on_deadline = on_deadline
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, seconds: float) -> None:
        """Call back after `seconds`."""
        self.clear(name)
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(seconds, self._passed, name)

    def clear(self, name: str) -> None:
        """Do not call back."""
        timer = self._timers.pop(name, None)
        if timer:
            timer.cancel()

    def _passed(self, name: str) -> None:
        self.clear(name)
        self._on_deadline(name)
