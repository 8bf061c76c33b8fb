"""Plans the pods of an agent: their number, their nodes, their time to terminate."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from omnia_core.env import SessionType
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator import labels
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.framework import FrameworkType
from omnia_operator.api.workload import Autoscaling, AutoscalingType, Keda, PodDefaults
from omnia_operator.plan.containers import containers as rendered
from omnia_operator.plan.shapes import EnvContainer, Settings

# Time between the end of draining and the end of the grace period.
_SPARE_SECONDS = 15

_TOPOLOGIES = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


@dataclass(frozen=True)
class HpaPlan:
    """A HorizontalPodAutoscaler."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int
    memory_percent: int
    stabilization_seconds: int


@dataclass(frozen=True)
class KedaPlan:
    """A ScaledObject of KEDA."""

    min_replicas: int
    max_replicas: int
    polling_interval: int
    cooldown_period: int
    triggers: tuple[JsonObject, ...]


@dataclass(frozen=True)
class PodPlan:
    """The pods of an agent, apart from their containers."""

    replicas: int | None = 1
    """None if an autoscaler owns the number."""
    autoscaler: HpaPlan | KedaPlan | None = None
    grace_seconds: int = 45
    node_selector: JsonObject | None = None
    tolerations: tuple[JsonObject, ...] = ()
    affinity: JsonObject | None = None
    topology: tuple[JsonObject, ...] = ()
    pull_secrets: tuple[JsonObject, ...] = ()
    labels: JsonObject | None = None
    """More labels of the pods."""
    annotations: JsonObject | None = None
    """More annotations of the pods."""
    service_account: str | None = None
    """None for the ServiceAccount that is made for the pods."""
    service_account_annotations: JsonObject | None = None
    priority_class: str | None = None
    extra_containers: tuple[JsonObject, ...] = ()
    init_containers: tuple[JsonObject, ...] = ()
    replaced_at_once: bool = False
    """Whether a new pod starts only when the old one has ended, because both write one file."""

    @property
    def strategy(self) -> JsonObject:
        """How new pods replace old ones: never fewer than asked for, unless they share a file."""
        if self.replaced_at_once:
            return {"type": "Recreate"}
        return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}

    @property
    def hpa(self) -> HpaPlan | None:
        """The HorizontalPodAutoscaler, if there is one."""
        return self.autoscaler if isinstance(self.autoscaler, HpaPlan) else None

    @property
    def keda(self) -> KedaPlan | None:
        """The ScaledObject, if there is one."""
        return self.autoscaler if isinstance(self.autoscaler, KedaPlan) else None

    @property
    def unscaled(self) -> "PodPlan":
        """The same pods without their autoscaler: as many as it would begin with, one at least."""
        fewest = 0 if self.autoscaler is None else self.autoscaler.min_replicas
        return replace(self, autoscaler=None, replicas=max(fewest, 1))

    @property
    def several(self) -> bool:
        """Whether there is always more than one pod."""
        fewest = self.replicas if self.autoscaler is None else self.autoscaler.min_replicas
        return (fewest or 0) > 1


def pods(agent: AgentRuntime, settings: Settings, containers: Iterable[EnvContainer]) -> PodPlan:
    """Return the plan of the pods of an agent."""
    workload, defaults = agent.spec.runtime, settings.pods
    autoscaler = _autoscaler(agent, settings)
    affinity = workload.affinity if workload.affinity is not None else defaults.affinity
    drains = [container.env.drain_timeout for container in containers]
    return PodPlan(
        replicas=workload.replicas if autoscaler is None else None,
        autoscaler=autoscaler,
        grace_seconds=int(max(drains, default=Duration(0)).seconds) + _SPARE_SECONDS,
        node_selector=_merged(defaults.node_selector, workload.node_selector),
        tolerations=workload.tolerations or defaults.tolerations,
        affinity=affinity,
        topology=tuple(_topology(agent.metadata.name, workload, defaults, affinity)),
        pull_secrets=_pull_secrets(
            *settings.image_pull_secrets, *(each.name for each in workload.image_pull_secrets)
        ),
        labels=_merged(defaults.pod_labels, workload.pod_labels),
        annotations=_merged(defaults.pod_annotations, workload.pod_annotations),
        service_account=workload.service_account_name,
        service_account_annotations=_merged(
            defaults.service_account_annotations, workload.service_account_annotations
        ),
        priority_class=workload.priority_class_name or defaults.priority_class_name,
        extra_containers=rendered(workload.extra_containers),
        init_containers=rendered(workload.init_containers),
        replaced_at_once=agent.spec.session.type is SessionType.SQLITE,
    )


def _merged(defaults: Mapping[str, str], own: Mapping[str, str]) -> JsonObject | None:
    return {**defaults, **own} or None


def _pull_secrets(*names: str) -> tuple[JsonObject, ...]:
    return tuple({"name": name} for name in dict.fromkeys(names))


def _topology(
    name: str, workload: PodDefaults, defaults: PodDefaults, affinity: JsonObject | None
) -> Iterable[JsonObject]:
    """Yield the constraints; they do not depend on the number of pods, which may change often."""
    counted = {"labelSelector": {"matchLabels": labels.selector(name)}}
    wanted = workload.topology_spread_constraints or defaults.topology_spread_constraints
    if not wanted and affinity is None:  # a spread could contradict an affinity
        soft = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
        wanted = tuple({**soft, "topologyKey": key} for key in _TOPOLOGIES)
    return ({**counted, **constraint} for constraint in wanted)


def _autoscaler(agent: AgentRuntime, settings: Settings) -> HpaPlan | KedaPlan | None:
    scaling = agent.spec.runtime.autoscaling
    if scaling is None or not scaling.enabled:
        return None
    if scaling.type is AutoscalingType.KEDA:
        return _keda(agent, scaling, settings)
    return HpaPlan(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        cpu_percent=scaling.target_cpu_utilization_percentage,
        memory_percent=scaling.target_memory_utilization_percentage,
        stabilization_seconds=scaling.scale_down_stabilization_seconds,
    )


def _keda(agent: AgentRuntime, scaling: Autoscaling, settings: Settings) -> KedaPlan:
    keda = scaling.keda or Keda()
    triggers = [
        {"type": trigger.type, "metadata": dict(trigger.metadata)} for trigger in keda.triggers
    ]
    return KedaPlan(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        polling_interval=keda.polling_interval,
        cooldown_period=keda.cooldown_period,
        triggers=tuple(triggers) or (_connections(agent, settings),),
    )


def _connections(agent: AgentRuntime, settings: Settings) -> JsonObject:
    chosen = f'agent="{agent.metadata.name}",namespace="{agent.metadata.namespace}"'
    query = f"sum(omnia_agent_connections_active{{{chosen}}}) or vector(0)"
    return {
        "type": "prometheus",
        "metadata": {
            "serverAddress": settings.prometheus_address,
            "query": query,
            "threshold": "10",
        },
    }


def ready_path(framework: FrameworkType) -> str:
    """Return the path of the runtime container's readiness probe."""
    # The runtime contract, which custom runtimes implement, has no /readyz.
    return "/healthz" if framework is FrameworkType.CUSTOM else "/readyz"
