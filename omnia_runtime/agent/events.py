"""What a turn says while it runs. Text comes as plain `str`, because it comes most often."""

from typing import TypeAlias

from msgspec import Struct

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import ToolCall
from omnia_runtime.providers.port import FinishReason, Usage
from omnia_runtime.tools.source import ToolResult


class ToolCalled(Struct, frozen=True):
    """The model asked for a tool."""

    call: ToolCall


class ToolAnswered(Struct, frozen=True):
    """The tool's result, which the model sees next."""

    call: ToolCall
    result: ToolResult


class TurnFinished(Struct, frozen=True):
    """The end of the turn.

    Attributes:
        text: the text of the last round.
        usage: the sum over all rounds.
    """

    text: str
    reason: FinishReason
    usage: Usage


AgentEvent: TypeAlias = str | ToolCalled | ToolAnswered | TurnFinished


class LimitReached(OmniaError):
    """The model asks for tools where none are left, and says nothing else."""

    def __init__(self, limit: str) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the model asked for more tools than a turn may call ({limit}); "
            "raise the limit in the pack's tool_policy, or ask for less",
        )
