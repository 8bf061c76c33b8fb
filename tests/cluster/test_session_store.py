"""A session store that stops and starts again, on a real cluster."""

import pytest

from tests.cluster.agents import condition, everything, pods, ready
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("omnia")


def restarts(kubectl: Kubectl) -> int:
    return sum(
        container["restartCount"]
        for pod in kubectl.list("pods", "app.kubernetes.io/instance=helper")
        for container in pod["status"]["containerStatuses"]
    )


def wait_condition(kubectl: Kubectl, kind: str, status: str, reason: str) -> None:
    wait_until(
        f"{kind} is {status} for {reason}",
        lambda: condition(kubectl, "helper", kind)[:2] == (status, reason),
        seconds=60,
    )


@pytest.mark.timeout(240)
def test_an_outage_of_redis_is_told_and_heals_and_the_pods_stay(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(*everything({"session": {"type": "redis", "storeRef": {"name": redis}}}))
    ready(kubectl, "helper")
    wait_condition(kubectl, "SessionStoreReady", "True", "SessionStoreReached")
    before = pods(kubectl)

    kubectl("scale", "deployment", redis, "--replicas=0")
    wait_condition(kubectl, "SessionStoreReady", "False", "SessionStoreUnreachable")
    wait_condition(kubectl, "Ready", "False", "SessionStoreUnreachable")
    assert pods(kubectl) == before
    assert restarts(kubectl) == 0
    slices = kubectl.list("endpointslices", "kubernetes.io/service-name=helper")
    assert all(
        endpoint["conditions"]["ready"] for each in slices for endpoint in each["endpoints"] or ()
    )

    kubectl("scale", "deployment", redis, "--replicas=1")
    ready(kubectl, "helper")
    wait_condition(kubectl, "SessionStoreReady", "True", "SessionStoreReached")
    assert (pods(kubectl), restarts(kubectl)) == (before, 0)
    told = [
        event
        for event in kubectl.list("events")
        if event["reason"] == "SessionStoreUnreachable"
        and event["involvedObject"]["name"] == "helper"
    ]
    assert len(told) == 1
