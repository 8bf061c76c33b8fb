"""The parts of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from omnia_core.env import FacadeEnv, RenderedVariable, RuntimeEnv, SecretKeyRef
from omnia_core.env.operator import PROMETHEUS
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.workload import PodDefaults
from omnia_operator.policy import Policy
from omnia_operator.resolve import SecretSource

EnvT_co = TypeVar("EnvT_co", FacadeEnv, RuntimeEnv, covariant=True)


# An idle facade uses 45 MB and an idle runtime 55 MB; the limits only stop a memory leak.
_FACADE_RESOURCES: JsonObject = {
    "requests": {"cpu": "25m", "memory": "64Mi"},
    "limits": {"memory": "256Mi"},
}
_RUNTIME_RESOURCES: JsonObject = {
    "requests": {"cpu": "50m", "memory": "96Mi"},
    "limits": {"memory": "512Mi"},
}


# An idle worker of evaluations uses 60 MB.
_EVALS_RESOURCES: JsonObject = {
    "requests": {"cpu": "10m", "memory": "80Mi"},
    "limits": {"memory": "512Mi"},
}


@dataclass(frozen=True)
class Settings:
    """Settings of the operator for all agents."""

    facade_image: str = "localhost/omnia-facade:dev"
    runtime_image: str = "localhost/omnia-runtime:dev"
    facade_pull_policy: str | None = None
    runtime_pull_policy: str | None = None
    facade_resources: JsonObject = field(default_factory=lambda: _FACADE_RESOURCES)
    """Requests and limits of facade containers without their own."""
    runtime_resources: JsonObject = field(default_factory=lambda: _RUNTIME_RESOURCES)
    """Requests and limits of runtime containers without their own."""
    evals_resources: JsonObject = field(default_factory=lambda: _EVALS_RESOURCES)
    """Requests and limits of the containers that evaluate."""
    image_pull_secrets: tuple[str, ...] = ()
    pods: PodDefaults = field(default_factory=PodDefaults)
    """What the pods of every agent have, beside what it asks for itself."""
    allow_unauthenticated: bool = False
    console: bool = False
    tracing: Mapping[str, str] = field(default_factory=dict)
    """Variables about tracing for every container."""
    prometheus_address: str = PROMETHEUS
    operator: str = ""
    """Namespace and name of the operator's Lease; "" without a cluster."""
    policy: Policy = field(default_factory=Policy)
    """What AgentRuntimes may ask of their pods."""


@dataclass(frozen=True)
class MountPlan:
    """A volume in a container."""

    volume: str
    path: str
    read_only: bool = True
    sub_path: str | None = None

    def render(self) -> JsonObject:
        """Return the mount in Kubernetes' form."""
        entry: JsonObject = {"name": self.volume, "mountPath": self.path}
        if self.read_only:
            entry["readOnly"] = True
        return entry if self.sub_path is None else {**entry, "subPath": self.sub_path}


@dataclass(frozen=True)
class Probes:
    """The probes of a container, in Kubernetes' form."""

    startup: JsonObject
    readiness: JsonObject
    liveness: JsonObject

    @classmethod
    def of(cls, ready_path: str, *, port: str) -> "Probes":
        """Return the probes of a container."""

        def get(path: str, **timing: int) -> JsonObject:
            return {"httpGet": {"path": path, "port": port}, **timing}

        return cls(
            # A program starts within half a second, on a busy node within two minutes. The
            # probe is for /healthz: a facade must not be restarted for a runtime that is not ready.
            startup=get("/healthz", periodSeconds=1, timeoutSeconds=6, failureThreshold=120),
            readiness=get(ready_path, periodSeconds=3, timeoutSeconds=6, failureThreshold=2),
            # A stuck event loop answers after five seconds; three such answers are no coincidence.
            liveness=get("/healthz", periodSeconds=10, timeoutSeconds=6, failureThreshold=3),
        )


@dataclass(frozen=True)
class ContainerPlan(Generic[EnvT_co]):
    """One container of the pod."""

    name: str
    image: str
    module: str | None
    """The program, as a module for `python -m`; None if only the image has it."""
    env: EnvT_co
    extra_env: tuple[JsonObject, ...] = ()
    """The user's own variables, in Kubernetes' form; they override `env`."""
    mounts: tuple[MountPlan, ...] = ()
    resources: JsonObject | None = None
    pull_policy: str | None = None
    """None for the default of Kubernetes."""
    ports: tuple[JsonObject, ...] = ()
    ready_path: str = "/readyz"

    @property
    def variables(self) -> list[JsonObject]:
        """The environment in Kubernetes' form; the user's own variables have precedence."""
        entries = {variable.name: _variable(variable) for variable in self.env.render()}
        return list(
            {**entries, **{variable["name"]: variable for variable in self.extra_env}}.values()
        )

    @property
    def probes(self) -> Probes:
        """The startup, readiness and liveness probes."""
        return Probes.of(self.ready_path, port=f"{self.name}-health")

    @property
    def volume_mounts(self) -> list[JsonObject]:
        """The mounts in Kubernetes' form."""
        return [mount.render() for mount in self.mounts]


EnvContainer: TypeAlias = ContainerPlan[FacadeEnv] | ContainerPlan[RuntimeEnv]


def _variable(variable: RenderedVariable) -> JsonObject:
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value or ""}
    reference = {"name": variable.secret.name, "key": variable.secret.key}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}


@dataclass(frozen=True)
class ConfigMapPlan:
    """A ConfigMap that belongs to the agent."""

    name: str
    data: Mapping[str, str]


@dataclass(frozen=True)
class SecretCopy:
    """One key of a Secret to copy to the agent's namespace."""

    source: SecretSource
    target: SecretKeyRef
    optional: bool = False
    """Whether the agent can start without it."""
