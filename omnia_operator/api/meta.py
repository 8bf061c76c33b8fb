"""Types that several resources share: metadata, references, conditions, Kubernetes values."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api.model import (
    AbsolutePath,
    Label,
    Model,
    ObjectName,
    Passthrough,
    Text,
    list_map,
)


class ObjectMeta(Model):
    """Standard metadata of a Kubernetes object."""

    name: ObjectName
    """Name of the object."""
    namespace: Label = "default"
    """Namespace of the object."""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    generation: int = 0
    uid: str = ""
    resource_version: str = ""
    generate_name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[JsonObject, ...] = ()
    managed_fields: tuple[JsonObject, ...] = ()
    self_link: str = ""


class PrinterColumn(Model):
    """A column of `kubectl get`."""

    name: str
    type: Literal["string", "integer", "date"]
    json_path: Annotated[str, Field(alias="jsonPath")]
    priority: int | None = None
    """1 shows it with `-o wide` only."""


class Scale(Model):
    """The scale subresource: the JSON paths that `kubectl scale` and autoscalers use."""

    spec_replicas_path: str
    status_replicas_path: str
    label_selector_path: str


AGE = PrinterColumn(name="Age", type="date", json_path=".metadata.creationTimestamp")


class Resource(Model):
    """A custom resource."""

    kind_name: ClassVar[Kind]
    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[PrinterColumn, ...]]
    scale: ClassVar[Scale | None] = None

    api_version: str
    kind: str
    metadata: ObjectMeta

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name


class LocalRef(Model):
    """An object of the same namespace."""

    name: ObjectName
    """Name of the object."""


class ObjectRef(Model):
    """An object of this or of another namespace."""

    name: ObjectName
    """Name of the object."""
    namespace: Label | None = None
    """Namespace of the object; without it, the namespace of the resource that refers to it. An
    object of another namespace must allow it in `spec.allowedNamespaces`."""


class SecretKey(Model):
    """A key of a Secret in the same namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: Text
    """Key in the Secret."""


class ConfigMapKey(Model):
    """A key of a ConfigMap in the same namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: Text
    """Key in the ConfigMap."""


class VolumeClaim(Model):
    """A PersistentVolumeClaim of the same namespace."""

    claim_name: ObjectName
    """Name of the claim."""


class ContainerEnvVar(Passthrough):
    """An environment variable, as in a Kubernetes container."""

    name: Text
    """Name of the variable."""
    value: str | None = None
    """Value of the variable."""
    value_from: JsonObject | None = None
    """Source of the value, as in a Kubernetes container."""


class Volume(Passthrough):
    """A Kubernetes volume: `persistentVolumeClaim`, `configMap`, `secret`, `emptyDir` and
    others that the policy of the operator's chart allows.
    """

    name: Label
    """Name for `volumeMounts`."""


class VolumeMount(Passthrough):
    """A mount of a volume into the runtime container."""

    name: Label
    """Name of a volume of `volumes`."""
    mount_path: AbsolutePath
    """Folder in the container."""
    read_only: bool | None = None
    """Whether the container may only read."""
    sub_path: str | None = None
    """Path inside the volume to mount instead of its root."""


class ConditionStatus(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the observed state."""

    type: Annotated[str, Field(max_length=316)]
    """Type of the condition."""
    status: ConditionStatus
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Reason in one word, for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """Message for people: what was expected, what was found, what to do."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last changed."""
    observed_generation: int | None = None
    """Generation of the resource that the condition describes."""


class Status(Model):
    """Fields of every status."""

    observed_generation: int | None = None
    """Generation of the resource that the status describes."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=list_map("type"))
    """Conditions of the observed state."""
