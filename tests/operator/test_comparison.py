"""The candidate against stable: intervals, what they decide, and how often they are wrong."""

import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from omnia_facade.metrics import FacadeMetrics
from omnia_operator.analysis.statistics import Interval, Sample, newcombe, wilson, z_of
from omnia_operator.api.rollout import MeasurementResult, PodCounts
from omnia_operator.api.rolloutanalysis import AgentMeasure, AgentQuery
from omnia_operator.rollout.comparison import PodReading, compared, counted, values_of
from omnia_operator.rollout.pod_metrics import counts_of, ports_of

Z95 = NormalDist().inv_cdf(0.975)
ERRORS = AgentQuery(measure=AgentMeasure.ERROR_RATE, worse_by=0.03)
LOOKS = 10


# Values of Newcombe's papers (1998) and of R's prop.test without correction.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(263, 81, 0.2553, 0.3662), (148, 15, 0.0624, 0.1605), (20, 0, 0.0, 0.1611), (0, 0, 0, 1)],
)
def test_the_interval_of_a_proportion(count: int, total: int, low: float, high: float) -> None:
    found = wilson(Sample(count, total), Z95)
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)


@pytest.mark.parametrize(
    ("mine", "other", "low", "high"),
    [((70, 56), (80, 48), 0.0524, 0.3339), ((10, 9), (10, 3), 0.1705, 0.8090)],
)
def test_the_interval_of_a_difference(
    mine: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    found = newcombe(Sample(*mine), Sample(*other), Z95)
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 1000))
def test_an_interval_has_its_value(count: int, share: float, looks: int) -> None:
    sample = Sample(count, count * share)
    found: Interval = wilson(sample, z_of(looks))
    assert 0 <= found.low <= found.value <= found.high <= 1


QUERIES: list[tuple[dict[str, object], Sample, Sample, MeasurementResult]] = [
    ({"worse_by": 0.03}, Sample(1000, 20), Sample(9000, 180), MeasurementResult.SUCCESSFUL),
    ({"worse_by": 0.03}, Sample(60, 12), Sample(540, 11), MeasurementResult.FAILED),
    ({"worse_by": 0.03}, Sample(60, 2), Sample(540, 11), MeasurementResult.INCONCLUSIVE),
    ({"worse_by": 0.03}, Sample(19, 19), Sample(540, 11), MeasurementResult.NO_DATA),
    ({"worse_by": 0.03}, Sample(60, 12), Sample(), MeasurementResult.NO_DATA),
    ({"max": 0.1}, Sample(60, 30), Sample(), MeasurementResult.FAILED),
    ({"max": 0.1}, Sample(1000, 20), Sample(), MeasurementResult.SUCCESSFUL),
    ({"max": 0.1, "worse_by": 0.5}, Sample(60, 30), Sample(60, 30), MeasurementResult.FAILED),
    ({"max": 0.4, "worse_by": 0.01}, Sample(60, 1), Sample(60, 1), MeasurementResult.INCONCLUSIVE),
]
PASSES: list[tuple[dict[str, object], Sample, Sample, MeasurementResult]] = [
    ({"worse_by": 0.05}, Sample(100, 50), Sample(900, 810), MeasurementResult.FAILED),
    ({"worse_by": 0.05}, Sample(1000, 950), Sample(9000, 8100), MeasurementResult.SUCCESSFUL),
    ({"min": 0.8}, Sample(100, 50), Sample(), MeasurementResult.FAILED),
    ({"min": 0.8}, Sample(1000, 950), Sample(), MeasurementResult.SUCCESSFUL),
    ({"min": 0.8}, Sample(50, 40), Sample(), MeasurementResult.INCONCLUSIVE),
]


@pytest.mark.parametrize(("limits", "candidate", "stable", "expected"), QUERIES)
def test_what_errors_decide(
    limits: dict[str, object], candidate: Sample, stable: Sample, expected: MeasurementResult
) -> None:
    query = AgentQuery.model_validate({"measure": AgentMeasure.ERROR_RATE, **limits})
    result, shown = compared(query, candidate, stable, LOOKS)
    assert result is expected
    assert f"of {candidate.count:.0f}" in shown


@pytest.mark.parametrize(("limits", "candidate", "stable", "expected"), PASSES)
def test_what_passed_evaluations_decide(
    limits: dict[str, object], candidate: Sample, stable: Sample, expected: MeasurementResult
) -> None:
    given_ = {"measure": AgentMeasure.EVAL_PASS_RATE, "eval": "kind", **limits}
    query = AgentQuery.model_validate(given_)
    assert compared(query, candidate, stable, LOOKS)[0] is expected


def run(chance: random.Random, bad: float, stable: float = 0.02) -> tuple[MeasurementResult, float]:
    """Ten turns of the candidate and ninety of stable before each look."""
    mine = other = (0, 0)
    result = MeasurementResult.INCONCLUSIVE
    for _ in range(LOOKS):
        mine = mine[0] + 10, mine[1] + sum(chance.random() < bad for _ in range(10))
        other = other[0] + 90, other[1] + sum(chance.random() < stable for _ in range(90))
        result, _shown = compared(ERRORS, Sample(*mine), Sample(*other), LOOKS)
        if result in (MeasurementResult.FAILED, MeasurementResult.SUCCESSFUL):
            break
    return result, mine[0]


