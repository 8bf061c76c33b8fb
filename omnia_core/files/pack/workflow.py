"""The types that combine prompts: workflow, agents, skills, compositions."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from omnia_core.files.pack.governance import Governance
from omnia_core.files.pack.terms import (
    Extensions,
    Identifier,
    NotEmpty,
    OpenPackObject,
    PackObject,
    Positive,
    since,
)
from omnia_core.jsonvalue import JsonObject


class Artifact(PackObject, frozen=True, omit_defaults=True):
    """A value that a state passes on; `type` is a MIME type."""

    type: str
    description: str = ""
    mode: Literal["replace", "append"] = "replace"


class State(PackObject, frozen=True, omit_defaults=True):
    """A state of a workflow: a prompt, or a composition instead.

    Attributes:
        on_event: maps events to the next state.
        skills: a path, or `none`.
    """

    prompt_task: str = ""
    description: str = ""
    on_event: dict[str, str] = field(default_factory=dict)
    persistence: Literal["transient", "persistent"] | None = None
    orchestration: Literal["internal", "external", "hybrid", "composition"] = "internal"
    control: Annotated[Literal["user", "agent"], since("1.7")] = "user"
    composition: Annotated[str, since("1.5")] = ""
    skills: Annotated[str, since("1.3.1")] = ""
    terminal: Annotated[bool, since("1.4")] = False
    max_visits: Annotated[Positive | None, since("1.4")] = None
    on_max_visits: Annotated[str, since("1.4")] = ""
    artifacts: Annotated[dict[str, Artifact], since("1.4")] = field(default_factory=dict)
    extensions: Extensions = None


class Budget(PackObject, frozen=True, omit_defaults=True):
    """Limits of a workflow."""

    max_total_visits: Positive | None = None
    max_tool_calls: Positive | None = None
    max_wall_time_sec: Positive | None = None


class Engine(OpenPackObject, frozen=True, omit_defaults=True):
    """Settings of the workflow engine."""

    budget: Budget | None = None


class Workflow(PackObject, frozen=True, omit_defaults=True):
    """States with prompts of the pack; `entry` names the first state."""

    version: Positive
    entry: str
    states: Annotated[dict[str, State], Meta(min_length=1)]
    engine: Engine | None = None


class AgentDef(PackObject, frozen=True, omit_defaults=True):
    """A prompt as seen by other agents; with `state`, the workflow from that state on."""

    description: str = ""
    tags: list[str] = field(default_factory=list)
    input_modes: list[str] = field(default_factory=lambda: ["text/plain"])
    output_modes: list[str] = field(default_factory=lambda: ["text/plain"])
    state: Annotated[str, since("1.4")] = ""
    governance: Annotated[Governance | None, since("1.6")] = None
    extensions: Extensions = None


class Agents(PackObject, frozen=True, omit_defaults=True):
    """Prompts as agents; `entry` and the keys of `members` name prompts."""

    entry: str
    members: Annotated[dict[str, AgentDef], Meta(min_length=1)]


class Skill(PackObject, frozen=True, omit_defaults=True):
    """A skill in a file at `path`, or inline with its `instructions`."""

    path: str | None = None
    preload: bool = False
    name: NotEmpty | None = None
    description: NotEmpty | None = None
    instructions: NotEmpty | None = None


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


class Predicate(OpenPackObject, frozen=True, omit_defaults=True):
    """One of: a comparison of `path`, the existence of `path`, all_of, any_of, not."""

    path: str | None = None
    op: Comparison | None = None
    value: Any = UNSET
    exists: bool | None = None
    all_of: "list[Predicate] | None" = None
    any_of: "list[Predicate] | None" = None
    not_: "Predicate | None" = field(default=None, name="not")

    def forms(self) -> list[str]:
        """Return the forms that are present; a valid predicate has one."""
        compares = None not in (self.path, self.op) and not isinstance(self.value, UnsetType)
        found = {
            "path, op, value": compares,
            "path, exists": self.path is not None and self.exists is not None,
            "all_of": self.all_of is not None,
            "any_of": self.any_of is not None,
            "not": self.not_ is not None,
        }
        return [form for form, there in found.items() if there]


class StepRetry(OpenPackObject, frozen=True, omit_defaults=True):
    """How often a step is attempted."""

    max_attempts: Positive = 1


class Modifiers(OpenPackObject, frozen=True, omit_defaults=True):
    """Retries and evaluations of a step; `eval` names evaluations of the pack."""

    retry: StepRetry | None = None
    eval: list[str] = field(default_factory=list)


class Termination(OpenPackObject, frozen=True, omit_defaults=True):
    """When the loop of an agent step ends; at least one is required."""

    max_steps: Positive | None = None
    tool_called: str | None = None


class Reduce(OpenPackObject, frozen=True, omit_defaults=True):
    """How the results of parallel steps are combined."""

    strategy: str
    into: str


class CompositionStep(OpenPackObject, frozen=True, omit_defaults=True):
    """A step of a composition.

    `kind` decides which keys it needs: prompt, agent, tool, branch, parallel, or `vendor.kind`.
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
    branches: "Annotated[list[CompositionStep], Meta(min_length=2)] | None" = None
    reduce: Reduce | None = None


class Composition(PackObject, frozen=True, omit_defaults=True):
    """A graph of steps; `output` names the step whose result is the result of the composition."""

    version: Literal[1]
    steps: Annotated[list[CompositionStep], Meta(min_length=1)]
    description: str = ""
    input_schema: str = ""
    output_schema: str = ""
    output: str = ""
    engine: JsonObject | None = None
    extensions: Extensions = None
