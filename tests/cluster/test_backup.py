"""What was backed up is restored by the page's lines, and by tools that restore too much."""

import json
from pathlib import Path

import pytest

from omnia_core.names import API_VERSION
from omnia_operator.labels import INSTANCE
from tests.cluster import releases
from tests.cluster.agents import OWNED_KINDS, emptied, everything, pods, ready, rolled_out
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.waiting import eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say

pytestmark = pytest.mark.usefixtures("omnia")

PAGE = "docs/how-to/backup.md"
KINDS = "omnia,configmaps,secrets,deployments,services,serviceaccounts"


def delete_everything(kubectl: Kubectl) -> None:
    emptied(kubectl)
    kubectl("delete", "configmap", "pack-json")


def test_a_namespace_comes_back_by_the_lines_of_the_page(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl.apply(*everything())
    kubectl("create", "secret", "generic", "key", "--from-literal=KEY=k3y")
    ready(kubectl, "helper")
    given = {"NAMESPACE": kubectl.namespace}
    with releases.shell(cluster, kubectl, tmp_path, given, at=tmp_path) as person:
        person.type(PAGE, "Back up")
        delete_everything(kubectl)
        kubectl("delete", "secret", "key")

        person.type(PAGE, "Restore")

    rolled_out(kubectl, "helper")
    assert say(kubectl, "helper", "hi") == ["one"]
    assert kubectl.get("secret", "key")["data"] == {"KEY": "azN5"}


def test_what_is_restored_with_owners_that_are_no_more_is_taken_over_or_made_again(
    kubectl: Kubectl,
) -> None:
    kubectl.apply(*everything())
    ready(kubectl, "helper")
    stored = json.loads(kubectl("get", KINDS, "--output=json"))["items"]
    before = pods(kubectl)
    delete_everything(kubectl)

    for each in stored:  # as Velero does: without uid and version, and with the owners of before
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            each["metadata"].pop(key, None)
        each.pop("status", None)
    # Custom resources come last, and what is there already stays.
    stored.sort(key=lambda each: each["apiVersion"] == API_VERSION)
    said = kubectl.refusal(
        *("create", "--filename=-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": stored}),
    )
    assert all("AlreadyExists" in line for line in said.splitlines()[1:]), said

    owner = kubectl.get("agentruntime", "helper")["metadata"]["uid"]

    # Kubernetes deletes what has an owner that is no more, and the operator makes it again.
    def taken_over() -> None:
        found = kubectl.list(OWNED_KINDS, f"{INSTANCE}=helper")
        assert found
        for each in found:
            (reference,) = each["metadata"]["ownerReferences"]
            assert reference["uid"] == owner, each

    eventually(taken_over)
    rolled_out(kubectl, "helper")
    assert say(kubectl, "helper", "hi") == ["one"]
    assert not before & pods(kubectl)
