"""The plan of an agent."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from omnia_core import names
from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, Kind, Mode
from omnia_operator import labels
from omnia_operator.plan.shapes import (
    ConfigMapPlan,
    ContainerPlan,
    EnvContainer,
    SecretCopy,
)
from omnia_operator.plan.workload import PodPlan
from omnia_operator.resolve import SecretSource


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
    credentials: tuple[SecretSource, ...] = ()
    """Keys of Secrets that containers read when they start."""
    pods: PodPlan = field(default_factory=PodPlan)
    uid: str = ""
    """Identity of the AgentRuntime, which owns everything."""
    config_hash: str = ""
    """What containers read only when they start."""

    @property
    def containers(self) -> Iterator[EnvContainer]:
        """The containers of the pod."""
        yield self.facade
        if self.runtime is not None:
            yield self.runtime

    @property
    def service_account(self) -> str:
        """Name of the ServiceAccount; not the agent's own, which may be `default`."""
        return f"{self.name}-agent"

    @property
    def labels(self) -> JsonObject:
        """Labels of every object."""
        return labels.owned(self.name)

    @property
    def selector(self) -> JsonObject:
        """Labels that choose the pods."""
        return labels.selector(self.name)

    @property
    def pod_labels(self) -> JsonObject:
        """Labels of the pods."""
        return {**self.labels, labels.MODE: self.mode.value}

    @property
    def pod_annotations(self) -> JsonObject:
        """Annotations of the pods."""
        return {labels.CONFIG_HASH: self.config_hash}

    @property
    def owners(self) -> list[JsonObject]:
        """The owner of every object, whose deletion deletes them."""
        return [
            {
                "apiVersion": API_VERSION,
                "kind": Kind.AGENT_RUNTIME.value,
                "name": self.name,
                "uid": self.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


# The only files that are read once: a function's schemas are compiled when the pod starts.
_READ_AT_START = names.FUNCTION_PATH.rpartition("/")[2]


def config_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Hash what the containers read only when they start.

    Args:
        plan: the agent.
        versions: for each credential, something that changes with its value.
    """
    return _hash(
        {
            "containers": [[each.image, each.variables] for each in plan.containers],
            "credentials": [versions.get(each, "") for each in plan.credentials],
            "functions": [each.data for each in plan.config_maps if _READ_AT_START in each.data],
        }
    )


def files_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Hash the mounted files.

    Args:
        plan: the agent.
        versions: for each key of a Secret, something that changes with its value.
    """
    return _hash(
        {
            "files": {each.name: dict(each.data) for each in plan.config_maps},
            "secrets": {
                f"{each.target.name}/{each.target.key}": versions.get(each.source, "")
                for each in plan.secret_copies
            },
        }
    )


def _hash(value: JsonObject) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
