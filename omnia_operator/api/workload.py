"""The runtime block of an AgentRuntime: replicas, resources, volumes, autoscaling."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.meta import ContainerEnvVar, Volume, VolumeMount
from omnia_operator.api.model import Model, Text, list_map
from omnia_operator.api.rules import rule


class AutoscalingType(StrEnum):
    """What scales the agent."""

    HPA = "hpa"
    KEDA = "keda"


class KedaTrigger(Model):
    """A KEDA trigger; metadata is that of its type."""

    type: Text
    """Type of the trigger, such as `prometheus` or `cron`."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """Settings of the trigger."""


class Keda(Model):
    """How KEDA scales."""

    polling_interval: Annotated[int, Field(ge=1)] = 30
    """Seconds between two evaluations of the triggers."""
    cooldown_period: Annotated[int, Field(ge=0)] = 300
    """Seconds without activity before the last replica is removed."""
    triggers: tuple[KedaTrigger, ...] = Field(default=(), max_length=32)
    """Triggers; without any, `omnia_agent_connections_active` from Prometheus with ten connections
    per replica."""


class Autoscaling(Model):
    """Number of replicas by load."""

    enabled: bool = False
    """Whether an autoscaler owns the number of replicas; `runtime.replicas` is then ignored."""
    type: AutoscalingType = AutoscalingType.HPA
    """HorizontalPodAutoscaler or KEDA."""
    min_replicas: Annotated[int, Field(ge=0)] = 1
    """Smallest number of replicas; 0 needs KEDA."""
    max_replicas: Annotated[int, Field(ge=1)] = 10
    """Largest number of replicas."""
    target_memory_utilization_percentage: Annotated[int, Field(ge=1, le=100)] = 70
    """Target of the memory use, in percent of the request; HPA only."""
    target_cpu_utilization_percentage: Annotated[int, Field(ge=1, le=100)] = 90
    """Target of the CPU use, in percent of the request; HPA only."""
    scale_down_stabilization_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """Seconds of lower load before replicas are removed; HPA only."""
    keda: Keda | None = None
    """How KEDA scales."""

    bounds_are_in_order: ClassVar = rule(
        "minReplicas is greater than maxReplicas: lower minReplicas or raise maxReplicas",
        cel="self.minReplicas <= self.maxReplicas",
        at="minReplicas",
    )

    only_keda_scales_to_zero: ClassVar = rule(
        "only KEDA scales to zero: set type: keda, or minReplicas to at least 1",
        cel="self.minReplicas > 0 || self.type == 'keda'",
        at="minReplicas",
    )

    only_keda_has_keda_settings: ClassVar = rule(
        "the block keda belongs to the type keda: remove it, or set type: keda",
        cel="!has(self.keda) || self.type == 'keda'",
        at="keda",
    )


_OWN_FOLDERS = [
    names.PACK_PATH,
    *(
        str(PurePosixPath(path).parent)
        for path in (names.TOOLS_PATH, names.PROVIDERS_PATH, names.FUNCTION_PATH)
    ),
]


class WorkloadSpec(Model):
    """How the pods of the agent run."""

    replicas: Annotated[int, Field(ge=0)] = 1
    """Number of pods, unless an autoscaler owns it."""
    resources: JsonObject | None = None
    """Requests and limits of the runtime container."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that may run the pods."""
    tolerations: tuple[JsonObject, ...] = Field(default=(), max_length=64)
    """Kubernetes tolerations of the pods."""
    affinity: JsonObject | None = None
    """Kubernetes affinity of the pods."""
    volumes: tuple[Volume, ...] = Field(
        default=(), max_length=64, json_schema_extra=list_map("name")
    )
    """More volumes of the pods."""
    volume_mounts: tuple[VolumeMount, ...] = Field(
        default=(), max_length=64, json_schema_extra=list_map("mountPath")
    )
    """Where the volumes are mounted in the runtime container."""
    extra_env: tuple[ContainerEnvVar, ...] = Field(
        default=(), max_length=256, json_schema_extra=list_map("name")
    )
    """More environment variables of the runtime container."""
    autoscaling: Autoscaling | None = None
    """Number of replicas by load."""

    mounts_have_volumes: ClassVar = rule(
        "every entry of volumeMounts mounts an entry of volumes: add the missing volume, or"
        " correct the name",
        cel="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) &&"
        " self.volumes.exists(v, v.name == m.name))",
        at="volumeMounts",
    )

    volume_names_are_free: ClassVar = rule(
        "volume names with the prefix omnia- are reserved for the operator: rename the volume",
        cel="!has(self.volumes) || self.volumes.all(v, !v.name.startsWith('omnia-'))",
        at="volumes",
    )

    mount_paths_are_free: ClassVar = rule(
        "pack, tools, providers and function below /etc/omnia are reserved for the operator: mount"
        " the volume elsewhere, such as in /etc/omnia/mock",
        cel="!has(self.volumeMounts) ||"
        f" self.volumeMounts.all(m, !(m.mountPath in {_OWN_FOLDERS}))",
        at="volumeMounts",
    )
