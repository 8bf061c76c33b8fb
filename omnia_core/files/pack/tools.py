"""Tools in a pack: what a model is told about them, and how far it may go with them."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import (
    ADDITION,
    Extensions,
    Identifier,
    NotEmpty,
    Part,
    Positive,
    since,
)
from omnia_core.jsonvalue import JsonObject

ToolChoice = Literal["auto", "required", "none"]


class ToolPolicy(Part, frozen=True, omit_defaults=True):
    """Limits of the tool loop; counts per turn. The fields after `blocklist` are additions to the
    format.

    Attributes:
        max_identical_tool_calls: the same tool with the same arguments.
        max_cost_usd: of a turn's model calls; None is "no limit", as for the tokens.
        stop_on_tool: names of tools after whose call the turn ends.
    """

    tool_choice: ToolChoice = "auto"
    max_rounds: Positive = 5
    max_tool_calls_per_turn: Positive = 10
    blocklist: list[str] = field(default_factory=list)
    max_parallel_tool_calls: Annotated[Positive, ADDITION] = 10
    max_identical_tool_calls: Annotated[Positive, ADDITION] = 3
    max_calls_per_minute: Annotated[Positive | None, ADDITION] = None
    max_cost_usd: Annotated[Annotated[float, Meta(gt=0)] | None, ADDITION] = None
    max_total_tokens: Annotated[Positive | None, ADDITION] = None
    stop_on_tool: Annotated[list[str], ADDITION] = field(default_factory=list)


class ActionScope(Part, frozen=True, omit_defaults=True):
    """What a tool can affect, as its author declares it; nothing is decided by it."""

    effect: Literal["read", "write", "external"] | None = None
    reversibility: Literal["reversible", "compensable", "irreversible"] | None = None
    data_classes: list[str] = field(default_factory=list)
    extensions: Extensions = None


class PackTool(Part, frozen=True, omit_defaults=True):
    """A tool as the model sees it. Who executes it is the ToolRegistry's affair."""

    name: Identifier
    description: NotEmpty
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})
    action_scope: Annotated[ActionScope | None, since("1.6")] = None
    extensions: Extensions = None
