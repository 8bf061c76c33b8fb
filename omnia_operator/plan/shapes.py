"""What a plan consists of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from omnia_core.env import EnvContract, FacadeEnv, RuntimeEnv, SecretKeyRef
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Mode
from omnia_operator.resolve import SecretSource

EnvT_co = TypeVar("EnvT_co", bound=EnvContract, covariant=True)


@dataclass(frozen=True)
class Settings:
    """What holds for all agents."""

    facade_image: str = "localhost/omnia-facade:dev"
    runtime_image: str = "localhost/omnia-runtime:dev"
    allow_unauthenticated: bool = False


@dataclass(frozen=True)
class Mount:
    """A volume in a container."""

    volume: str
    path: str
    read_only: bool = True
    sub_path: str | None = None


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
    mounts: tuple[Mount, ...] = ()
    resources: JsonObject | None = None


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


@dataclass(frozen=True)
class AgentPlan:
    """Everything that an agent consists of."""

    namespace: str
    name: str
    mode: Mode
    port: int
    facade: ContainerPlan[FacadeEnv]
    runtime: ContainerPlan[RuntimeEnv] | None = None
    """None when the facade answers by itself."""
    config_maps: tuple[ConfigMapPlan, ...] = ()
    volumes: tuple[JsonObject, ...] = ()
    """Our ConfigMap volumes and the user's own, as Kubernetes writes them."""
    secret_copies: tuple[SecretCopy, ...] = ()
    """Keys of Secrets in other namespaces, which a pod cannot refer to."""