def test_an_equal_candidate_is_never_failed_and_a_bad_one_is_found_soon() -> None:
    chance = random.Random(7)  # noqa: S311 - a simulation
    equal = [run(chance, 0.02)[0] for _ in range(200)]
    assert MeasurementResult.FAILED not in equal
    bad = [run(chance, 0.2) for _ in range(200)]
    assert MeasurementResult.SUCCESSFUL not in {result for result, _ in bad}
    found = [count for result, count in bad if result is MeasurementResult.FAILED and count <= 60]
    assert len(found) >= 160


def reading(*counts: float, new: bool = False) -> PodReading:
    a, b, c, d = counts
    return PodReading((a, b, c, d), new)


def test_what_counts_is_what_was_counted_since_the_analysis_began() -> None:
    counts = counted((), {"a": reading(100, 50, 900, 9)})
    assert values_of(AgentMeasure.ERROR_RATE, counts) == (Sample(), Sample())
    # One more pod of that time, and one that started later.
    counts = counted(
        counts,
        {
            "a": reading(110, 51, 990, 10),
            "b": reading(7, 7, 7, 7),
            "c": reading(5, 1, 4, 0, new=True),
        },
    )
    assert values_of(AgentMeasure.ERROR_RATE, counts) == (Sample(15, 2), Sample(94, 1))
    # A program starts again, and a pod is gone.
    counts = counted(counts, {"a": reading(3, 1, 10, 0)})
    assert values_of(AgentMeasure.ERROR_RATE, counts) == (Sample(18, 3), Sample(104, 1))


def test_the_pods_in_a_status_are_bounded() -> None:
    counts: tuple[PodCounts, ...] = ()
    for first in range(0, 400, 100):
        counts = counted(counts, {str(n): reading(1, 1, 1, 1) for n in range(first, first + 100)})
    assert len(counts) == 200


def test_the_series_are_those_that_facades_have() -> None:
    registry = CollectorRegistry()
    metrics = FacadeMetrics(registry, agent="helper", namespace="default")
    for variant, good, bad in (("stable", 9, 1), ("candidate", 3, 2)):
        for success in [True] * good + [False] * bad:
            metrics.request_ended("runtime", 0.1, success=success, variant=variant)
    metrics.stepped_in["unreachable"].inc()
    text = generate_latest(registry).decode()
    assert counts_of(ERRORS, text) == (5, 2, 10, 1)
    query = AgentQuery(measure=AgentMeasure.STEPPED_IN, max=0.1)
    assert counts_of(query, text) == (6, 1, 0, 0)


EVALS = """\
# TYPE omnia_evals_total counter
omnia_evals_total{eval_id="kind",outcome="passed",source="worker",variant="candidate"} 3.0
omnia_evals_total{eval_id="kind",outcome="failed",source="worker",variant="candidate"} 1.0
omnia_evals_total{eval_id="kind",outcome="error",source="worker",variant="candidate"} 5.0
omnia_evals_total{eval_id="other",outcome="failed",source="worker",variant="candidate"} 9.0
omnia_evals_total{eval_id="kind",outcome="passed",source="inline",variant="stable"} 7.0
# TYPE omnia_eval_score histogram
omnia_eval_score_bucket{eval_id="kind",le="1.0",variant="candidate"} 4.0
omnia_eval_score_count{eval_id="kind",variant="candidate"} 4.0
omnia_eval_score_sum{eval_id="kind",variant="candidate"} 3.5
omnia_eval_score_count{eval_id="kind",variant="stable"} 8.0
omnia_eval_score_sum{eval_id="kind",variant="stable"} 7.5
"""


@pytest.mark.parametrize(
    ("measure", "expected"),
    [(AgentMeasure.EVAL_PASS_RATE, (4, 3, 7, 7)), (AgentMeasure.EVAL_SCORE, (4, 3.5, 8, 7.5))],
)
def test_the_series_of_evaluations(measure: AgentMeasure, expected: tuple[float, ...]) -> None:
    assert counts_of(AgentQuery(measure=measure, eval="kind", min=0.5), EVALS) == expected


RUNTIMES = {"a": 9001, "a-canary": 9001}
FACADES = {"a": 8081, "a-canary": 8081}
PORTS = {
    AgentMeasure.ERROR_RATE: FACADES,
    AgentMeasure.STEPPED_IN: FACADES,
    AgentMeasure.LATENCY_P95: FACADES,
    AgentMeasure.TIME_TO_FIRST_CHUNK_P95: FACADES,
    AgentMeasure.COST_PER_TURN: RUNTIMES,
    AgentMeasure.EVAL_PASS_RATE: {**RUNTIMES, "a-evals": 9011},
    AgentMeasure.EVAL_SCORE: {**RUNTIMES, "a-evals": 9011},
}


@pytest.mark.parametrize("measure", AgentMeasure)
def test_each_measure_is_read_where_it_is_counted(measure: AgentMeasure) -> None:
    assert ports_of(measure, "a") == PORTS[measure]
