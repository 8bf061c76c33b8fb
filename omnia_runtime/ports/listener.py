"""What a turn tells while it runs."""

from typing import Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError


class ToolCalled(Struct, frozen=True):
    """The model asked for a tool; `on_client` says that the client executes it."""

    call: ToolCall
    on_client: bool = False


class ToolAnswered(Struct, frozen=True):
    """The tool's result, which the model sees next."""

    call: ToolCall
    result: ToolResult
    on_client: bool = False


class TurnFinished(Struct, frozen=True):
    """The end of the turn.

    Attributes:
        text: the text of the last round.
        usage: the sum over all rounds.
        parts: media that the model made in its last round.
        limit: what was used up, as `Allowance.exhausted` says it; "" when nothing was.
        blocked: the type of the validator that blocked the answer, "" when none did.
    """

    text: str
    reason: FinishReason
    usage: Usage
    parts: tuple[Part, ...] = ()
    limit: str = ""
    blocked: str = ""


AgentEvent: TypeAlias = ToolCalled | ToolAnswered


class Listener(Protocol):
    """Whom a turn is told to. The answer's text comes in many pieces, so no piece is waited for."""

    def say(self, text: str) -> bool:
        """Take a piece of the answer; False: `room` is to be waited for before the next."""

    async def room(self) -> None:
        """Wait while no more is taken."""

    async def tell(self, event: AgentEvent) -> None:
        """Take what happens beside the answer; waits while no more is taken."""


class Nobody:
    """Listens to nothing: what counts is how the turn ends."""

    def say(self, text: str) -> bool:  # noqa: ARG002 - the protocol's
        return True

    async def room(self) -> None:
        """There is always room."""

    async def tell(self, event: AgentEvent) -> None:
        """Nobody hears it."""


class LimitReached(OmniaError):
    """The model asks for tools where none are left, and says nothing else."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the model asked for more tools than the turn's limit allows ({limit}); "
            "raise the limit in the pack's tool_policy, or ask for less",
        )
