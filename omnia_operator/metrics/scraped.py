"""Gauges of the resources, computed when they are scraped."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME, SESSION_RETENTION_POLICY
from omnia_operator.cluster.store import Store
from omnia_operator.resolve import Key

UnmetCondition = tuple[str, str, str, str]
"""Namespace and name of an agent; type and reason of a condition that is not true."""


class OperatorGauges(Collector):
    """Gauges whose values are read at each scrape."""

    def __init__(
        self,
        ages: Callable[[], Mapping[str, float]],
        leading: tuple[str, Callable[[], bool]],
        agents: Callable[[], Mapping[Key, bool]],
        unmet: Callable[[], Iterable[UnmetCondition]],
        policies: Callable[[], Mapping[Key, tuple[str, int]]],
    ) -> None:
        """Take the sources of the values.

        Args:
            ages: for each kind the seconds since the last sign of life of its watch.
            leading: name of the Lease, and whether this operator has it.
            agents: whether each agent is ready.
            unmet: the conditions of agents that are not true.
            policies: phase of each SessionRetentionPolicy, and number of its agents.
        """
        self._ages = ages
        self._leading = leading
        self._agents = agents
        self._unmet = unmet
        self._policies = policies

    def collect(self) -> Iterable[GaugeMetricFamily]:
        ages = GaugeMetricFamily(
            "omnia_operator_watch_age_seconds",
            "Time since a watch last showed that it is alive.",
            labels=["kind"],
        )
        for kind, age in sorted(self._ages().items()):
            ages.add_metric([kind], age)
        yield ages
        lease, leads = self._leading
        leader = GaugeMetricFamily(
            "leader_election_master_status",
            "1 while this operator has the Lease `name`, else 0.",
            labels=["name"],
        )
        leader.add_metric([lease], float(leads()))
        yield leader
        ready = GaugeMetricFamily(
            "omnia_operator_agent_ready",
            "1 while an AgentRuntime is ready, else 0.",
            labels=["namespace", "agent"],
        )
        for key, is_ready in sorted(self._agents().items()):
            ready.add_metric(key, float(is_ready))
        yield ready
        unmet = GaugeMetricFamily(
            "omnia_operator_agent_unmet_condition",
            "Always 1; a condition of an AgentRuntime that is not true, and its reason.",
            labels=["namespace", "agent", "condition", "reason"],
        )
        for condition in sorted(self._unmet()):
            unmet.add_metric(condition, 1.0)
        yield unmet
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
    return {
        key: any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in conditions
        )
        for key, conditions in _conditions(store)
    }


def unmet_conditions(store: Store) -> Iterator[UnmetCondition]:
    """Yield the conditions of agents that are not true; safe to call from any thread."""
    for key, conditions in _conditions(store):
        for condition in conditions:
            if condition["status"] != "True":
                yield *key, condition["type"], condition["reason"]


def _conditions(store: Store) -> Iterator[tuple[Key, list[JsonObject]]]:
    for key in store.keys(AGENT_RUNTIME):
        agent = store.get(AGENT_RUNTIME, key)
        if agent is not None:
            yield key, (agent.get("status") or {}).get("conditions") or []


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
