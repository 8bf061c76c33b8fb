"""A rollout that cannot be completed: the status follows the new pods, the old ones serve."""

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import condition, everything, here, pods, ready, rolled_out
from tests.cluster.harness.waiting import eventually
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

QUOTA: JsonObject = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "pods"},
    "spec": {"hard": {"pods": "1"}},
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"facade": {"image": "localhost/omnia-facade:none"}}, "ImagePullBackOff"),
        (
            {"runtime": {"extraEnv": [{"name": "OMNIA_GRPC_PORT", "value": "zebra"}]}},
            "CrashLoopBackOff",
        ),
        (
            # The facade finds no runtime, so its readiness probe fails.
            {"facade": {"extraEnv": [{"name": "OMNIA_RUNTIME_ADDRESS", "value": "127.0.0.1:1"}]}},
            "RuntimeNotReady",
        ),
        ({"runtime": {"nodeSelector": {"none": "such"}}}, "RuntimeNotReady"),
        ({"runtime": {"extraEnv": [{"name": "A", "value": "b"}]}}, "DeploymentFailed"),
    ],
    ids=["image", "crash", "probe", "unschedulable", "quota"],
)
def test_an_agent_whose_new_pod_cannot_serve_is_not_ready_and_its_old_pod_serves(
    shared: Kubectl, request: pytest.FixtureRequest, change: JsonObject, reason: str
) -> None:
    shared.apply(*everything())
    before = rolled_out(shared, "helper")
    if "quota" in request.node.name:
        shared.apply(QUOTA)

    shared.apply(here(objects.agent(change)))

    def check() -> None:
        assert condition(shared, "helper", "Ready")[:2] == ("False", reason)
        message = condition(shared, "helper", "DeploymentReady")[2]
        if reason == "RuntimeNotReady":
            assert "1 of an earlier version serve until then" in message
        assert before <= pods(shared)
        slices = shared.list("endpointslices", "kubernetes.io/service-name=helper")
        serving = {
            endpoint["targetRef"]["name"]
            for each in slices
            for endpoint in each["endpoints"] or ()
            if endpoint["conditions"]["ready"]
        }
        assert serving == before

    eventually(check)

    if "quota" in request.node.name:
        shared("delete", "resourcequota", "pods")
    shared.apply(here(objects.agent()))
    ready(shared, "helper")
