"""An agent with all that it refers to, and what becomes of it."""

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import OPTIONAL, OWNED
from omnia_operator.labels import INSTANCE
from tests.cluster.harness.waiting import SECONDS, becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.operator import objects, world
from tests.operator.cluster import config_map

OWNED_KINDS = ",".join(
    f"{kind.plural}.{kind.group}".strip(".") for kind in OWNED if kind not in OPTIONAL
)
"""What the operator makes for an agent, as `kubectl get` takes it."""


def ready(kubectl: Kubectl, name: str) -> None:
    """Return when an agent is ready, as its last spec has it.

    What is changed elsewhere, such as a pod that is deleted, is not in its status at once: after
    such a change use `rolled_out`.
    """
    kubectl.wait(f"agentruntime/{name}", "condition=Ready")


def rolled_out(kubectl: Kubectl, name: str) -> set[str]:
    """Return the pods of an agent when it is ready, all of them serve, and no other is left."""

    def check() -> set[str]:
        deployment = kubectl.get("deployment", name)
        metadata, status = deployment["metadata"], deployment.get("status", {})
        count = deployment["spec"]["replicas"]
        assert status.get("observedGeneration") == metadata["generation"], status
        shown = ("replicas", "updatedReplicas", "availableReplicas")
        assert [status.get(each, 0) for each in shown] == [count] * 3, status
        labels = deployment["spec"]["selector"]["matchLabels"]
        listed = kubectl.list("pods", ",".join(f"{key}={each}" for key, each in labels.items()))
        assert len(listed) == count, [each["metadata"]["name"] for each in listed]
        return {each["metadata"]["name"] for each in listed}

    found = eventually(check)
    ready(kubectl, name)
    return found


def emptied(kubectl: Kubectl) -> None:
    """Delete all agents of a namespace, all that they refer to, and the clients of a test."""
    timeout = f"--timeout={SECONDS:.0f}s"
    kubectl("delete", "omnia", "--all", "--wait=true", timeout, seconds=SECONDS + 10)
    clients = ("pods", "--selector=run", "--grace-period=1")
    kubectl("delete", *clients, timeout, seconds=SECONDS + 10)
    nothing_is_left(kubectl)


def nothing_is_left(kubectl: Kubectl, agent: str = "") -> None:
    """Return when the namespace has nothing that belonged to an agent, or to any."""
    chosen = f"{INSTANCE}={agent}" if agent else INSTANCE

    def left() -> list[str]:
        found = kubectl.list(f"{OWNED_KINDS},pods,replicasets.apps", chosen)
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    becomes(left, [])


def everything(change: JsonObject | None = None) -> list[JsonObject]:
    """An agent with all that it refers to, in the namespace of the test."""
    documents = [
        objects.agent(change),
        objects.pack(),
        config_map("pack-json", {"pack.json": world.PACK_TEXT}),
        objects.provider({"mock": {"responses": {"defaultResponse": "one"}}}),
    ]
    return [here(each) for each in documents]


def here(document: JsonObject) -> JsonObject:
    metadata = {key: each for key, each in document["metadata"].items() if key != "namespace"}
    return {**document, "metadata": metadata}


def pods(kubectl: Kubectl, agent: str = "helper") -> set[str]:
    found = kubectl.list("pods", f"{INSTANCE}={agent}")
    return {
        each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]
    }


def condition(kubectl: Kubectl, name: str, kind: str) -> tuple[str, str, str]:
    """Return the status, the reason and the message of a condition as they are now.

    One look shows what the operator has written so far: an assertion about it belongs into a check
    of `eventually`, or is `told`.
    """
    status = kubectl.get("agentruntime", name).get("status", {})
    for each in status.get("conditions", ()):
        if each["type"] == kind:
            return each["status"], each["reason"], each["message"]
    return "", "", ""


def told(kubectl: Kubectl, name: str, kind: str, wanted: tuple[str, str], *words: str) -> None:
    """Return when a condition has a status and a reason, and its message each of the words."""

    def check() -> None:
        *found, message = condition(kubectl, name, kind)
        assert tuple(found) == wanted, f"{kind} is {found}: {message}"
        for each in words:
            assert each in message, f"{kind}: {message}"

    eventually(check)


def events(kubectl: Kubectl, reason: str, name: str = "") -> list[JsonObject]:
    """Return the Events of a reason that are there now, of one object or of all.

    They are written after the status: wait for those that have to come.
    """
    return [
        each
        for each in kubectl.list("events")
        if each["reason"] == reason and name in ("", each["involvedObject"]["name"])
    ]


def announced(kubectl: Kubectl, reason: str, name: str = "") -> None:
    """Return when there is an Event of a reason, about one object or any."""
    wait_until(f"an Event says {reason}", lambda: events(kubectl, reason, name) != [])
