"""Containers that a user adds to the pods of an agent."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.meta import ContainerEnvVar, VolumeMount
from omnia_operator.api.model import AbsolutePath, Label, Model, Port, Text, list_map
from omnia_operator.api.rules import rule

_OWN_CONTAINERS = [names.FACADE_CONTAINER, names.RUNTIME_CONTAINER]
_OWN_PORTS = [names.FACADE_HEALTH_PORT, names.RUNTIME_GRPC_PORT, names.RUNTIME_HEALTH_PORT]
_OWN_PORT_NAMES = ["facade", "facade-health", "runtime-health"]


class TransportProtocol(StrEnum):
    """Protocol of a port."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class PullPolicy(StrEnum):
    """When an image is pulled."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ContainerPort(Model):
    """A port of a container."""

    container_port: Port
    """Number of the port in the pod, which all its containers share."""
    name: Annotated[Label, Field(max_length=15)] | None = None
    """Name of the port."""
    protocol: TransportProtocol = TransportProtocol.TCP
    """Protocol of the port."""
    host_port: Port | None = None
    """The same port on the node; refused unless `policy.hostPorts` of the operator's chart allows
    it."""


class ContainerSecurity(Model):
    """What a container may choose of its security context; all else is the operator's."""

    run_as_user: Annotated[int, Field(ge=1)] | None = None
    """User that the program runs as; 65532 without it. Never root."""
    run_as_group: Annotated[int, Field(ge=1)] | None = None
    """Group that the program runs as; 65532 without it."""
    read_only_root_filesystem: bool | None = None
    """Whether the program can write to its volumes only."""


class ExtraContainer(Model):
    """A container that runs beside those of the agent. Its fields are those of a Kubernetes
    container.
    """

    name: Label
    """Name of the container."""
    image: Text
    """Image of the container."""
    image_pull_policy: PullPolicy | None = None
    """When the image is pulled."""
    command: tuple[str, ...] = Field(default=(), max_length=64)
    """Program, instead of that of the image."""
    args: tuple[str, ...] = Field(default=(), max_length=256)
    """Arguments of the program."""
    working_dir: AbsolutePath | None = None
    """Working folder of the program."""
    env: tuple[ContainerEnvVar, ...] = Field(
        default=(), max_length=256, json_schema_extra=list_map("name")
    )
    """Environment variables."""
    env_from: tuple[JsonObject, ...] = Field(default=(), max_length=32)
    """ConfigMaps and Secrets whose keys are environment variables."""
    ports: tuple[ContainerPort, ...] = Field(default=(), max_length=16)
    """Ports of the container."""
    resources: JsonObject | None = None
    """Requests and limits of the container. An autoscaler that looks at percentages of requests
    needs them."""
    volume_mounts: tuple[VolumeMount, ...] = Field(
        default=(), max_length=32, json_schema_extra=list_map("mountPath")
    )
    """Where entries of `runtime.volumes` are mounted."""
    liveness_probe: JsonObject | None = None
    """When the container is restarted."""
    readiness_probe: JsonObject | None = None
    """Whether the pod may serve."""
    startup_probe: JsonObject | None = None
    """When the other probes begin."""
    lifecycle: JsonObject | None = None
    """What runs after the start and before the end."""
    security_context: ContainerSecurity | None = None
    """User, group and root file system of the container."""

    name_is_free: ClassVar = rule(
        "the containers facade and runtime are the operator's: rename the container",
        cel=f"!(self.name in {_OWN_CONTAINERS})",
        at="name",
    )

    ports_are_free: ClassVar = rule(
        "health checks and the runtime use the ports 8081, 9000 and 9001 of the pod, and the port"
        " names facade, facade-health and runtime-health are the operator's: choose others",
        cel=f"!has(self.ports) || self.ports.all(p, !(p.containerPort in {_OWN_PORTS}) &&"
        f" !(has(p.name) && p.name in {_OWN_PORT_NAMES}))",
        at="ports",
    )


class InitContainer(ExtraContainer):
    """A container that runs before those of the agent. Its fields are those of a Kubernetes
    container.
    """

    restart_policy: Literal["Always"] | None = None
    """`Always` makes a sidecar of it: it starts before the agent, and ends after it."""
