"""What somebody else changes in an agent's objects is put back, on a real cluster."""

import json
from collections.abc import Callable

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION
from tests.cluster.agents import condition, events, ready, rolled_out
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

AGENT: JsonObject = {
    "apiVersion": API_VERSION,
    "kind": "AgentRuntime",
    "metadata": {"name": "kept"},
    "spec": {"facade": {"handler": "echo"}},
}
POD = "/spec/template/spec"


def patch(kubectl: Kubectl, kind: str, name: str, *operations: JsonObject) -> None:
    kubectl("patch", kind, name, "--type=json", f"--patch={json.dumps(operations)}")


def add(path: str, value: object) -> JsonObject:
    return {"op": "add", "path": path, "value": value}


def set_env(kubectl: Kubectl) -> None:
    kubectl("set", "env", "deployment/kept", "--containers=facade", "OMNIA_MAX_CONNECTIONS=1")


def add_selector(kubectl: Kubectl) -> None:
    patch(kubectl, "service", "kept", add("/spec/selector/a", "b"))


def add_container(kubectl: Kubectl) -> None:
    container = {"name": "more", "image": "localhost/none"}
    patch(kubectl, "deployment", "kept", add(f"{POD}/containers/-", container))


def add_key(kubectl: Kubectl) -> None:
    patch(kubectl, "configmap", "omnia-kept-auth", add("/data/more", "x"))


def add_port(kubectl: Kubectl) -> None:
    patch(kubectl, "service", "kept", add("/spec/ports/-", {"name": "more", "port": 99}))


EDITS = [
    (set_env, "deployment", "kept"),
    (add_selector, "service", "kept"),
    (add_container, "deployment", "kept"),
    (add_key, "configmap", "omnia-kept-auth"),
    (add_port, "service", "kept"),
]


def content(kubectl: Kubectl, kind: str, name: str) -> JsonObject:
    found = kubectl.get(kind, name)
    return {key: found.get(key) for key in ("spec", "data")}


@pytest.mark.parametrize(("edit", "kind", "name"), EDITS, ids=[each[0].__name__ for each in EDITS])
def test_what_somebody_adds_to_an_object_of_an_agent_is_removed_and_told(
    shared: Kubectl, edit: Callable[[Kubectl], None], kind: str, name: str
) -> None:
    shared.apply(AGENT)
    rolled_out(shared, "kept")
    before = content(shared, kind, name)
    corrected = corrections(shared)
    accepted = condition(shared, "kept", "ExternalAuth")

    edit(shared)

    becomes(lambda: content(shared, kind, name), before)
    wait_until("an Event tells it", lambda: corrections(shared) > corrected)
    rolled_out(shared, "kept")

    def over() -> None:
        assert condition(shared, "kept", "ExternalAuth") == accepted
        assert condition(shared, "kept", "ObjectsInSync") == ("", "", "")

    eventually(over)


def test_a_restart_is_not_undone_and_a_quiet_agent_is_not_written(kubectl: Kubectl) -> None:
    kubectl.apply(AGENT)
    rolled_out(kubectl, "kept")
    kubectl("rollout", "restart", "deployment/kept")
    rolled_out(kubectl, "kept")

    kubectl("annotate", "agentruntime", "kept", "touched=yes")
    # An agent that comes later is ready: whatever the annotation led to is over.
    kubectl.apply(objects.merge(AGENT, {"metadata": {"name": "later"}}))
    ready(kubectl, "later")

    found = kubectl.get("deployment", "kept")
    template = found["spec"]["template"]["metadata"]
    assert "kubectl.kubernetes.io/restartedAt" in template["annotations"]
    assert found["metadata"]["generation"] == 2
    assert corrections(kubectl) == 0


def corrections(kubectl: Kubectl) -> int:
    """Return how often an Event has told that something was put back."""
    return sum(each.get("count") or 1 for each in events(kubectl, "DriftCorrected"))
