"""What the operator measures when it is asked for."""

from prometheus_client import CollectorRegistry

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME, SERVICE, SESSION_RETENTION_POLICY
from omnia_operator.cluster.store import Store
from omnia_operator.metrics import OperatorGauges, ReconcileMetrics, policy_agents, ready_agents
from tests.operator import objects


def agent(name: str, conditions: list[JsonObject] | None) -> JsonObject:
    document = objects.agent()
    metadata = {**document["metadata"], "namespace": "shop", "name": name, "resourceVersion": "1"}
    status = {} if conditions is None else {"status": {"conditions": conditions}}
    return {**document, "metadata": metadata, **status}


def test_agents_that_are_ready_are_told_from_those_that_are_not() -> None:
    store = Store()
    held = {"type": "DeploymentReady", "status": "True"}
    for name, conditions in (
        ("good", [held, {"type": "Ready", "status": "True"}]),
        ("bad", [held, {"type": "Ready", "status": "False"}]),
        ("new", None),
    ):
        store.put(AGENT_RUNTIME, agent(name, conditions))
    registry = CollectorRegistry()
    registry.register(
        OperatorGauges(lambda: 2, dict, lambda: True, lambda: ready_agents(store), dict)
    )

    found = {
        name: registry.get_sample_value(
            "omnia_operator_agent_ready", {"namespace": "shop", "agent": name}
        )
        for name in ("good", "bad", "new")
    }
    assert found == {"good": 1.0, "bad": 0.0, "new": 0.0}
    assert registry.get_sample_value("omnia_operator_leader") == 1.0


def test_objects_that_were_put_back_are_counted_by_kind() -> None:
    registry = CollectorRegistry()
    metrics = ReconcileMetrics(registry)

    metrics.corrected(SERVICE)
    metrics.corrected(SERVICE)

    name = "omnia_operator_drift_corrections_total"
    assert registry.get_sample_value(name, {"kind": "Service"}) == 2.0


def test_a_policy_is_told_with_its_phase_and_its_agents() -> None:
    store = Store()
    for name, status in (
        ("old", {"phase": "DryRun", "agents": 3}),
        ("young", {"phase": "Superseded", "agents": 0}),
        ("new", None),
    ):
        document = objects.policy(None, name, resourceVersion="1")
        store.put(SESSION_RETENTION_POLICY, document | ({"status": status} if status else {}))
    registry = CollectorRegistry()
    registry.register(
        OperatorGauges(lambda: 0, dict, lambda: True, dict, lambda: policy_agents(store))
    )

    (family,) = [each for each in registry.collect() if "retention" in each.name]
    assert {
        (each.labels["namespace"], each.labels["policy"], each.labels["phase"], each.value)
        for each in family.samples
    } == {("default", "old", "DryRun", 3.0), ("default", "young", "Superseded", 0.0)}
