"""Compositions: graphs of steps that a workflow's state may run."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from omnia_core.files.pack.terms import Extensions, Identifier, OpenPart, Part, Positive, since
from omnia_core.jsonvalue import JsonObject

Comparison = Literal[
    "equals",
    "not_equals",
    "in",
    "not_in",
    "less_than",
    "less_than_or_equals",
    "greater_than",
    "greater_than_or_equals",
]


class Predicate(OpenPart, frozen=True, omit_defaults=True):
    """One of five: a comparison of `path`, whether `path` exists, all_of, any_of, not."""

    path: str | None = None
    op: Comparison | None = None
    value: Any = UNSET
    exists: bool | None = None
    all_of: "list[Predicate] | None" = None
    any_of: "list[Predicate] | None" = None
    not_: "Predicate | None" = field(default=None, name="not")

    def forms(self) -> list[str]:
        """Return the forms that this predicate has."""
        compares = None not in (self.path, self.op) and not isinstance(self.value, UnsetType)
        found = {
            "path, op, value": compares,
            "path, exists": self.path is not None and self.exists is not None,
            "all_of": self.all_of is not None,
            "any_of": self.any_of is not None,
            "not": self.not_ is not None,
        }
        return [form for form, there in found.items() if there]


class Retry(OpenPart, frozen=True, omit_defaults=True):
    """How often a step is tried."""

    max_attempts: Positive = 1


class Modifiers(OpenPart, frozen=True, omit_defaults=True):
    """What is done around a step; `eval` names evaluations of the pack."""

    retry: Retry | None = None
    eval: list[str] = field(default_factory=list)


class Termination(OpenPart, frozen=True, omit_defaults=True):
    """When the loop of an agent step ends: at least one of the two."""

    max_steps: Positive | None = None
    tool_called: str | None = None


class Reduce(OpenPart, frozen=True, omit_defaults=True):
    """How the results of parallel steps become one."""

    strategy: str
    into: str


class Step(OpenPart, frozen=True, omit_defaults=True):
    """A step. Which keys belong to it is said by `kind`: prompt, agent, tool, branch, parallel, or
    `vendor.kind` for another runtime's own.
    """

    id: Identifier
    kind: str
    description: str = ""
    depends_on: list[str] = field(default_factory=list)
    modifiers: Modifiers | None = None
    prompt_task: str | None = None
    provider: Annotated[str, since("1.9")] = ""
    input: str | JsonObject | None = None
    output_schema: str = ""
    tools: list[str] | None = None
    termination: Termination | None = None
    tool: str | None = None
    args: JsonObject = field(default_factory=dict)
    predicate: Predicate | None = None
    then: str | None = None
    else_: str | None = field(default=None, name="else")
    branches: "Annotated[list[Step], Meta(min_length=2)] | None" = None
    reduce: Reduce | None = None


class Composition(Part, frozen=True, omit_defaults=True):
    """A graph of steps; `output` names the step whose result is the composition's."""

    version: Literal[1]
    steps: Annotated[list[Step], Meta(min_length=1)]
    description: str = ""
    input_schema: str = ""
    output_schema: str = ""
    output: str = ""
    engine: JsonObject | None = None
    extensions: Extensions = None
