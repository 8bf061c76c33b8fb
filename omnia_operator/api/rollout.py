"""The rollout block of an AgentRuntime."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.units import Duration
from omnia_operator.api.meta import ObjectRef
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
from omnia_operator.api.traffic_routing import TrafficRouting


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


class Promotion(StrEnum):
    """What becomes of the spec when the candidate is promoted."""

    SPEC = "spec"
    HOLD = "hold"


class Rollout(Model):
    """A gradual change to a candidate."""

    candidate: RolloutCandidate | None = None
    """What the candidate has instead of the spec's own; without it nothing is rolled out."""
    steps: Annotated[tuple[RolloutStep, ...], Field(min_length=1, max_length=64)]
    """The steps, in order. After the last one the candidate is promoted."""
    sticky_session: StickySession | None = None
    """Which requests stay on the same side. Sessions always do."""
    rollback: Rollback = Field(default_factory=Rollback)
    """What happens when the candidate fails."""
    promotion: Promotion = Promotion.SPEC
    """`spec` writes what was promoted into the spec, once. `hold` never writes: the status alone
    has it, until the spec follows."""
    traffic_routing: TrafficRouting | None = None
    """What splits the traffic; without it, the facades of the agent do, session by session."""


class RolloutPhase(StrEnum):
    """What a rollout does."""

    IDLE = "Idle"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"


class RolloutResult(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"


class RolloutFields(Model):
    """What a candidate may change, as one side of a rollout has it."""

    prompt_pack_version: str | None = None
    """Version of the PromptPack; without it, the highest."""
    providers: tuple[NamedProvider, ...] = ()
    """The providers."""
    tool_registry_ref: ObjectRef | None = None
    """The ToolRegistry."""


class HeldFields(Model):
    """What was promoted, while the spec still has what it replaced."""

    replaced: RolloutFields
    """What the spec has."""
    promoted: RolloutFields
    """What the agent runs with."""


class WeightChange(Model):
    """A weight, and when it begins."""

    time: str
    """Sessions that begin from then on are placed by this weight; RFC 3339."""
    weight: Percent
    """Percentage for the candidate."""


class WeightWrite(Model):
    """The last write of the weights of an object, for as long as somebody may contest it."""

    object: str
    """Kind and name of the object."""
    weight: Percent
    """Percentage for the candidate."""
    time: str
    """When it was written; RFC 3339."""
    corrections: Annotated[int, Field(ge=0)] = 0
    """How often a change of somebody else was put back, one soon after the other."""
    manager: str = ""
    """Field manager of the last such change, as far as is known."""


class FinishedRollout(Model):
    """The last rollout that ended."""

    id: str
    """Of what was rolled out over what."""
    result: RolloutResult
    """How it ended."""
    reason: str = ""
    """Why it was rolled back."""
    time: str
    """When it ended; RFC 3339."""
    candidate_version: str | None = None
    """Version of its candidate's PromptPack."""


class MeasurementResult(StrEnum):
    """What a measurement says."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


class AnalysisPhase(StrEnum):
    """What became of an analysis, or of one of its metrics."""

    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class Measurement(Model):
    """A measurement of a metric."""

    time: str
    """When it was made; RFC 3339."""
    result: MeasurementResult
    """What it says."""
    value: str | None = None
    """The measured value, shortened."""
    message: str | None = None
    """Why it has no value, or no result."""


class PodCounts(Model):
    """What was counted in a pod: the candidate's values, then as many of stable's.

    Of shares, these are number and sum; of times and costs the sum, and a cumulative histogram.
    """

    pod: str
    """UID of the pod."""
    first: Annotated[tuple[float, ...], Field(max_length=64)]
    """When it was read first."""
    last: Annotated[tuple[float, ...], Field(max_length=64)]
    """When it was read last."""


class MetricStatus(Model):
    """Progress of a metric of an analysis."""

    name: str
    """Name of the metric."""
    phase: AnalysisPhase = AnalysisPhase.RUNNING
    """What became of it. It does not change after `Running`."""
    message: str | None = None
    """Why the phase is this one."""
    query: str | None = None
    """What is asked, with the values of the arguments: the query, or the address."""
    successful: int = 0
    """Number of successful measurements."""
    failed: int = 0
    """Number of failed measurements."""
    inconclusive: int = 0
    """Number of inconclusive measurements."""
    errors: int = 0
    """Number of measurements with an error."""
    consecutive_errors: int = 0
    """Number of errors since the last measurement without one."""
    next_time: str
    """When it is measured next; RFC 3339."""
    last_data_time: str
    """When it last had data, or when the analysis began; RFC 3339.

    Later by the time for which the operator could not measure.
    """
    counts: Annotated[tuple[PodCounts, ...], Field(max_length=200)] = ()
    """What the pods of the agent have counted, for the provider `agent`."""
    measurements: Annotated[tuple[Measurement, ...], Field(max_length=10)] = ()
    """The last ten measurements."""


class AnalysisStatus(Model):
    """Progress of the analysis of the current step, or of the last one that was run."""

    template_name: str
    """Name of the RolloutAnalysis."""
    phase: AnalysisPhase = AnalysisPhase.RUNNING
    """What became of it."""
    message: str | None = None
    """Why the phase is this one."""
    step: int
    """Index of the step that it belongs to."""
    start_time: str
    """When it began; RFC 3339."""
    metrics: Annotated[tuple[MetricStatus, ...], Field(max_length=32)] = ()
    """Progress of each metric."""


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
    phase: RolloutPhase = RolloutPhase.IDLE
    """What the rollout does."""
    step: str | None = None
    """Number of the current step and of all steps, such as `3/6`."""
    id: str | None = None
    """Identifies what is rolled out over what."""
    reason: str | None = None
    """Why the phase is this one, as one word."""
    message: str | None = None
    """What it waits for, and what to do."""
    start_time: str | None = None
    """When it began; RFC 3339."""
    step_start_time: str | None = None
    """When the current step or phase began; RFC 3339."""
    weights: Annotated[tuple[WeightChange, ...], Field(max_length=65)] = ()
    """The weights since it began."""
    stable: RolloutFields | None = None
    """What the candidate is compared with."""
    candidate: RolloutFields | None = None
    """What is rolled out."""
    analysis: AnalysisStatus | None = None
    """The analysis of the current step, or the last one that was run."""
    traffic_routing: TrafficRouting | None = None
    """The objects whose weights the rollout sets; without it, the facades of the agent split the
    traffic."""
    weight_writes: Annotated[tuple[WeightWrite, ...], Field(max_length=4)] = ()
    """The last writes of these objects, and who changed them since."""
    over: bool = False
    """Whether the candidate answers no sessions any more."""
    writes: Annotated[int, Field(ge=0, le=2)] = 0
    """Attempts to write the end of the rollout into the spec; 2: there is none any more."""
    held: HeldFields | None = None
    """What was promoted and the spec does not have yet, or again not."""
    last: FinishedRollout | None = None
    """The last rollout that ended."""
    request: str | None = None
    """Id of the last request of a person that was dealt with."""
