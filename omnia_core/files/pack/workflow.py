"""Several prompts of a pack together: a workflow's states, agents, skills."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.governance import Governance
from omnia_core.files.pack.terms import Extensions, NotEmpty, OpenPart, Part, Positive, since


class Artifact(Part, frozen=True, omit_defaults=True):
    """A value that a state hands on; `type` is a MIME type."""

    type: str
    description: str = ""
    mode: Literal["replace", "append"] = "replace"


class State(Part, frozen=True, omit_defaults=True):
    """A state of a workflow: a prompt, or a composition in its place.

    Attributes:
        on_event: event → the state that follows.
        skills: a path, or `none`.
    """

    prompt_task: str = ""
    description: str = ""
    on_event: dict[str, str] = field(default_factory=dict)
    persistence: str = ""
    orchestration: Literal["internal", "external", "hybrid", "composition"] = "internal"
    control: Annotated[Literal["user", "agent"], since("1.7")] = "user"
    composition: Annotated[str, since("1.5")] = ""
    skills: Annotated[str, since("1.3.1")] = ""
    terminal: Annotated[bool, since("1.4")] = False
    max_visits: Annotated[Positive | None, since("1.4")] = None
    on_max_visits: Annotated[str, since("1.4")] = ""
    artifacts: Annotated[dict[str, Artifact], since("1.4")] = field(default_factory=dict)
    extensions: Extensions = None


class Budget(Part, frozen=True, omit_defaults=True):
    """How far a workflow may go."""

    max_total_visits: Positive | None = None
    max_tool_calls: Positive | None = None
    max_wall_time_sec: Positive | None = None


class Engine(OpenPart, frozen=True, omit_defaults=True):
    """What runs a workflow."""

    budget: Budget | None = None


class Workflow(Part, frozen=True, omit_defaults=True):
    """States over the pack's prompts; `entry` names a state."""

    version: Positive
    entry: str
    states: Annotated[dict[str, State], Meta(min_length=1)]
    engine: Engine | None = None


class AgentDef(Part, frozen=True, omit_defaults=True):
    """What a prompt shows to other agents; with `state` it is the workflow from there on."""

    description: str = ""
    tags: list[str] = field(default_factory=list)
    input_modes: list[str] = field(default_factory=lambda: ["text/plain"])
    output_modes: list[str] = field(default_factory=lambda: ["text/plain"])
    state: Annotated[str, since("1.4")] = ""
    governance: Annotated[Governance | None, since("1.6")] = None
    extensions: Extensions = None


class Agents(Part, frozen=True, omit_defaults=True):
    """Prompts as agents; `entry` and the keys of `members` name prompts."""

    entry: str
    members: Annotated[dict[str, AgentDef], Meta(min_length=1)]


class Skill(Part, frozen=True, omit_defaults=True):
    """A skill by its `path`, or one that stands in the pack with its `instructions`."""

    path: str | None = None
    preload: bool = False
    name: NotEmpty | None = None
    description: NotEmpty | None = None
    instructions: NotEmpty | None = None
