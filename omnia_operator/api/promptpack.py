"""PromptPack: one version of a compiled pack of prompts."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.names import Kind
from omnia_core.units import Duration
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import DurationField, Model, ObjectName, Percent, Text, Version
from omnia_operator.api.rules import rule


class SourceType(StrEnum):
    """Where the compiled pack is."""

    CONFIGMAP = "configmap"


class PackRef(Model):
    """A ConfigMap that holds a compiled pack."""

    name: ObjectName
    """Name of the ConfigMap, in the namespace of the PromptPack."""
    key: Text = "pack.json"
    """Key in the ConfigMap."""


class PackSource(Model):
    """Where the compiled pack is."""

    type: SourceType
    """Kind of source."""
    config_map_ref: PackRef | None = None
    """The ConfigMap that holds the pack."""

    config_map_is_named: ClassVar = rule(
        "a source of the type configmap needs configMapRef: add configMapRef with the name of"
        " the ConfigMap",
        cel="self.type != 'configmap' || has(self.configMapRef)",
        at="configMapRef",
    )


class RolloutType(StrEnum):
    """How a new version reaches agents that have not pinned one."""

    IMMEDIATE = "immediate"
    CANARY = "canary"


class Canary(Model):
    """How fast a new version takes over. A session keeps the version that it started with."""

    weight: Percent = 10
    """Percentage of new sessions in the first step."""
    step_weight: Annotated[int, Field(ge=1, le=100)] = 10
    """Percentage points that every interval adds; at 100 the version is active."""
    interval: DurationField = Duration.parse("5m")
    """Time between two steps."""


class PackRollout(Model):
    """How a version reaches the agents that have not pinned one."""

    type: RolloutType = RolloutType.IMMEDIATE
    """All new sessions at once, or a growing part of them."""
    canary: Canary | None = None
    """How fast a canary takes over."""

    only_a_canary_has_steps: ClassVar = rule(
        "the block canary belongs to the type canary: remove it, or set type: canary",
        cel="!has(self.canary) || self.type == 'canary'",
        at="canary",
    )


class PromptPackSpec(Model):
    """Desired state of a PromptPack."""

    pack_name: ObjectName | None = None
    """Name that the versions of a pack share; without it, the name of the object."""
    version: Version
    """Semantic version of the content."""
    source: PackSource
    """Where the compiled pack is."""
    rollout: PackRollout | None = None
    """How this version reaches agents that have not pinned one; without it, all new sessions get it
    at once."""


Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class CanaryProgress(Model):
    """When the canary of a version started and completed."""

    version: Version
    """The version. Another version in the same object starts again."""
    start_time: Timestamp
    """When the first step started."""
    completion_time: Timestamp | None = None
    """When all new sessions got the version."""


class PackPhase(StrEnum):
    """Phase of a PromptPack."""

    PENDING = "Pending"
    ACTIVE = "Active"
    CANARY = "Canary"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


class PromptPackStatus(Status):
    """Observed state of a PromptPack. Conditions: `SourceValid`, `SchemaValid`,
    `AgentsNotified`.
    """

    phase: PackPhase | None = None
    """Phase of this version."""
    active_version: str | None = None
    """Version of new sessions."""
    canary_version: str | None = None
    """Version that is taking over."""
    canary_weight: Percent | None = None
    """Percentage of new sessions that get the canary version."""
    canary: CanaryProgress | None = None
    """Progress of this version's own canary."""
    last_updated: Timestamp | None = None
    """When the content last changed."""


class PromptPack(Resource):
    """PromptPack is one version of a compiled pack of prompts."""

    kind_name: ClassVar = Kind.PROMPT_PACK
    plural: ClassVar = "promptpacks"
    short_names: ClassVar = ("pp",)
    columns: ClassVar = (
        PrinterColumn(name="Version", type="string", json_path=".spec.version"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        PrinterColumn(name="Canary", type="string", json_path=".status.canaryVersion"),
        PrinterColumn(name="Weight", type="integer", json_path=".status.canaryWeight"),
        AGE,
    )

    spec: PromptPackSpec
    """Desired state."""
    status: PromptPackStatus | None = None
    """Observed state, written by the operator."""

    @property
    def pack_name(self) -> str:
        """The name that the versions of this pack share."""
        return self.spec.pack_name or self.metadata.name
