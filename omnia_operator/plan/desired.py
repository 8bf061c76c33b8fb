"""The plan of an agent, and hashes of it that decide about new pods."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from omnia_core import names
from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, Kind, Mode, Variant
from omnia_operator import labels
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.evals import EvalsPlan
from omnia_operator.plan.exposure import IngressPlan, RoutePlan, ServicePlan
from omnia_operator.plan.rollout import TrafficPlan
from omnia_operator.plan.shapes import (
    ConfigMapPlan,
    ContainerPlan,
    EnvContainer,
    SecretCopy,
)
from omnia_operator.plan.workload import PodPlan
from omnia_operator.resolve import SecretSource

# Only the schemas of a function are read once: they are compiled when the pod starts.
_READ_AT_START = names.FUNCTION_PATH.rpartition("/")[2]


@dataclass(frozen=True)
class AgentPlan:
    """Everything that belongs to an agent."""

    namespace: str
    name: str
    mode: Mode
    port: int
    facade: ContainerPlan[FacadeEnv]
    runtime: ContainerPlan[RuntimeEnv] | None = None
    """None when the facade answers without a runtime."""
    config_maps: tuple[ConfigMapPlan, ...] = ()
    volumes: tuple[JsonObject, ...] = ()
    """The operator's volumes and the user's own, in Kubernetes' form."""
    secret_copies: tuple[SecretCopy, ...] = ()
    """Keys of Secrets in other namespaces, which pods cannot mount."""
    credentials: tuple[SecretSource, ...] = ()
    """Keys of Secrets that containers read at the start."""
    pods: PodPlan = field(default_factory=PodPlan)
    evals: EvalsPlan | None = None
    """None if nothing is evaluated outside of the agent's own pods."""
    service: ServicePlan = field(default_factory=ServicePlan)
    exposure: IngressPlan | RoutePlan | None = None
    uid: str = ""
    """The uid of the AgentRuntime, which owns every object."""
    config_hash: str = ""
    """Hash of what containers read only at the start."""
    operator: str = ""
    """The operator that applies it."""
    grants: tuple[str, ...] = ()
    """Providers and ToolRegistries of other namespaces that the agent uses."""
    agent: str = ""
    """Name of the AgentRuntime, where the objects have another."""
    variant: Variant = Variant.STABLE
    """The side of a rollout."""
    rollout: str = ""
    """Digest of what the pods run with, of an agent with a rollout."""
    traffic: TrafficPlan = field(default_factory=TrafficPlan)
    """What a rollout by a mesh or a Gateway changes in the Services."""

    @property
    def containers(self) -> Iterator[EnvContainer]:
        """The containers of the pod."""
        yield self.facade
        if self.runtime is not None:
            yield self.runtime

    @property
    def names(self) -> OwnedNames:
        """Names of the objects that the pods run as or mount."""
        return OwnedNames(self.name)

    @property
    def labels(self) -> JsonObject:
        """Labels of every object."""
        owned = labels.owned(self.name)
        return owned if not self.agent else {**owned, labels.AGENT_NAME: self.agent}

    @property
    def selector(self) -> JsonObject:
        """Labels that select the pods."""
        return labels.selector(self.name)

    @property
    def service_selector(self) -> JsonObject:
        """Labels that select the pods behind the Service."""
        return labels.both_sides(self.name) if self.traffic.both_sides else self.selector

    @property
    def pod_labels(self) -> JsonObject:
        """Labels of the pods."""
        return {
            **(self.pods.labels or {}),
            **self.labels,
            labels.MODE: self.mode.value,
            **labels.side(self.agent or self.name, self.variant),
        }

    @property
    def is_candidate(self) -> bool:
        """Whether these are the objects of the candidate of a rollout."""
        return self.variant is Variant.CANDIDATE

    @property
    def pod_annotations(self) -> JsonObject:
        """Annotations of the pods."""
        return {**(self.pods.annotations or {}), labels.CONFIG_HASH: self.config_hash}

    @property
    def service_account(self) -> str:
        """The ServiceAccount of the pods: the user's, or the one that is made for them."""
        return self.pods.service_account or self.names.service_account

    @property
    def ingress(self) -> IngressPlan | None:
        """The Ingress, if there is one."""
        return self.exposure if isinstance(self.exposure, IngressPlan) else None

    @property
    def http_route(self) -> RoutePlan | None:
        """The HTTPRoute, if there is one."""
        return self.exposure if isinstance(self.exposure, RoutePlan) else None

    @property
    def deployment_annotations(self) -> JsonObject | None:
        """Annotations of the Deployment."""
        annotations = {labels.APPLIED_BY: self.operator, labels.GRANTS: ",".join(self.grants)}
        annotations[labels.ROLLOUT] = self.rollout
        return {name: value for name, value in annotations.items() if value} or None

    @property
    def owners(self) -> list[JsonObject]:
        """The owner reference of every object: they are deleted with the AgentRuntime."""
        return [
            {
                "apiVersion": API_VERSION,
                "kind": Kind.AGENT_RUNTIME.value,
                "name": self.agent or self.name,
                "uid": self.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def config_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Return a hash of what the containers read only at the start.

    Args:
        plan: the agent.
        versions: for each key of a Secret, a digest of its value.
    """
    return _hash(
        {
            # Tells pods of different names apart while the names of their objects change.
            "account": plan.names.service_account,
            "containers": [[container.image, container.variables] for container in plan.containers],
            "credentials": [versions.get(source, "") for source in plan.credentials],
            "functions": [
                config_map.data
                for config_map in plan.config_maps
                if _READ_AT_START in config_map.data
            ],
        }
    )


def hashed(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> AgentPlan:
    """Return a plan with the hashes of what its containers read only at the start.

    Args:
        plan: the agent.
        versions: for each key of a Secret, a digest of its value.
    """
    evals = plan.evals
    if evals is not None:
        read = {
            "container": [evals.container.image, evals.container.variables],
            "credentials": [versions.get(source, "") for source in plan.credentials],
        }
        evals = replace(evals, config_hash=_hash(read))
    return replace(plan, config_hash=config_hash(plan, versions), evals=evals)


def files_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Return a hash of the mounted files.

    Args:
        plan: the agent.
        versions: for each key of a Secret, a digest of its value.
    """
    return _hash(
        {
            "files": {config_map.name: dict(config_map.data) for config_map in plan.config_maps},
            "secrets": {
                f"{copy.target.name}/{copy.target.key}": versions.get(copy.source, "")
                for copy in plan.secret_copies
            },
        }
    )


def _hash(value: JsonObject) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
