"""A session store that stops and starts again, on a real cluster."""

import pytest

from tests.cluster.agents import events, everything, pods, ready, told
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("omnia")


def restarts(kubectl: Kubectl) -> int:
    return sum(
        container["restartCount"]
        for pod in kubectl.list("pods", "app.kubernetes.io/instance=helper")
        for container in pod["status"]["containerStatuses"]
    )


def test_an_outage_of_redis_is_told_and_heals_and_the_pods_stay(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(*everything({"session": {"type": "redis", "storeRef": {"name": redis}}}))
    ready(kubectl, "helper")
    told(kubectl, "helper", "SessionStoreReady", ("True", "SessionStoreReached"))
    before = pods(kubectl)

    kubectl("scale", "deployment", redis, "--replicas=0")
    told(kubectl, "helper", "SessionStoreReady", ("False", "SessionStoreUnreachable"))
    told(kubectl, "helper", "Ready", ("False", "SessionStoreUnreachable"))
    assert pods(kubectl) == before
    assert restarts(kubectl) == 0

    def serving() -> None:
        slices = kubectl.list("endpointslices", "kubernetes.io/service-name=helper")
        endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or ()]
        assert [each["conditions"]["ready"] for each in endpoints] == [True]

    eventually(serving)

    kubectl("scale", "deployment", redis, "--replicas=1")
    ready(kubectl, "helper")
    told(kubectl, "helper", "SessionStoreReady", ("True", "SessionStoreReached"))
    assert (pods(kubectl), restarts(kubectl)) == (before, 0)
    becomes(lambda: len(events(kubectl, "SessionStoreUnreachable", "helper")), 1)
