"""A new version of a PromptPack takes over step by step."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.files.placement import PLACEMENT_FILE
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator.api.promptpack import Canary
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CONFIG_MAP, POD, PROMPT_PACK, ObjectKind
from omnia_operator.resolve import Lineup
from omnia_operator.resolve.canary import seconds_to_next_step, weight_at
from omnia_operator.scheduling import Requeue
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster, config_map, pod

START = "2026-01-01T00:00:00Z"
CANARY: JsonObject = {"type": "canary", "canary": {"weight": 20, "stepWeight": 30}}
"""In steps of five minutes: 20, 50, 80, 100."""


def minute(number: int, second: int = 0) -> str:
    return f"2026-01-01T{number // 60:02}:{number % 60:02}:{second:02}Z"


def canary(weight: int = 10, step: int = 10, interval: str = "5m") -> Canary:
    return Canary(weight=weight, step_weight=step, interval=Duration.parse(interval))


@pytest.mark.parametrize(
    ("steps", "now", "weight", "wait"),
    [
        (canary(), minute(0), 10, 300.0),
        (canary(), minute(4, 59), 10, 1.0),
        (canary(), minute(5), 20, 300.0),
        (canary(), minute(44, 30), 90, 30.0),
        (canary(), minute(45), 100, None),
        (canary(), minute(500), 100, None),
        (canary(0, 33, "10s"), minute(0, 9), 0, 1.0),
        (canary(0, 33, "10s"), minute(0, 39), 99, 1.0),
        (canary(0, 33, "10s"), minute(0, 40), 100, None),
        (canary(0, 1, "0s"), minute(0), 100, None),
        (canary(100), minute(0), 100, None),
        (canary(10, 10, "1s500ms"), minute(0, 4), 30, 0.5),
        # A clock that was set back takes nothing away, and the step comes when it is due.
        (canary(), "2025-12-31T23:59:00Z", 10, 360.0),
        (canary(), "", 10, 300.0),
    ],
)
def test_the_weight_follows_from_the_start(
    steps: Canary, now: str, weight: int, wait: float | None
) -> None:
    assert weight_at(steps, START, now) == weight
    assert seconds_to_next_step(steps, START, now) == wait


@given(
    st.builds(canary, st.integers(0, 100), st.integers(1, 100), st.sampled_from(["1s", "7s"])),
    st.integers(0, 3000),
)
def test_after_each_wait_the_weight_has_grown(steps: Canary, second: int) -> None:
    now = minute(*divmod(second, 60))
    weight, wait = weight_at(steps, START, now), seconds_to_next_step(steps, START, now)
    assert (wait is None) == (weight == 100)
    if wait is not None:
        later = minute(*divmod(second + int(wait), 60))
        assert weight < weight_at(steps, START, later) <= 100
        if wait > 1:
            before = minute(*divmod(second + int(wait) - 1, 60))
            assert weight_at(steps, START, before) == weight


def version(number: str, rollout: JsonObject | None = None) -> JsonObject:
    change: JsonObject = {"packName": "pack", "version": number}
    return objects.pack(change | ({"rollout": rollout} if rollout else {}), name=name_of(number))


def name_of(number: str) -> str:
    return f"pack-v{number[0]}"


def content(number: str, text: str = world.PACK_TEXT) -> JsonObject:
    return config_map(f"{name_of(number)}-json", {"pack.json": text})


def with_versions(*packs: JsonObject, reference: JsonObject | None = None) -> FakeCluster:
    contents = [content(each["spec"]["version"]) for each in packs]
    agent = objects.agent({"promptPackRef": reference or {}})
    return FakeCluster(agent, objects.provider(), pod("helper-1"), *contents, *packs)


async def begun() -> FakeCluster:
    """A canary of 2.0.0 beside 1.0.0 that has just begun."""
    cluster = with_versions(version("1.0.0"))
    await cluster.settle(now="2025-12-01T00:00:00Z")
    cluster.put(content("2.0.0"), version("2.0.0", CANARY))
    await cluster.settle(now=START)
    return cluster


def placement(cluster: FakeCluster) -> JsonObject:
    data = cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"]
    assert set(data) > {PLACEMENT_FILE}
    placed: JsonObject = json.loads(data[PLACEMENT_FILE])
    return placed


def versions(cluster: FakeCluster) -> list[str]:
    return sorted(set(cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"]) - {PLACEMENT_FILE})


def told(cluster: FakeCluster, number: str) -> tuple[object, ...]:
    status = cluster.status(name_of(number), PROMPT_PACK)
    fields = ("phase", "activeVersion", "canaryVersion", "canaryWeight")
    return tuple(status.get(field) for field in fields)


def events(cluster: FakeCluster, number: str) -> list[str]:
    return [
        reason
        for name, reason in cluster.events
        if name == name_of(number) and reason.startswith("Canary")
    ]


ALONE = {"stable": "1.0.0"}
PROMOTED = {"stable": "2.0.0"}


def both(weight: int) -> JsonObject:
    return {"stable": "1.0.0", "candidate": "2.0.0", "weight": weight}


async def test_a_canary_begins_with_its_weight_and_both_versions_say_so() -> None:
    cluster = await begun()

    assert placement(cluster) == both(20)
    assert versions(cluster) == ["1.0.0.json", "2.0.0.json"]
    assert told(cluster, "1.0.0") == ("Active", "1.0.0", "2.0.0", 20)
    assert told(cluster, "2.0.0") == ("Canary", "1.0.0", "2.0.0", 20)
    assert cluster.status("pack-v2", PROMPT_PACK)["canary"] == {
        "version": "2.0.0",
        "startTime": START,
    }
    assert cluster.status()["activeVersion"] == "1.0.0"
    assert cluster.status("pack-v2", PROMPT_PACK)["conditions"][-1]["message"] == "used by helper"
    assert events(cluster, "2.0.0") == ["CanaryStarted"]


@pytest.mark.parametrize(("now", "weight"), [(minute(4), 20), (minute(5), 50), (minute(14), 80)])
async def test_the_weight_grows_with_time(now: str, weight: int) -> None:
    cluster = await begun()
    await cluster.settle(now=now)

    assert placement(cluster) == both(weight)
    assert told(cluster, "2.0.0") == ("Canary", "1.0.0", "2.0.0", weight)
    assert events(cluster, "2.0.0") == ["CanaryStarted"] + ["CanaryStepped"] * (weight > 20)


async def test_a_step_changes_a_file_and_refreshes_the_pods() -> None:
    cluster = await begun()
    cluster.writes.clear()
    await cluster.settle(now=minute(5))

    assert [each for each in cluster.writes if "PromptPack" not in each] == [
        "apply ConfigMap omnia-helper-pack",
        f"annotate {POD} helper-1",
    ]


async def test_at_100_percent_the_version_is_active_and_the_old_one_superseded() -> None:
    cluster = await begun()
    await cluster.settle(now=minute(15))

    assert placement(cluster) == PROMOTED
    assert versions(cluster) == ["1.0.0.json", "2.0.0.json"]
    assert told(cluster, "1.0.0") == ("Superseded", "2.0.0", None, None)
    assert told(cluster, "2.0.0") == ("Active", "2.0.0", None, None)
    assert cluster.status()["activeVersion"] == "2.0.0"
    assert events(cluster, "2.0.0") == ["CanaryStarted", "CanaryPromoted"]
    assert cluster.status("pack-v2", PROMPT_PACK)["canary"]["completionTime"] == minute(15)


@pytest.mark.parametrize("now", [START, minute(5), minute(15)])
async def test_a_second_run_writes_nothing(now: str) -> None:
    cluster = await begun()
    await cluster.settle(now=now)
    cluster.writes.clear()
    await cluster.settle(now=now)

    assert cluster.writes == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [(PROMPT_PACK, "pack-v1"), (PROMPT_PACK, "pack-v2"), (AGENT_RUNTIME, "helper")],
)
async def test_everyone_whom_a_step_is_about_looks_when_it_is_due(
    kind: ObjectKind, name: str
) -> None:
    cluster = await begun()

    async def requeue(now: str) -> Requeue:
        return await cluster.reconcile(kind, name, now=now)

    assert await requeue(START) == Requeue.after(300.0)
    assert await requeue(minute(7)) == Requeue.after(180.0)
    assert await requeue(minute(15)) == Requeue.NO
    assert await requeue(minute(99)) == Requeue.NO


async def test_time_goes_on_while_no_operator_runs() -> None:
    cluster = await begun()
    # What there was is all that a new operator has.
    again = FakeCluster()
    again.objects = cluster.objects
    await again.settle(now=minute(11))

    assert placement(again) == both(80)


async def test_the_steps_of_a_finished_canary_no_longer_matter() -> None:
    cluster = await begun()
    await cluster.settle(now=minute(15))
    slower = {"type": "canary", "canary": {"weight": 1, "interval": "100h"}}
    cluster.put(version("2.0.0", slower))
    await cluster.settle(now=minute(16))

    assert placement(cluster) == PROMOTED


async def test_steps_that_change_on_the_way_count_from_the_same_start() -> None:
    cluster = await begun()
    cluster.put(version("2.0.0", {"type": "canary", "canary": {"weight": 30, "stepWeight": 1}}))
    await cluster.settle(now=minute(10))
    assert placement(cluster) == both(32)

    cluster.put(version("2.0.0", {"type": "canary", "canary": {"weight": 5, "interval": "9h"}}))
    await cluster.settle(now=minute(10))
    assert placement(cluster) == both(5)

    cluster.put(version("2.0.0", {"type": "immediate"}))
    await cluster.settle(now=minute(10))
    assert placement(cluster) == PROMOTED
    assert told(cluster, "2.0.0") == ("Active", "2.0.0", None, None)

    cluster.put(version("2.0.0", CANARY))
    await cluster.settle(now=minute(11))
    assert placement(cluster) == both(20)


async def test_a_canary_without_an_older_version_is_active_at_once() -> None:
    cluster = with_versions(version("2.0.0", CANARY))
    await cluster.settle(now=START)
    assert placement(cluster) == PROMOTED
    assert told(cluster, "2.0.0") == ("Active", "2.0.0", None, None)
    assert events(cluster, "2.0.0") == []

    # An old version that somebody pins later takes nothing from it.
    cluster.put(content("1.0.0"), version("1.0.0"))
    await cluster.settle(now=minute(1))
    assert placement(cluster) == PROMOTED
    assert told(cluster, "1.0.0") == ("Superseded", "2.0.0", None, None)


async def test_a_canary_whose_content_fails_gets_no_sessions_and_begins_anew() -> None:
    cluster = await begun()
    cluster.put(content("2.0.0", "{"))
    await cluster.settle(now=minute(6))
    assert placement(cluster) == ALONE
    assert told(cluster, "2.0.0") == ("Failed", "1.0.0", None, None)
    assert told(cluster, "1.0.0") == ("Active", "1.0.0", None, None)
    assert events(cluster, "2.0.0") == ["CanaryStarted", "CanaryStopped"]
    assert events(cluster, "1.0.0") == ["CanaryWithdrawn"]

    cluster.put(content("2.0.0"))
    await cluster.settle(now=minute(60))
    assert placement(cluster) == both(20)


async def test_a_finished_version_that_failed_is_active_again_once_it_is_mended() -> None:
    cluster = await begun()
    await cluster.settle(now=minute(15))
    cluster.put(content("2.0.0", "{"))
    await cluster.settle(now=minute(16))
    assert placement(cluster) == ALONE

    cluster.put(content("2.0.0"))
    await cluster.settle(now=minute(17))
    assert placement(cluster) == PROMOTED


async def test_a_canary_serves_all_while_nothing_else_can_be_used() -> None:
    cluster = await begun()
    cluster.put(content("1.0.0", "{"))
    await cluster.settle(now=minute(1))
    assert placement(cluster) == PROMOTED

    cluster.put(content("1.0.0"))
    await cluster.settle(now=minute(5))
    assert placement(cluster) == both(50)


async def test_deleting_the_canary_puts_all_new_sessions_back() -> None:
    cluster = await begun()
    cluster.remove(PROMPT_PACK, "pack-v2")
    await cluster.settle(now=minute(1))

    assert placement(cluster) == ALONE
    assert versions(cluster) == ["1.0.0.json"]
    assert told(cluster, "1.0.0") == ("Active", "1.0.0", None, None)
    assert events(cluster, "1.0.0") == ["CanaryWithdrawn"]


async def test_deleting_the_old_version_ends_the_canary() -> None:
    cluster = await begun()
    cluster.remove(PROMPT_PACK, "pack-v1")
    await cluster.settle(now=minute(1))

    assert placement(cluster) == PROMOTED
    assert told(cluster, "2.0.0") == ("Active", "2.0.0", None, None)


async def test_a_newer_version_overtakes_a_canary() -> None:
    cluster = await begun()
    cluster.put(content("3.0.0"), version("3.0.0", CANARY))
    await cluster.settle(now=minute(6))
    assert placement(cluster) == {"stable": "1.0.0", "candidate": "3.0.0", "weight": 20}
    assert versions(cluster) == ["1.0.0.json", "2.0.0.json", "3.0.0.json"]
    assert told(cluster, "2.0.0") == ("Superseded", "1.0.0", None, None)
    assert "canary" not in cluster.status("pack-v2", PROMPT_PACK)

    cluster.remove(PROMPT_PACK, "pack-v3")
    await cluster.settle(now=minute(60))
    assert placement(cluster) == both(20)


async def test_a_newer_version_for_everybody_ends_a_canary() -> None:
    cluster = await begun()
    cluster.put(content("3.0.0"), version("3.0.0"))
    await cluster.settle(now=minute(6))

    assert placement(cluster) == {"stable": "3.0.0"}
    assert told(cluster, "1.0.0")[0] == told(cluster, "2.0.0")[0] == "Superseded"


async def test_another_version_in_the_same_object_begins_anew() -> None:
    cluster = await begun()
    document = objects.merge(version("2.0.0", CANARY), {"spec": {"version": "2.1.0"}})
    cluster.put(document)
    await cluster.settle(now=minute(12))

    assert placement(cluster) == {"stable": "1.0.0", "candidate": "2.1.0", "weight": 20}
    assert cluster.status("pack-v2", PROMPT_PACK)["canary"]["startTime"] == minute(12)
    assert events(cluster, "2.0.0") == ["CanaryStarted", "CanaryStarted"]


@pytest.mark.parametrize("pin", ["1.0.0", "v1.0.0", "2.0.0"])
async def test_a_pinned_agent_ignores_canaries(pin: str) -> None:
    cluster = with_versions(version("1.0.0"), version("2.0.0", CANARY), reference={"version": pin})
    await cluster.settle(now=START)
    stable = pin.removeprefix("v")
    assert placement(cluster) == {"stable": stable}
    assert cluster.status()["activeVersion"] == stable
    assert versions(cluster) == ["1.0.0.json", "2.0.0.json"]

    cluster.writes.clear()
    await cluster.settle(now=minute(5))
    assert [each for each in cluster.writes if "PromptPack" not in each] == []


async def test_old_versions_stay_as_far_as_there_is_room() -> None:
    prompts = {"main": {**world.PACK["prompts"]["main"], "system_template": "x" * 300_000}}
    large = json.dumps({**world.PACK, "prompts": prompts})
    numbers = [f"{major}.0.0" for major in range(1, 6)]
    cluster = with_versions(*(version(number) for number in numbers))
    cluster.put(*(content(number, large) for number in numbers))
    await cluster.settle()

    assert placement(cluster) == {"stable": "5.0.0"}
    assert versions(cluster) == ["3.0.0.json", "4.0.0.json", "5.0.0.json"]
    message = cluster.message("PromptPackReady")
    assert "version 2.0.0, 1.0.0 does not fit into the ConfigMap" in message
    data = cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"]
    assert sum(len(text) for text in data.values()) < 1024 * 1024


def test_two_objects_of_one_version_are_one_version() -> None:
    twin = objects.merge(version("2.0.0", CANARY), {"metadata": {"name": "a-twin"}})
    there = world.found(
        version("1.0.0"),
        version("2.0.0", CANARY),
        twin,
        objects.provider(),
        config_maps={
            f"{name_of(number)}-json": {"pack.json": world.PACK_TEXT}
            for number in ("1.0.0", "2.0.0")
        },
    )
    lineup = world.resolved(objects.agent(), there).pack
    assert isinstance(lineup, Lineup)
    assert [each.version for each in lineup.packs] == ["1.0.0", "2.0.0"]
    assert (lineup.weight, lineup.others) == (20, ())
