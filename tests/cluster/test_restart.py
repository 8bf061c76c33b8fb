"""An operator that dies in the middle of its work, on a real cluster."""

from collections import Counter

from omnia_core.jsonvalue import JsonObject
from omnia_operator.labels import INSTANCE
from tests.cluster import fleet
from tests.cluster.agents import OWNED_KINDS
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.waiting import becomes, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.local_operator import LocalOperator

AGENTS = 200
NO_PODS: JsonObject = {"replicas": 0}


def owned(kubectl: Kubectl) -> list[JsonObject]:
    return kubectl.list(OWNED_KINDS, INSTANCE)


def settled(kubectl: Kubectl) -> int:
    return sum(
        each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
        for each in kubectl.list("agentruntimes")
    )


def test_an_operator_that_is_killed_in_mid_work_goes_on_where_it_was(
    cluster: Cluster, kubectl: Kubectl, alone: None
) -> None:
    namespace = kubectl.namespace
    documents = [*fleet.shared(namespace), *fleet.agents(namespace, AGENTS, NO_PODS)]
    kubectl("apply", "--server-side", "--filename=-", stdin=fleet.stream(documents))

    operator = LocalOperator(cluster.kubeconfig, namespace, namespace)
    with operator:
        wait_until("it is at work", lambda: len(kubectl.list("deployments")) > 9)
        operator.kill()
        begun = {each["metadata"]["uid"] for each in owned(kubectl)}
        assert settled(kubectl) < AGENTS

        operator.start()
        becomes(lambda: settled(kubectl), AGENTS, seconds=600)

    there = owned(kubectl)
    assert begun <= {each["metadata"]["uid"] for each in there}
    assert {each["metadata"]["generation"] for each in kubectl.list("deployments")} == {1}
    assert Counter(
        (each["kind"], each["metadata"]["name"].replace(each["metadata"]["labels"][INSTANCE], "*"))
        for each in there
    ) == dict.fromkeys(
        [
            ("ServiceAccount", "omnia-*-agent"),
            ("ConfigMap", "omnia-*-auth"),
            ("ConfigMap", "omnia-*-pack"),
            ("ConfigMap", "omnia-*-tools"),
            ("ConfigMap", "omnia-*-providers"),
            ("Service", "*"),
            ("Deployment", "*"),
        ],
        AGENTS,
    )
    becomes(lambda: len(kubectl.list("replicasets")), AGENTS)
