"""What measurements decide: the counts, the limits, missing data and errors, as tables."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import RolloutAnalysis, parse
from omnia_operator.api.rollout import AnalysisPhase, AnalysisStatus, MeasurementResult
from omnia_operator.api.rolloutanalysis import AnalysisMetric, RolloutAnalysisSpec
from omnia_operator.rollout.analysis import (
    MetricReading,
    begun,
    concluded,
    due,
    measured,
    recorded,
    shown_value,
    updated,
    wait,
)
from tests.operator import objects

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOW = START.isoformat()
NAN = float("nan")
BROKEN = MetricReading(failure="it does not answer")

RUNNING, SUCCESSFUL = AnalysisPhase.RUNNING, AnalysisPhase.SUCCESSFUL
FAILED, INCONCLUSIVE, ERROR = (
    AnalysisPhase.FAILED,
    AnalysisPhase.INCONCLUSIVE,
    AnalysisPhase.ERROR,
)


def spec_of(*metrics: JsonObject) -> RolloutAnalysisSpec:
    found = parse(objects.analysis(*metrics))
    assert isinstance(found, RolloutAnalysis)
    return found.spec


def metric_of(change: JsonObject | None = None) -> AnalysisMetric:
    return spec_of(objects.metric(change)).metrics[0]


class Run:
    """An analysis and a clock that goes on to whatever is due."""

    def __init__(self, *metrics: JsonObject) -> None:
        self.spec = spec_of(*metrics)
        self.now = START
        self.status = begun("quality", 1, self.spec.metrics, NOW)

    def measure(self, *readings: Any) -> AnalysisStatus:
        """Give each due metric the next reading; a value, or a `MetricReading`."""
        for reading in readings:
            self.now += dt.timedelta(seconds=wait(self.status, self.now.isoformat()))
            now = self.now.isoformat()
            made = reading if isinstance(reading, MetricReading) else MetricReading(reading)
            for metric in due(self.status, self.spec.metrics, now):
                self.status = recorded(self.status, metric, made, {}, now)
            self.status = concluded(self.status, self.spec)
        return self.status


BOTH = {"successCondition": "result < 0.05", "failureCondition": "result > 0.1"}
ONLY_FAILURE = {"successCondition": None, "failureCondition": "result > 0.1"}
MEASUREMENTS: list[tuple[JsonObject, MetricReading, MeasurementResult]] = [
    ({}, MetricReading(0.01), MeasurementResult.SUCCESSFUL),
    ({}, MetricReading(0.05), MeasurementResult.FAILED),
    ({}, MetricReading([0.01]), MeasurementResult.SUCCESSFUL),
    (BOTH, MetricReading(0.07), MeasurementResult.INCONCLUSIVE),
    (BOTH, MetricReading(0.2), MeasurementResult.FAILED),
    (BOTH, MetricReading(0.01), MeasurementResult.SUCCESSFUL),
    (ONLY_FAILURE, MetricReading(0.05), MeasurementResult.SUCCESSFUL),
    (ONLY_FAILURE, MetricReading(0.2), MeasurementResult.FAILED),
    ({}, MetricReading([]), MeasurementResult.NO_DATA),
    ({}, MetricReading(NAN), MeasurementResult.NO_DATA),
    ({}, MetricReading([NAN]), MeasurementResult.NO_DATA),
    ({}, MetricReading(None), MeasurementResult.NO_DATA),
    (ONLY_FAILURE, MetricReading([]), MeasurementResult.NO_DATA),
    ({"successCondition": "isNaN(result)"}, MetricReading(NAN), MeasurementResult.SUCCESSFUL),
    ({"successCondition": "len(result) > 0"}, MetricReading([]), MeasurementResult.FAILED),
    ({}, MetricReading([1.0, 2.0]), MeasurementResult.ERROR),
    ({}, MetricReading("text"), MeasurementResult.ERROR),
    ({"successCondition": "result"}, MetricReading(1.0), MeasurementResult.ERROR),
    ({}, BROKEN, MeasurementResult.ERROR),
]


@pytest.mark.parametrize(("change", "reading", "expected"), MEASUREMENTS)
def test_what_one_measurement_says(
    change: JsonObject, reading: MetricReading, expected: MeasurementResult
) -> None:
    assert measured(metric_of(change), reading, {}, NOW).result is expected


SOME = {"count": 3, "failureLimit": 1, "inconclusiveLimit": 1, "consecutiveErrorLimit": 2}
RUNS: list[tuple[JsonObject, list[Any], AnalysisPhase]] = [
    ({}, [0.01], SUCCESSFUL),
    ({}, [0.2], FAILED),
    ({"failureLimit": 2}, [0.01, 0.01], RUNNING),
    ({"failureLimit": 2}, [0.01, 0.01, 0.01], SUCCESSFUL),
    (SOME, [0.2, 0.01], RUNNING),
    (SOME, [0.2, 0.01, 0.01], SUCCESSFUL),
    (SOME, [0.2, 0.01, 0.2], FAILED),
    (SOME, [0.2, 0.2, 0.01, 0.01, 0.01], FAILED),
    (SOME | BOTH, [0.07, 0.01, 0.01], SUCCESSFUL),
    (SOME | BOTH, [0.07, 0.07], INCONCLUSIVE),
    (SOME | BOTH, [0.07, 0.07, 0.2, 0.2], INCONCLUSIVE),
    (SOME | BOTH, [0.07, 0.2, 0.2], FAILED),
    (SOME, [BROKEN, BROKEN, 0.01, BROKEN, BROKEN, 0.01, 0.01], SUCCESSFUL),
    (SOME, [BROKEN, BROKEN], RUNNING),
    (SOME, [BROKEN, BROKEN, BROKEN], ERROR),
    (SOME, [BROKEN, BROKEN, BROKEN, 0.01, 0.01, 0.01], ERROR),
    (SOME, [[], NAN, None, 0.01, [], 0.01], RUNNING),
    (SOME, [[], NAN, None, 0.01, [], 0.01, 0.01], SUCCESSFUL),
    (SOME, [[]] * 60, RUNNING),
    (SOME, [[]] * 61, INCONCLUSIVE),
    (SOME, [[]] * 60 + [0.01] + [[]] * 59, RUNNING),
    (SOME | {"noDataTimeout": "2m"}, [[], [], []], INCONCLUSIVE),
    (SOME | {"dryRun": True}, [0.2, 0.2], SUCCESSFUL),
    (SOME | {"dryRun": True}, [0.2], RUNNING),
]


@pytest.mark.parametrize(("change", "readings", "expected"), RUNS)
def test_what_the_measurements_of_a_metric_decide(
    change: JsonObject, readings: list[Any], expected: AnalysisPhase
) -> None:
    status = Run(objects.metric(change)).measure(*readings)
    assert status.phase is expected
    if expected not in (SUCCESSFUL, RUNNING):
        assert (status.message or "").startswith("errors: ")


def named(name: str, **change: Any) -> JsonObject:
    return objects.metric({"name": name, **change})


def test_the_first_metric_that_does_not_succeed_ends_the_analysis() -> None:
    run = Run(named("a", count=5), named("b", successCondition="result > 1"))
    assert run.measure(0.01).phase is FAILED
    assert (
        run.status.message == "b: 1 of 1 measurements, the last with 0.01, failed, and 0 are"
        " accepted"
    )
    assert [each.phase for each in run.status.metrics] == [RUNNING, FAILED]


def test_it_is_measured_at_its_times() -> None:
    run = Run(named("a", interval="30s", count=5, initialDelay="10s"), named("b", count=2))
    assert wait(run.status, NOW) == 0
    assert [each.name for each in due(run.status, run.spec.metrics, NOW)] == ["b"]
    run.measure(0.01)
    times = [10, 40, 60, 70, 100, 130]
    for seconds in times:
        run.measure(0.01)
        assert run.now == START + dt.timedelta(seconds=seconds)
    assert run.status.phase is SUCCESSFUL


def test_after_an_error_it_is_measured_soon() -> None:
    run = Run(named("a", interval="5m", count=2))
    run.measure(BROKEN, 0.01, 0.01)
    assert run.now == START + dt.timedelta(seconds=310)
    (metric,) = run.status.metrics
    assert [each.result.value for each in metric.measurements] == [
        "Error",
        "Successful",
        "Successful",
    ]
    assert metric.measurements[0].message == "it does not answer"


def test_metrics_may_come_and_go_in_the_middle() -> None:
    run = Run(named("a", count=5))
    run.measure(0.01)
    spec = spec_of(named("a", count=5), named("b"))
    status = updated(run.status, spec.metrics, NOW)
    assert [(each.name, each.successful) for each in status.metrics] == [("a", 1), ("b", 0)]
    assert updated(status, spec.metrics[1:], NOW).metrics == status.metrics[1:]


def test_what_a_value_looks_like() -> None:
    values: list[Any] = [1.0, 0.25, True, None, [1.0, 0.5], {"a": 1}, "x" * 500, NAN, [1.0] * 50]
    shown = [shown_value(each) for each in values]
    assert shown[:6] == ["1", "0.25", "true", "nothing", "[1, 0.5]", "an object with 1 fields"]
    assert len(shown[6]) == 256
    assert shown[7] == "nan"
    assert shown[8].endswith("1, …]")


READINGS = st.lists(
    st.sampled_from([0.01, 0.07, 0.2, [], NAN, BROKEN, "text", MetricReading([1.0, 2.0])]),
    max_size=30,
)
LIMITS = st.fixed_dictionaries(
    {
        "failureLimit": st.integers(0, 2),
        "inconclusiveLimit": st.integers(0, 2),
        "consecutiveErrorLimit": st.integers(0, 2),
        "count": st.integers(3, 5),
    }
)


@given(READINGS, LIMITS, st.booleans())
def test_a_metric_that_ended_never_changes_and_none_passes_without_its_count(
    readings: list[Any], limits: JsonObject, both: bool
) -> None:
    run = Run(objects.metric(limits | (BOTH if both else {})))
    ended: AnalysisStatus | None = None
    for reading in readings:
        run.measure(reading)
        (metric,) = run.status.metrics
        if ended is not None:
            assert run.status == ended
        elif run.status.phase is not RUNNING:
            ended = run.status
            done = metric.successful + metric.failed + metric.inconclusive
            assert run.status.phase is not SUCCESSFUL or done == limits["count"]
        assert len(metric.measurements) <= 10
