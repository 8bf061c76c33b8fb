"""Two installations that act on the same namespace."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from omnia_operator.cluster.kinds import AGENT_RUNTIME, DEPLOYMENT, SERVICE
from omnia_operator.labels import APPLIED_BY
from omnia_operator.reconcile.claims import Claims
from tests.operator import objects
from tests.operator.cluster import SETTINGS, FakeCluster, everything

Act = Callable[[], Awaitable[None]]


def operator(cluster: FakeCluster, name: str) -> Act:
    """An installation: its memory, its name, and its images."""
    settings = replace(SETTINGS, operator=name, facade_image=f"{name}/facade")
    claims = Claims()

    async def act() -> None:
        cluster.claims = claims
        await cluster.settle(settings)

    return act


def image(cluster: FakeCluster) -> str:
    template = cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]
    return str(template["containers"][0]["image"])


async def test_the_first_of_two_operators_leaves_the_agent_to_the_other_and_says_so() -> None:
    cluster = FakeCluster(*everything())
    first, second = operator(cluster, "a/one"), operator(cluster, "b/two")
    await first()
    await second()
    assert image(cluster) == "b/two/facade"
    cluster.writes.clear()

    for _ in range(3):
        await first()
        await second()

    assert cluster.writes == []
    assert cluster.events.count(("helper", "SeveralOperators")) == 1
    assert cluster.live(DEPLOYMENT)["metadata"]["annotations"][APPLIED_BY] == "b/two"

    cluster.live(SERVICE)["spec"]["ports"][0]["port"] = 1
    await first()
    assert cluster.live(SERVICE)["spec"]["ports"][0]["port"] == 1
    await second()
    assert cluster.live(SERVICE)["spec"]["ports"][0]["port"] == 8080


async def test_an_operator_takes_over_from_one_that_was_uninstalled() -> None:
    cluster = FakeCluster(*everything())
    await operator(cluster, "a/one")()

    await operator(cluster, "b/two")()

    assert image(cluster) == "b/two/facade"
    assert ("helper", "SeveralOperators") not in cluster.events


async def test_an_operator_that_is_restarted_takes_over_again() -> None:
    cluster = FakeCluster(*everything())
    first, second = operator(cluster, "a/one"), operator(cluster, "b/two")
    await first()
    await second()
    await first()

    await operator(cluster, "a/one")()

    assert image(cluster) == "a/one/facade"
    await second()
    assert image(cluster) == "a/one/facade"


async def test_an_agent_that_was_deleted_is_forgotten() -> None:
    cluster = FakeCluster(*everything())
    first, second = operator(cluster, "a/one"), operator(cluster, "b/two")
    await first()
    await second()
    await first()
    cluster.remove(AGENT_RUNTIME, "helper")
    await cluster.reconcile(AGENT_RUNTIME, "helper")

    cluster.put(objects.agent())
    await first()

    assert image(cluster) == "a/one/facade"


@pytest.mark.parametrize("name", ["", "a/one"])
async def test_the_same_operator_never_gives_way_to_itself(name: str) -> None:
    cluster = FakeCluster(*everything())
    for _ in range(2):
        await operator(cluster, name)()
    act = operator(cluster, name)
    await act()
    await act()

    assert ("helper", "SeveralOperators") not in cluster.events
    assert image(cluster) == f"{name}/facade"
