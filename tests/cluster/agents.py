"""An agent with all that it refers to, and what becomes of it."""

from omnia_core.jsonvalue import JsonObject
from omnia_operator.labels import INSTANCE
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.operator import objects, world
from tests.operator.cluster import config_map

READY_SECONDS = 60


def ready(kubectl: Kubectl, name: str) -> None:
    kubectl(
        *("wait", "--for=condition=Ready", f"agentruntime/{name}"),
        f"--timeout={READY_SECONDS}s",
        seconds=READY_SECONDS + 10,
    )


def emptied(kubectl: Kubectl) -> None:
    """Delete all agents of a namespace, all that they refer to, and the clients of a test."""
    kubectl("delete", "omnia", "--all", "--wait=true", "--timeout=60s", seconds=70)
    kubectl("delete", "pods", "--selector=run", "--grace-period=1", "--timeout=60s", seconds=70)
    wait_until(
        "no agent is left", lambda: not kubectl.list("deployments", INSTANCE), seconds=READY_SECONDS
    )


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
    status = kubectl.get("agentruntime", name).get("status", {})
    for each in status.get("conditions", ()):
        if each["type"] == kind:
            return each["status"], each["reason"], each["message"]
    return "", "", ""
