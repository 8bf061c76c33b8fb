"""The runtime block of an AgentRuntime: pods, containers, volumes, replicas, autoscaling."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import GROUP
from omnia_operator.api.container import ExtraContainer, InitContainer
from omnia_operator.api.meta import ContainerEnvVar, LocalRef, Volume, VolumeMount
from omnia_operator.api.model import Model, ObjectName, Text, list_map
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


def _mounts_have_volumes(containers: str) -> str:
    mounted = "has(self.volumes) && self.volumes.exists(v, v.name == m.name)"
    all_mounted = f"!has(c.volumeMounts) || c.volumeMounts.all(m, {mounted})"
    return f"!has(self.{containers}) || self.{containers}.all(c, {all_mounted})"


_OWN_LABELS = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
]
_OWN_PREFIX = f"{GROUP}/"
# Former annotations for what is now in the security context, which API servers still read.
_SECURITY_PREFIXES = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)


class PodDefaults(Model):
    """What the operator's chart may set for the pods of all agents, and each agent for its own."""

    pod_labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    """More labels of the pods."""
    pod_annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    """More annotations of the pods."""
    service_account_annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    """Annotations of the ServiceAccount that the operator makes for the pods: with the workload
    identity of a cloud, they name the cloud's account."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that may run the pods."""
    tolerations: tuple[JsonObject, ...] = Field(default=(), max_length=64)
    """Kubernetes tolerations of the pods."""
    affinity: JsonObject | None = None
    """Kubernetes affinity of the pods."""
    topology_spread_constraints: tuple[JsonObject, ...] = Field(default=(), max_length=16)
    """How the pods spread over zones and nodes; one without a `labelSelector` counts the pods of
    the agent. Without any, and without `affinity`, they spread over both where there is room."""

    pod_labels_are_free: ClassVar = rule(
        "the labels app.kubernetes.io/name, app.kubernetes.io/instance,"
        " app.kubernetes.io/managed-by and pod-template-hash, and those with the prefix"
        f" {_OWN_PREFIX}, are the operator's: rename the label",
        cel="!has(self.podLabels) || self.podLabels.all(k,"
        f" !(k in {_OWN_LABELS}) && !k.startsWith('{_OWN_PREFIX}'))",
        at="podLabels",
    )

    pod_annotations_are_free: ClassVar = rule(
        f"annotations with the prefix {_OWN_PREFIX}, and those that choose profiles of AppArmor and"
        " seccomp, are the operator's: remove the annotation",
        cel="!has(self.podAnnotations) || self.podAnnotations.all(k, "
        + " && ".join(f"!k.startsWith('{each}')" for each in (_OWN_PREFIX, *_SECURITY_PREFIXES))
        + ")",
        at="podAnnotations",
    )


class WorkloadSpec(PodDefaults):
    """How the pods of the agent run."""

    replicas: Annotated[int, Field(ge=0)] = 1
    """Number of pods, unless `autoscaling` owns it. `kubectl scale agentruntime` and a
    HorizontalPodAutoscaler of yours change it."""
    resources: JsonObject | None = None
    """Requests and limits of the runtime container."""
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
    service_account_name: ObjectName | None = None
    """ServiceAccount of yours that the pods run as, instead of the one that the operator makes.
    Refused unless `policy.customServiceAccounts` of the operator's chart allows it."""
    image_pull_secrets: tuple[LocalRef, ...] = Field(
        default=(), max_length=16, json_schema_extra=list_map("name")
    )
    """Secrets that images are pulled with, beside those of the operator's chart."""
    extra_containers: tuple[ExtraContainer, ...] = Field(
        default=(), max_length=8, json_schema_extra=list_map("name")
    )
    """Containers that run beside those of the agent."""
    init_containers: tuple[InitContainer, ...] = Field(
        default=(), max_length=8, json_schema_extra=list_map("name")
    )
    """Containers that run before those of the agent, and sidecars that outlive it."""
    autoscaling: Autoscaling | None = None
    """Number of replicas by load."""

    mounts_have_volumes: ClassVar = rule(
        "every entry of volumeMounts mounts an entry of volumes: add the missing volume, or"
        " correct the name",
        cel="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) &&"
        " self.volumes.exists(v, v.name == m.name))",
        at="volumeMounts",
    )

    extra_mounts_have_volumes: ClassVar = rule(
        "every entry of volumeMounts mounts an entry of runtime.volumes: add the missing volume, or"
        " correct the name",
        cel=_mounts_have_volumes("extraContainers"),
        at="extraContainers",
    )

    init_mounts_have_volumes: ClassVar = rule(
        "every entry of volumeMounts mounts an entry of runtime.volumes: add the missing volume, or"
        " correct the name",
        cel=_mounts_have_volumes("initContainers"),
        at="initContainers",
    )

    container_names_differ: ClassVar = rule(
        "a container of initContainers and one of extraContainers have the same name: rename one",
        cel="!has(self.initContainers) || !has(self.extraContainers) ||"
        " self.initContainers.all(i, !self.extraContainers.exists(c, c.name == i.name))",
        at="initContainers",
    )

    account_is_yours: ClassVar = rule(
        "names with the prefix omnia- are those of ServiceAccounts that the operator makes: name"
        " one of yours, or remove the field",
        cel="!has(self.serviceAccountName) || !self.serviceAccountName.startsWith('omnia-')",
        at="serviceAccountName",
    )

    annotated_account_is_the_operators: ClassVar = rule(
        "serviceAccountAnnotations are for the ServiceAccount that the operator makes: annotate"
        " yours, or remove serviceAccountName",
        cel="!has(self.serviceAccountName) || !has(self.serviceAccountAnnotations) ||"
        " size(self.serviceAccountAnnotations) == 0",
        at="serviceAccountAnnotations",
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
