"""Times and costs of the candidate against those of stable, from histograms."""

import math
import random
from bisect import bisect_left
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from omnia_core.conversation.usage import Usage
from omnia_facade.metrics import FacadeMetrics
from omnia_operator.analysis.statistics import Histogram, Interval, excess, mean, quantile, z_of
from omnia_operator.api.rollout import MeasurementResult, PodCounts
from omnia_operator.api.rolloutanalysis import AgentMeasure, AgentQuery
from omnia_operator.rollout.comparison import EDGES, PodReading, compared, counted, values_of
from omnia_operator.rollout.pod_metrics import counts_of
from omnia_runtime.observe.metrics import RuntimeMetrics

LATENCY = EDGES[AgentMeasure.LATENCY_P95]
COST = EDGES[AgentMeasure.COST_PER_TURN]
LOOKS = 10


class Values:
    """Values that are counted as a histogram of Prometheus counts them."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.buckets = [0] * (len(edges) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect_left(self.edges, value)] += 1
        self.total += value

    @property
    def histogram(self) -> Histogram:
        upto, counts = 0, []
        for bucket in self.buckets:
            upto += bucket
            counts.append(float(upto))
        return Histogram(self.edges, tuple(counts), self.total)


def histogram(edges: tuple[float, ...], values: list[float]) -> Histogram:
    made = Values(edges)
    for value in values:
        made.add(value)
    return made.histogram


def test_a_quantile_is_that_of_prometheus() -> None:
    # histogram_quantile(0.95, …) of 90 values up to 1 s and 10 between 3 s and 4 s.
    found = quantile(histogram(LATENCY, [0.8] * 90 + [3.9] * 10), 0.95, 2.0)
    assert found.value == 3.5
    assert found.low < 3.5


def test_without_enough_values_a_quantile_has_no_upper_end() -> None:
    assert quantile(histogram(LATENCY, [0.8] * 50), 0.95, 3.0).high == math.inf
    assert quantile(histogram(LATENCY, [0.8] * 500), 0.95, 3.0).high <= 1.0
    assert quantile(histogram(LATENCY, [500.0] * 500), 0.95, 3.0) == Interval(120, 120, math.inf)
    assert quantile(histogram(LATENCY, []), 0.95, 3.0) == Interval(0, 0, math.inf)


def test_the_mean_of_costs() -> None:
    found = mean(histogram(COST, [0.01] * 400), 3.0)
    assert found.value == pytest.approx(0.01)
    assert 0.008 < found.low < 0.01 < found.high < 0.012
    assert mean(histogram(COST, [0.01] * 400 + [10.0]), 3.0).high == math.inf
    assert mean(histogram(COST, [0.0] * 400), 3.0).low == 0.0


def test_free_turns_are_not_more_expensive_than_free_turns() -> None:
    free = mean(histogram(COST, [0.0] * 400), 3.0)
    found = excess(free, free)
    assert (found.value, found.low <= 0 <= found.high) == (0.0, True)
    dear = mean(histogram(COST, [0.01] * 400), 3.0)
    assert excess(dear, free).low > 1


@given(
    st.lists(st.floats(0, 200), max_size=60),
    st.lists(st.floats(0, 200), max_size=60),
    st.integers(1, 1000),
)
def test_an_interval_has_its_value(one: list[float], two: list[float], looks: int) -> None:
    z = z_of(looks)
    both = [quantile(histogram(LATENCY, each), 0.95, z) for each in (one, two)]
    both += [mean(histogram(LATENCY, each), z) for each in (one, two)]
    for found in (*both, excess(both[0], both[1]), excess(both[2], both[3])):
        assert found.low <= found.value <= found.high


def latency(chance: random.Random, factor: float) -> float:
    return chance.lognormvariate(0, 0.6) * factor


def cost(chance: random.Random, factor: float) -> float:
    return chance.lognormvariate(-5, 0.8) * factor


def run(
    chance: random.Random,
    measure: AgentMeasure,
    draw: Callable[[random.Random, float], float],
    factor: float,
    per_look: int = 60,
    worse_by: float = 0.2,
) -> tuple[MeasurementResult, float]:
    """Count turns of both sides before each look; return the verdict, and after how many."""
    query = AgentQuery(measure=measure, worse_by=worse_by)
    mine, other = Values(EDGES[measure]), Values(EDGES[measure])
    result = MeasurementResult.INCONCLUSIVE
    for _ in range(LOOKS):
        for _turn in range(per_look):
            mine.add(draw(chance, factor))
            other.add(draw(chance, 1.0))
        result, _ = compared(query, mine.histogram, other.histogram, LOOKS)
        if result in (MeasurementResult.FAILED, MeasurementResult.SUCCESSFUL):
            break
    return result, mine.histogram.count


@pytest.mark.parametrize(
    ("measure", "draw"), [(AgentMeasure.LATENCY_P95, latency), (AgentMeasure.COST_PER_TURN, cost)]
)
def test_an_equal_candidate_is_not_failed_and_a_worse_one_is_found(
    measure: AgentMeasure, draw: Callable[[random.Random, float], float]
) -> None:
    chance = random.Random(7)  # noqa: S311 - a simulation
    equal = [run(chance, measure, draw, 1.0)[0] for _ in range(100)]
    assert MeasurementResult.FAILED not in equal
    worse = [run(chance, measure, draw, 2.5) for _ in range(100)]
    assert MeasurementResult.SUCCESSFUL not in {result for result, _ in worse}
    assert sum(result is MeasurementResult.FAILED for result, _ in worse) >= 95


@pytest.mark.parametrize(
    ("limits", "values", "expected"),
    [
        ({"max": 2.0}, [0.8] * 400, MeasurementResult.SUCCESSFUL),
        ({"max": 2.0}, [0.8] * 300 + [4.0] * 100, MeasurementResult.FAILED),
        ({"max": 2.0}, [0.8] * 40, MeasurementResult.INCONCLUSIVE),
        ({"max": 2.0}, [0.8] * 19, MeasurementResult.NO_DATA),
        ({"worse_by": 0.2}, [0.8] * 400, MeasurementResult.NO_DATA),
    ],
)
def test_the_limits_of_a_time(
    limits: dict[str, float], values: list[float], expected: MeasurementResult
) -> None:
    query = AgentQuery.model_validate({"measure": AgentMeasure.LATENCY_P95, **limits})
    nothing = histogram(LATENCY, [])
    result, shown = compared(query, histogram(LATENCY, values), nothing, LOOKS)
    assert (result, f"of {len(values)}" in shown) == (expected, True), shown


def test_the_series_are_those_that_the_programs_have() -> None:
    registry = CollectorRegistry()
    facade = FacadeMetrics(registry, agent="helper", namespace="default")
    for variant, seconds in (("stable", 0.3), ("stable", 300.0), ("candidate", 1.5)):
        facade.request_ended("runtime", seconds, success=True, variant=variant)
        facade.first_chunk(seconds, variant)
    for variant, dollars in (("stable", 0.0), ("candidate", 0.0032)):
        registry_of = CollectorRegistry()
        runtime = RuntimeMetrics(registry_of, "helper", "default", variant)
        runtime.turn_cost(Usage(10, 10, cost_usd=dollars))
        counts = counts_of(
            query_of(AgentMeasure.COST_PER_TURN), generate_latest(registry_of).decode()
        )
        candidate, stable = values(AgentMeasure.COST_PER_TURN, counts)
        assert (candidate.count, stable.count) == ((1, 0) if variant == "candidate" else (0, 1))
        assert candidate.total + stable.total == dollars
    text = generate_latest(registry).decode()
    for measure in (AgentMeasure.LATENCY_P95, AgentMeasure.TIME_TO_FIRST_CHUNK_P95):
        candidate, stable = values(measure, counts_of(query_of(measure), text))
        assert (candidate.count, candidate.total, stable.count, stable.total) == (1, 1.5, 2, 300.3)
        assert stable.counts[-2:] == (1, 2)


def test_buckets_of_another_version_are_not_compared() -> None:
    text = 'omnia_turn_cost_usd_bucket{variant="candidate",le="0.5"} 3.0\n'
    with pytest.raises(ValueError, match="the pod is of another version"):
        counts_of(query_of(AgentMeasure.COST_PER_TURN), text)


def test_a_metric_that_measures_something_else_counts_from_then_on() -> None:
    counts = counted((), {"a": PodReading((5.0, 1.0, 9.0, 0.0), is_new=True)})
    counts = counted(counts, {"a": PodReading((1.0,) * 38, is_new=False)})
    assert values_of(AgentMeasure.ERROR_RATE, counts)[0].count == 0
    assert values_of(AgentMeasure.LATENCY_P95, counts)[0].count == 0


def query_of(measure: AgentMeasure) -> AgentQuery:
    return AgentQuery(measure=measure, max=1.0)


def values(measure: AgentMeasure, counts: tuple[float, ...]) -> tuple[Histogram, Histogram]:
    nothing = (0.0,) * len(counts)
    pod = PodCounts(pod="a", first=nothing, last=counts)
    candidate, stable = values_of(measure, (pod,))
    assert isinstance(candidate, Histogram)
    assert isinstance(stable, Histogram)
    return candidate, stable
