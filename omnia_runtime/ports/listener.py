"""The events and the result of a turn, and the listener that receives them."""

from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage


class ToolCalled(Struct, frozen=True):
    """The model requested a tool call; `on_client` if the client executes it."""

    call: ToolCall
    on_client: bool = False


class ToolAnswered(Struct, frozen=True):
    """The result of a tool call, which the model sees next."""

    call: ToolCall
    result: ToolResult
    on_client: bool = False


AgentEvent: TypeAlias = ToolCalled | ToolAnswered
AgentListener: TypeAlias = TurnListener[AgentEvent]


class TurnFinished(Struct, frozen=True):
    """The result of a turn.

    Attributes:
        text: the text of the last model call.
        usage: the sum over all model calls.
        parts: media that the model produced in its last call.
        limit: the limit that the turn reached, as in `Allowance.exhausted`; "" if none.
        blocked: the type of the validator that blocked the answer; "" if none.
    """

    text: str
    reason: FinishReason
    usage: Usage
    parts: tuple[Part, ...] = ()
    limit: str = ""
    blocked: str = ""


class DiscardingListener:
    """A listener for callers that only need the result of the turn."""

    def send_text(self, text: str) -> bool:  # noqa: ARG002 - the protocol's
        return True

    async def drain(self) -> None:
        """Return at once."""

    async def send_event(self, event: AgentEvent) -> None:
        """Discard the event."""
