"""A candidate that is surely bad is gone after few of its turns; an equal one stays."""

import datetime as dt
import random
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_operator.analysis.statistics import (
    ALPHA_ANYTIME,
    Sample,
    anytime_z,
    difference,
    newcombe,
)
from omnia_operator.api.rollout import AnalysisPhase, AnalysisStatus
from omnia_operator.api.rolloutanalysis import (
    AgentMeasure,
    AgentQuery,
    AnalysisMetric,
    MetricProvider,
)
from omnia_operator.rollout.analysis import (
    GLANCE_SECONDS,
    MetricReading,
    begun,
    due,
    glanced,
    glanced_at,
    recorded,
)
from omnia_operator.rollout.comparison import PodReading

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
METRIC = AnalysisMetric(
    name="errors",
    provider=MetricProvider(agent=AgentQuery(measure=AgentMeasure.ERROR_RATE, worse_by=0.03)),
)


class Turns:
    """Two sides that answer turns, and the clock of the operator that looks at them.

    Args:
        fails: whether the turn of this number fails.
        weight: percentage of the candidate.
        per_minute: turns of both sides together.
    """

    def __init__(
        self,
        candidate: Callable[[int], bool],
        stable: Callable[[int], bool],
        weight: int,
        per_minute: int,
    ) -> None:
        self.fails = candidate, stable
        self.weight = weight
        self.per_second = per_minute / 60
        self.seconds = 0.0
        self.turns = [0, 0]
        self.failures = [0, 0]
        self._answered = 0
        self.status: AnalysisStatus = begun("quality", 1, [METRIC], START.isoformat())

    def answer(self, seconds: float) -> None:
        self.seconds += seconds
        while self._answered < self.seconds * self.per_second:
            # Of each hundred turns the candidate gets its weight, evenly.
            number = self._answered
            self._answered += 1
            before, after = (each * self.weight // 100 for each in (number, number + 1))
            side = 0 if after > before else 1
            self.failures[side] += self.fails[side](self.turns[side])
            self.turns[side] += 1

    def look(self) -> AnalysisPhase:
        now = (START + dt.timedelta(seconds=self.seconds)).isoformat()
        counts = self.turns[0], self.failures[0], self.turns[1], self.failures[1]
        pods = {"pod": PodReading(tuple(map(float, counts)), is_new=True)}
        reading = MetricReading(pods=pods)
        if due(self.status, [METRIC], now):
            self.status = recorded(self.status, METRIC, reading, {}, now)
        elif glanced_at(self.status, [METRIC], now):
            self.status = glanced(self.status, METRIC, reading, now)
        return self.status.metrics[0].phase

    def until_decided(self) -> AnalysisPhase:
        while self.look() is AnalysisPhase.RUNNING:
            self.answer(GLANCE_SECONDS)
        return self.look()


def at_random(chance: random.Random, share: float) -> Callable[[int], bool]:
    return lambda _: chance.random() < share


def one_in_five(number: int, first: int = 0) -> bool:
    return (number + first) % 5 == 0


@pytest.mark.parametrize("per_minute", [60, 240])
@pytest.mark.parametrize("weight", [10, 50])
def test_one_that_fails_one_turn_in_five_is_gone_within_60_of_them(
    weight: int, per_minute: int
) -> None:
    for first in range(5):
        turns = Turns(partial(one_in_five, first=first), lambda _: False, weight, per_minute)
        assert turns.until_decided() is AnalysisPhase.FAILED
        assert turns.turns[0] <= 60
        assert "surely worse than allowed" in (turns.status.metrics[0].message or "")


def test_one_that_fails_a_fifth_at_random_is_gone_soon_and_never_passes() -> None:
    chance = random.Random(3)  # noqa: S311 - a simulation
    gone: list[int] = []
    for _ in range(100):
        turns = Turns(at_random(chance, 0.2), at_random(chance, 0.02), 10, 240)
        assert turns.until_decided() is AnalysisPhase.FAILED
        gone.append(turns.turns[0])
    assert sum(each <= 60 for each in gone) >= 85
    assert sum(gone) / len(gone) <= 45


@pytest.mark.parametrize(("weight", "per_minute"), [(50, 20), (10, 100), (50, 240)])
def test_twenty_equal_candidates_are_never_rolled_back(weight: int, per_minute: int) -> None:
    """At ten turns of the candidate a minute, and at many more."""
    chance = random.Random(5)  # noqa: S311 - a simulation
    for share in (0.02, 0.05):
        for _ in range(20):
            turns = Turns(at_random(chance, share), at_random(chance, share), weight, per_minute)
            assert turns.until_decided() is not AnalysisPhase.FAILED


def test_what_is_seen_between_two_measurements_changes_nothing_else() -> None:
    turns = Turns(lambda _: False, lambda _: False, 50, 240)
    turns.look()
    turns.answer(1)
    first = turns.status
    for _ in range(11):
        turns.answer(GLANCE_SECONDS)
        assert turns.look() is AnalysisPhase.RUNNING
        assert turns.status == first, "nothing is written for it"
    turns.answer(GLANCE_SECONDS)
    turns.look()
    assert len(turns.status.metrics[0].measurements) == 2


def test_nothing_is_looked_at_before_the_first_measurement() -> None:
    metric = METRIC.model_copy(update={"initial_delay": METRIC.interval})
    now = START.isoformat()
    assert glanced_at(begun("quality", 1, [metric], now), [metric], now) == ()


def test_a_path_of_equal_sides_leaves_its_intervals_seldom_however_often_it_is_looked_at() -> None:
    chance = random.Random(11)  # noqa: S311 - a simulation
    left = 0
    for _ in range(100):
        mine = other = 0
        for count in range(1, 300):
            mine += chance.random() < 0.3
            other += chance.random() < 0.3
            if count >= 20 and count % 4 == 0:
                found = difference(Sample(count, mine), Sample(count, other), anytime_z(count))
                if found.low > 0:
                    left += 1
                    break
    assert left <= 100 * ALPHA_ANYTIME


@given(
    count=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    z=st.floats(0.5, 5),
)
def test_the_lower_end_is_between_that_of_newcombe_and_the_value(
    count: tuple[int, int], share: tuple[float, float], z: float
) -> None:
    candidate, stable = (Sample(n, n * part) for n, part in zip(count, share, strict=True))
    found, wide = difference(candidate, stable, z), newcombe(candidate, stable, z)
    assert wide.low <= found.low <= found.value
    assert (found.value, found.high) == (wide.value, wide.high)
