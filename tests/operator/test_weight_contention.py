"""Somebody else who changes the weights of a rollout again and again: how often they are set."""

import datetime as dt
from bisect import bisect_left
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.rollout import WeightWrite
from omnia_operator.cluster.kinds import AGENT_RUNTIME, HTTP_ROUTE, VIRTUAL_SERVICE
from omnia_operator.rollout.contention import (
    LONGEST_SECONDS,
    WeightAttempt,
    attempted,
    other_manager,
)
from omnia_operator.rollout.traffic import CHECK_SECONDS
from tests.operator.test_rollout_reconcile import START, candidate_objects
from tests.operator.test_rollout_traffic import CASES, Split

HOUR = 3600.0
MOST_WRITES = 70
"""In an hour. Whoever changes five weights one soon after the other, and then waits until that is
forgotten, gets nearly as many; at any even pace there are fewer than 25."""


class World:
    """An object with a weight, those who change it, and a clock."""

    def __init__(self, weight: int) -> None:
        self.seconds = 0.0
        self.weight = 0
        self.wanted = weight
        self.noted: WeightWrite | None = None
        self.problem = False
        self.begun = 0
        """How often the problem began."""
        self.writes: list[float] = []

    def look(self) -> WeightAttempt:
        now = (START + dt.timedelta(seconds=self.seconds)).isoformat()
        differs = self.weight != self.wanted
        made = attempted(
            "HTTPRoute shop", owned_by(), self.wanted, self.noted, differs=differs, now=now
        )
        self.noted = made.noted
        if made.write:
            self.writes.append(self.seconds)
            self.weight = self.wanted
        self.begun += made.problem is not None and not self.problem
        self.problem = made.problem is not None
        return made

    def busiest(self) -> int:
        """The writes in the hour with the most of them."""
        return max(
            (bisect_left(self.writes, each + HOUR) - at for at, each in enumerate(self.writes)),
            default=0,
        )


def owned_by(*entries: tuple[str, str, str]) -> JsonObject:
    """Return an object with managers, the times of their changes, and a field of each."""
    fields = [
        {
            "manager": manager,
            "operation": "Update",
            "time": time,
            "fieldsV1": {"f:spec": {f"f:{field}": {}}},
        }
        for manager, time, field in entries
    ]
    return {"metadata": {"name": "shop", "managedFields": fields}}


@given(
    pauses=st.lists(st.floats(0.2, 700), min_size=1, max_size=12),
    restored=st.sampled_from([0, 20, 100]),
    looks=st.lists(st.floats(0.5, CHECK_SECONDS), min_size=1, max_size=7),
    steps=st.lists(st.tuples(st.floats(0, 3 * HOUR), st.sampled_from([0, 10, 50])), max_size=3),
)
def test_two_who_write_against_each_other_write_seldom_and_the_one_who_stays_wins(
    pauses: list[float], restored: int, looks: list[float], steps: list[tuple[float, int]]
) -> None:
    world, looking, changing = World(10), cycle(looks), cycle(pauses)
    stop, changes = 3 * HOUR, sorted(steps)
    next_change = next(changing)
    while world.seconds < stop:
        while changes and changes[0][0] <= world.seconds:
            world.wanted = changes.pop(0)[1]
        world.look()
        until = world.seconds + next(looking)
        while next_change < until:
            world.weight = restored
            next_change += next(changing)
        world.seconds = until
    assert world.busiest() <= MOST_WRITES + len(steps)

    # Without the other it is set once more at most, and the contest is forgotten.
    count = len(world.writes)
    world.weight = restored
    while world.seconds < stop + 2 * (LONGEST_SECONDS + CHECK_SECONDS):
        world.look()
        assert world.seconds < stop + LONGEST_SECONDS + CHECK_SECONDS or (
            world.weight == world.wanted
        )
        world.seconds += next(looking)
    assert len(world.writes) <= count + 1
    world.look()
    assert (world.weight, world.problem, world.noted) == (world.wanted, False, None)


@pytest.mark.parametrize("pause", [1.0, 7.0, 30.0, 120.0, 290.0])
def test_at_an_even_pace_it_is_a_problem_once_and_the_writes_get_rare(pause: float) -> None:
    world, next_change = World(10), pause
    while world.seconds < 4 * HOUR:
        world.look()
        world.seconds += CHECK_SECONDS
        while next_change < world.seconds:
            world.weight, next_change = 0, next_change + pause
    assert world.begun == 1
    assert world.busiest() <= 25
    gaps = [after - before for before, after in zip(world.writes, world.writes[1:], strict=False)]
    assert min(gaps[8:]) >= LONGEST_SECONDS


