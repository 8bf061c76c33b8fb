"""Objects of somebody else, and objects that lost their owner, on a real cluster."""

from collections.abc import Iterator

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION
from omnia_operator.labels import OwnedNames
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.local_operator import LocalOperator

NAMES = OwnedNames("datadog")
AGENT: JsonObject = {
    "apiVersion": API_VERSION,
    "kind": "AgentRuntime",
    "metadata": {"name": "datadog"},
    "spec": {"facade": {"handler": "echo"}, "runtime": {"replicas": 0}},
}
ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": NAMES.service_account},
}


@pytest.fixture
def operator(cluster: Cluster, kubectl: Kubectl, alone: None) -> Iterator[LocalOperator]:
    """An operator of the test's namespace only."""
    with LocalOperator(cluster.kubeconfig, kubectl.namespace, kubectl.namespace) as started:
        yield started


def reason(kubectl: Kubectl) -> str:
    """Return the reason of the agent's condition Ready."""
    conditions = kubectl.get("agentruntime", "datadog").get("status", {}).get("conditions", [])
    return next((each["reason"] for each in conditions if each["type"] == "Ready"), "")


def test_nothing_runs_as_the_service_account_of_somebody_else_or_changes_it(
    kubectl: Kubectl, operator: LocalOperator
) -> None:
    kubectl.apply(ACCOUNT)
    before = kubectl.get("serviceaccount", NAMES.service_account)

    kubectl.apply(AGENT)
    becomes(lambda: reason(kubectl), "NotOwned")

    assert kubectl.get("serviceaccount", NAMES.service_account) == before
    assert kubectl.list("deployments") == []

    kubectl("delete", "serviceaccount", NAMES.service_account)
    becomes(lambda: reason(kubectl), "RuntimeReady")
    (deployment,) = kubectl.list("deployments")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == NAMES.service_account


def test_objects_without_an_owner_are_adopted_as_they_are(
    kubectl: Kubectl, operator: LocalOperator
) -> None:
    kubectl.apply(AGENT)
    becomes(lambda: reason(kubectl), "RuntimeReady")
    kinds = "deployments,services,serviceaccounts,configmaps"
    selector = "app.kubernetes.io/instance=datadog"
    before = {each["metadata"]["uid"] for each in kubectl.list(kinds, selector)}

    kubectl("delete", "agentruntime", "datadog", "--cascade=orphan")
    kubectl.apply(AGENT)
    becomes(lambda: reason(kubectl), "RuntimeReady")

    owner = kubectl.get("agentruntime", "datadog")["metadata"]["uid"]

    def adopted() -> None:
        found = kubectl.list(kinds, selector)
        assert {each["metadata"]["uid"] for each in found} == before
        for each in found:
            (reference,) = each["metadata"]["ownerReferences"]
            assert reference["uid"] == owner, each

    eventually(adopted)
