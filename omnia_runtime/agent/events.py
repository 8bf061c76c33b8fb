"""What a turn says while it runs. Text comes as plain `str`, because it comes most often."""

from typing import TypeAlias

from msgspec import Struct

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Part, ToolCall
from omnia_runtime.providers.port import FinishReason, Usage
from omnia_runtime.tools.source import ToolResult


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


AgentEvent: TypeAlias = str | ToolCalled | ToolAnswered | TurnFinished


class LimitReached(OmniaError):
    """The model asks for tools where none are left, and says nothing else."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the model asked for more tools than the turn's limit allows ({limit}); "
            "raise the limit in the pack's tool_policy, or ask for less",
        )