def test_a_single_change_is_put_back_at_once_and_is_no_problem() -> None:
    world = World(10)
    world.look()
    world.seconds, world.weight = 60.0, 0
    made = world.look()
    assert (made.write, made.problem, world.weight) == (True, None, 10)


def test_a_weight_that_the_rollout_itself_changes_does_not_wait() -> None:
    world = World(10)
    for _ in range(40):
        world.weight = 20
        world.look()
        world.seconds += CHECK_SECONDS
    assert world.problem
    world.wanted, world.weight = 0, 20
    assert world.look().write, "what ends a rollout does not wait for others"

    world.wanted = 50
    world.weight = 50
    assert world.look() == WeightAttempt(write=False), "they agree"


def test_the_manager_is_the_last_that_changed_a_field_with_weights() -> None:
    argocd = ("argocd-controller", "2026-01-01T00:00:09Z", "http")
    other = ("kubectl", "2026-01-01T00:00:01Z", "http")
    ours = ("omnia-rollout", "2026-01-01T00:00:10Z", "http")
    hosts = ("istioctl", "2026-01-01T00:00:11Z", "hosts")
    assert other_manager(owned_by(other, argocd, ours, hosts)) == "argocd-controller"
    assert other_manager(owned_by(ours, hosts)) == ""
    long = owned_by(("x" * 500, "", "rules"))
    assert len(other_manager(long)) <= 64
    assert other_manager({"metadata": {"managedFields": [{"manager": 7}]}}) == ""


@pytest.mark.parametrize("case", CASES)
async def test_a_contest_is_a_condition_one_event_and_ends_by_itself(case: str) -> None:
    routing, documents = CASES[case]
    split = Split(routing, *documents())
    bed, cluster = split.bed, split.cluster
    kind = VIRTUAL_SERVICE if case == "istio" else HTTP_ROUTE
    field = "http" if case == "istio" else "rules"
    theirs = documents()[0]
    theirs["metadata"] |= owned_by(("argocd-controller", "2026-01-01T00:00:09Z", field))["metadata"]
    await split.until_paused()
    cluster.writes.clear()
    for _ in range(60):
        cluster.put(theirs)
        await bed.step()
    assert split.condition() == "False: WeightsContested"
    said = cluster.message("TrafficRouting")
    assert said.startswith('the field manager "argocd-controller" changes what the rollout sets in')
    assert f"kubectl get {kind.name.lower()} shop" in said
    edits = cluster.writes.count(f"edit {kind} shop")
    assert 1 < edits <= 8
    assert [reason for _, reason in cluster.events].count("WeightsContested") == 1
    statuses = sum(each.startswith("status AgentRuntime") for each in cluster.writes)
    assert statuses <= 2 * edits, "the status is written when something has changed"

    # The rollout waits, and its end waits too: the candidate keeps its pods while it has traffic.
    bed.ask("promote 1")
    for _ in range(6):
        cluster.put(theirs)
        await bed.step()
    assert cluster.live(AGENT_RUNTIME)["status"]["rollout"]["currentWeight"] == 10
    assert "Deployment helper-canary" in candidate_objects(cluster)

    await bed.until("Promoting", limit=160)
    assert split.condition() == "True: WeightsSet"
    await bed.until("Idle")
    assert split.weights == [100, 0]


async def test_a_candidate_that_somebody_keeps_giving_traffic_keeps_its_pods() -> None:
    routing, documents = CASES["istio"]
    split = Split(routing, *documents())
    await split.until_paused()
    theirs = documents()[0]
    for destination, weight in zip(theirs["spec"]["http"][0]["route"], (80, 20), strict=True):
        destination["weight"] = weight
    split.bed.ask("abort 1")
    for _ in range(40):
        split.cluster.put(theirs)
        await split.bed.step()
    assert split.bed.rollout["phase"] == "RollingBack"
    assert split.condition() == "False: WeightsContested"
    assert "Deployment helper-canary" in candidate_objects(split.cluster)
    assert split.selects_both
    await split.bed.until("Idle", limit=160)
    await split.bed.step()
    assert split.weights == [100, 0]
    assert candidate_objects(split.cluster) == []
