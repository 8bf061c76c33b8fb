"""What the operator measures when it is asked for."""

from prometheus_client import CollectorRegistry

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME
from omnia_operator.cluster.store import Store
from omnia_operator.metrics import Levels, ready_agents
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
    registry.register(Levels(lambda: 2, dict, lambda: True, lambda: ready_agents(store)))

    found = {
        name: registry.get_sample_value(
            "omnia_operator_agent_ready", {"namespace": "shop", "agent": name}
        )
        for name in ("good", "bad", "new")
    }
    assert found == {"good": 1.0, "bad": 0.0, "new": 0.0}
    assert registry.get_sample_value("omnia_operator_leader") == 1.0
