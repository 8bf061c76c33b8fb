"""Tool calls that the client executes: who still owes an answer, and until when."""

from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.events import ToolAnswer
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws.messages import ClientFrame, Refused

NOT_ACKNOWLEDGED = "client did not acknowledge tool call within timeout"
NOT_ANSWERED = "client acknowledged the tool call and did not answer it within timeout"
REFUSED = "client refused the tool call"


class SetDeadline(Struct, frozen=True):
    """Call `deadline` after so long, instead of when an earlier one for the call said."""

    call_id: str
    seconds: float


class ClearDeadline(Struct, frozen=True):
    """The call's deadline is void."""

    call_id: str


ToolEffect: TypeAlias = SetDeadline | ClearDeadline | ToolAnswer


class ClientTools:
    """The calls of the running turn that the client has not answered."""

    __slots__ = ("_acknowledged", "_timings")

    def __init__(self, timings: Timings = USUAL) -> None:
        self._timings = timings
        self._acknowledged: dict[str, bool] = {}

    def called(self, call_id: str) -> SetDeadline:
        """Expect an acknowledgement or an answer."""
        self._acknowledged[call_id] = False
        return SetDeadline(call_id, self._timings.acknowledge)

    def receive(self, frame: ClientFrame) -> list[ToolEffect]:
        """Take a frame of the client that may answer a call.

        Raises:
            Refused: no such call is pending.
        """
        if frame.type == "tool_result" and frame.tool_result:
            result = frame.tool_result
            if result.error:
                return self._answer(ToolAnswer(result.call_id, rejection=result.error))
            return self._answer(ToolAnswer(result.call_id, bytes(result.result).decode()))
        if frame.type == "tool_call_nack" and frame.tool_call_nack:
            nack = frame.tool_call_nack
            return self._answer(ToolAnswer(nack.call_id, rejection=nack.reason or REFUSED))
        if frame.type == "tool_call_ack" and frame.tool_call_ack:
            return self._acknowledge(frame.tool_call_ack.call_id)
        return []

    def deadline(self, call_id: str) -> list[ToolEffect]:
        """Reject a call that was not answered in time."""
        acknowledged = self._acknowledged.pop(call_id, None)
        if acknowledged is None:
            return []
        return [ToolAnswer(call_id, rejection=NOT_ANSWERED if acknowledged else NOT_ACKNOWLEDGED)]

    def clear(self) -> list[ToolEffect]:
        """Expect nothing more."""
        calls, self._acknowledged = list(self._acknowledged), {}
        return [ClearDeadline(call) for call in calls]

    def _acknowledge(self, call_id: str) -> list[ToolEffect]:
        self._require(call_id)
        if self._acknowledged[call_id]:
            return []
        self._acknowledged[call_id] = True
        return [SetDeadline(call_id, self._timings.execute)]

    def _answer(self, answer: ToolAnswer) -> list[ToolEffect]:
        self._require(answer.call_id)
        del self._acknowledged[answer.call_id]
        return [ClearDeadline(answer.call_id), answer]

    def _require(self, call_id: str) -> None:
        if call_id not in self._acknowledged:
            raise Refused(ErrorCode.TOOL_FAILED, f'no pending tool call "{call_id[:64]}"')
