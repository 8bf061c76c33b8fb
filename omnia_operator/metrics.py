"""The operator's metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME, SESSION_RETENTION_POLICY, ObjectKind
from omnia_operator.cluster.store import Store
from omnia_operator.resolve import Key

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ReconcileMetrics:
    """Counts and times reconciliations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reconciles = Counter(
            "omnia_operator_reconcile",
            "Reconciliations, by what came of them: ok, retry or error.",
            ["kind", "result"],
            registry=registry,
        )
        self.duration = Histogram(
            "omnia_operator_reconcile_duration_seconds",
            "How long a reconciliation took.",
            ["kind"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._corrections = Counter(
            "omnia_operator_drift_corrections",
            "Objects of agents that were put back after somebody else changed them.",
            ["kind"],
            registry=registry,
        )

    def corrected(self, kind: ObjectKind) -> None:
        """Count an object that was put back."""
        self._corrections.labels(kind.name).inc()


class OperatorGauges(Collector):
    """Gauges whose values are read at each scrape."""

    def __init__(
        self,
        depth: Callable[[], int],
        ages: Callable[[], Mapping[str, float]],
        leading: Callable[[], bool],
        agents: Callable[[], Mapping[Key, bool]],
        policies: Callable[[], Mapping[Key, tuple[str, int]]],
    ) -> None:
        """Take the sources of the values.

        Args:
            depth: number of resources that wait for a worker.
            ages: for each kind the seconds since the last sign of life of its watch.
            leading: whether this operator has the Lease.
            agents: whether each agent is ready.
            policies: phase of each SessionRetentionPolicy, and number of its agents.
        """
        self._depth = depth
        self._ages = ages
        self._leading = leading
        self._agents = agents
        self._policies = policies

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "omnia_operator_queue_depth", "Resources that wait for a worker.", value=self._depth()
        )
        ages = GaugeMetricFamily(
            "omnia_operator_watch_age_seconds",
            "Time since a watch last showed that it is alive.",
            labels=["kind"],
        )
        for kind, age in sorted(self._ages().items()):
            ages.add_metric([kind], age)
        yield ages
        yield GaugeMetricFamily(
            "omnia_operator_leader", "1 while this operator acts, else 0.", value=self._leading()
        )
        ready = GaugeMetricFamily(
            "omnia_operator_agent_ready",
            "1 while an AgentRuntime is ready, else 0.",
            labels=["namespace", "agent"],
        )
        for key, is_ready in sorted(self._agents().items()):
            ready.add_metric(key, float(is_ready))
        yield ready
        held = GaugeMetricFamily(
            "omnia_operator_retention_policy_agents",
            "AgentRuntimes that a SessionRetentionPolicy holds for, by what it is.",
            labels=["namespace", "policy", "phase"],
        )
        for key, (phase, count) in sorted(self._policies().items()):
            held.add_metric([*key, phase], count)
        yield held


def ready_agents(store: Store) -> Mapping[Key, bool]:
    """Return for each agent whether it is ready; safe to call from any thread."""
    found = {key: store.get(AGENT_RUNTIME, key) for key in store.keys(AGENT_RUNTIME)}
    return {key: _is_ready(agent) for key, agent in found.items() if agent is not None}


def _is_ready(agent: JsonObject) -> bool:
    conditions = (agent.get("status") or {}).get("conditions") or []
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def policy_agents(store: Store) -> Mapping[Key, tuple[str, int]]:
    """Return for each reconciled SessionRetentionPolicy its phase and its number of agents.

    It is safe to call from any thread.
    """
    kind = SESSION_RETENTION_POLICY
    found = {key: store.get(kind, key) for key in store.keys(kind)}
    statuses = {key: policy.get("status") or {} for key, policy in found.items() if policy}
    return {
        key: (status["phase"], status.get("agents", 0))
        for key, status in statuses.items()
        if "phase" in status
    }
