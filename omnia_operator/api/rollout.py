"""The rollout block of an AgentRuntime."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.units import Duration
from omnia_operator.api.meta import LocalRef, ObjectRef
from omnia_operator.api.model import (
    DurationField,
    Label,
    Model,
    ObjectName,
    Percent,
    Text,
    Version,
    list_map,
)
from omnia_operator.api.rules import rule


class NamedProvider(Model):
    """A Provider under its logical name in this agent and its pack."""

    name: Label
    """Logical name. `default`, or else the first one, answers. `fallback`, and names with the
    prefix `fallback-`, replace it after a failure, in the order of the list. `judge` rates answers.
    A pack may name others."""
    provider_ref: ObjectRef
    """The Provider."""


class RolloutCandidate(Model):
    """What the candidate replaces in the spec."""

    prompt_pack_version: Version | None = None
    """Version of the PromptPack."""
    provider_refs: tuple[NamedProvider, ...] = Field(
        default=(), max_length=32, json_schema_extra=list_map("name")
    )
    """Providers that replace those with the same name."""
    tool_registry_ref: ObjectRef | None = None
    """The ToolRegistry."""


class Pause(Model):
    """A pause of the rollout."""

    duration: DurationField | None = None
    """How long to wait; without it, until the rollout is continued manually."""


class AnalysisArgument(Model):
    """An argument of an analysis template."""

    name: Text
    """Name of the argument."""
    value: str
    """Value of the argument."""


class Analysis(Model):
    """An analysis that decides whether the rollout continues."""

    template_name: ObjectName
    """Name of the RolloutAnalysis."""
    args: tuple[AnalysisArgument, ...] = Field(
        default=(), max_length=64, json_schema_extra=list_map("name")
    )
    """Arguments that replace those of the template."""


class RolloutStep(Model):
    """One step of a rollout: a weight, a pause or an analysis."""

    set_weight: Percent | None = None
    """Percentage of the traffic for the candidate from now on."""
    pause: Pause | None = None
    """Wait before the next step."""
    analysis: Analysis | None = None
    """Analysis that must succeed before the next step."""

    step_does_one_thing: ClassVar = rule(
        "a step has one action: set exactly one of setWeight, pause and analysis",
        cel="(has(self.setWeight) ? 1 : 0) + (has(self.pause) ? 1 : 0) + (has(self.analysis)"
        " ? 1 : 0) == 1",
    )


class StickySession(Model):
    """Which requests stay on the same side of the rollout."""

    hash_on: Text
    """Header whose value decides, such as `x-user-id`."""


class RollbackMode(StrEnum):
    """What happens when the candidate fails."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    DISABLED = "disabled"


class Rollback(Model):
    """What happens when the candidate fails."""

    mode: RollbackMode = RollbackMode.MANUAL
    """Whether the candidate is rolled back automatically."""
    cooldown: DurationField = Duration.parse("5m")
    """Shortest time between two rollbacks."""


class VirtualService(LocalRef):
    """An Istio VirtualService whose weights are set."""

    routes: Annotated[tuple[Text, ...], Field(min_length=1, max_length=32)]
    """Names of the routes to manage."""


class Istio(Model):
    """The Istio objects with the weights."""

    virtual_service: VirtualService
    """VirtualService whose weights are set."""
    destination_rule: LocalRef
    """DestinationRule whose subsets are set."""


class TrafficRouting(Model):
    """What splits the traffic."""

    istio: Istio | None = None
    """Istio splits it."""


class Rollout(Model):
    """A gradual change to a candidate."""

    candidate: RolloutCandidate | None = None
    """What the candidate has instead of the spec's own; without it nothing is rolled out."""
    steps: Annotated[tuple[RolloutStep, ...], Field(min_length=1, max_length=64)]
    """The steps, in order."""
    sticky_session: StickySession | None = None
    """Which requests stay on the same side."""
    rollback: Rollback = Field(default_factory=Rollback)
    """What happens when the candidate fails."""
    traffic_routing: TrafficRouting | None = None
    """What splits the traffic; without it, the number of replicas does."""


class RolloutStatus(Model):
    """Progress of the rollout."""

    active: bool = False
    """Whether a rollout is in progress."""
    current_step: int | None = None
    """Index of the current step."""
    current_weight: Percent | None = None
    """Percentage of the traffic for the candidate."""
    stable_version: str | None = None
    """Version that serves the stable traffic."""
    candidate_version: str | None = None
    """Version that serves the candidate's traffic."""
