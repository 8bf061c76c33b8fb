"""What a plan consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from omnia_core.env import EnvVar, FacadeEnv, RuntimeEnv, SecretKeyRef
from omnia_core.env.operator import PROMETHEUS
from omnia_core.jsonvalue import JsonObject
from omnia_operator.resolve import SecretSource

EnvT_co = TypeVar("EnvT_co", FacadeEnv, RuntimeEnv, covariant=True)


@dataclass(frozen=True)
class Settings:
    """What holds for all agents."""

    facade_image: str = "localhost/omnia-facade:dev"
    runtime_image: str = "localhost/omnia-runtime:dev"
    facade_pull_policy: str | None = None
    runtime_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    allow_unauthenticated: bool = False
    console: bool = False
    tracing: Mapping[str, str] = field(default_factory=dict)
    """Variables of every container that say where traces go."""
    prometheus_address: str = PROMETHEUS


@dataclass(frozen=True)
class MountPlan:
    """A volume in a container."""

    volume: str
    path: str
    read_only: bool = True
    sub_path: str | None = None

    def render(self) -> JsonObject:
        """Return the mount as Kubernetes writes it."""
        entry: JsonObject = {"name": self.volume, "mountPath": self.path}
        if self.read_only:
            entry["readOnly"] = True
        return entry if self.sub_path is None else {**entry, "subPath": self.sub_path}


@dataclass(frozen=True)
class Probes:
    """The probes of a container, as Kubernetes writes them."""

    startup: JsonObject
    readiness: JsonObject
    liveness: JsonObject

    @classmethod
    def of(cls, ready_path: str, *, port: str) -> "Probes":
        """Return the probes of a program of ours."""

        def get(path: str, **timing: int) -> JsonObject:
            return {"httpGet": {"path": path, "port": port}, **timing}

        return cls(
            # A program is up within half a second: look every second, and have patience for
            # two minutes with a node that is busy. Alive is enough: a facade is not to be
            # restarted because its runtime is not ready.
            startup=get("/healthz", periodSeconds=1, timeoutSeconds=6, failureThreshold=120),
            readiness=get(ready_path, periodSeconds=3, timeoutSeconds=6, failureThreshold=2),
            # A loop that is stuck answers after five seconds; three such answers are no chance.
            liveness=get("/healthz", periodSeconds=10, timeoutSeconds=6, failureThreshold=3),
        )


@dataclass(frozen=True)
class ContainerPlan(Generic[EnvT_co]):
    """One container of the pod."""

    name: str
    image: str
    module: str
    """The program, as Python's `-m` names it."""
    env: EnvT_co
    extra_env: tuple[JsonObject, ...] = ()
    """The user's own variables, as Kubernetes writes them; they override `env`."""
    mounts: tuple[MountPlan, ...] = ()
    resources: JsonObject | None = None
    pull_policy: str | None = None
    """None leaves it to Kubernetes."""
    ports: tuple[JsonObject, ...] = ()
    ready_path: str = "/readyz"

    @property
    def variables(self) -> list[JsonObject]:
        """The environment as Kubernetes writes it; of two with one name, the user's stands."""
        entries = {each.name: _variable(each) for each in self.env.render()}
        return list({**entries, **{each["name"]: each for each in self.extra_env}}.values())

    @property
    def probes(self) -> Probes:
        """When the container has started, may get traffic, has to be restarted."""
        return Probes.of(self.ready_path, port=f"{self.name}-health")

    @property
    def volume_mounts(self) -> list[JsonObject]:
        """The mounts as Kubernetes writes them."""
        return [each.render() for each in self.mounts]


EnvContainer: TypeAlias = ContainerPlan[FacadeEnv] | ContainerPlan[RuntimeEnv]


def _variable(variable: EnvVar) -> JsonObject:
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
    """One key of a Secret that has to be copied to the agent's namespace."""

    source: SecretSource
    target: SecretKeyRef
    optional: bool = False
    """Whether the agent can start without it."""
