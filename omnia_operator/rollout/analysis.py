"""An analysis as pure functions: what is measured when, and what the measurements decide.

The rules are those of Argo Rollouts' AnalysisRuns, with these differences: a measurement without
data is neither good nor bad, but repeated; and a metric that ended never changes again.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omnia_core.errors import abridged
from omnia_operator.analysis.conditions import (
    ConditionFailed,
    ResultCondition,
    is_missing,
    parse_condition,
)
from omnia_operator.api.rollout import (
    AnalysisPhase,
    AnalysisStatus,
    Measurement,
    MeasurementResult,
    MetricStatus,
    PodCounts,
)
from omnia_operator.api.rolloutanalysis import AgentQuery, AnalysisMetric, RolloutAnalysisSpec
from omnia_operator.rollout.comparison import PodReading, compared, counted, values_of

ERROR_SECONDS = 10.0
"""After an error it is measured again in this time."""
GLANCE_SECONDS = 5.0
"""The shares that pods count are looked at so often between two measurements: of many turns a
minute, a candidate that is surely bad answers few."""
KEPT = 10
"""Measurements of a metric that the status has."""

_SHOWN = 256
# The first of these that a metric has is the phase of the analysis.
_WORST = (
    AnalysisPhase.FAILED,
    AnalysisPhase.ERROR,
    AnalysisPhase.INCONCLUSIVE,
    AnalysisPhase.RUNNING,
)


@dataclass(frozen=True)
class MetricReading:
    """What a provider answered: a value, which is JSON, or why there is none."""

    value: Any = None
    failure: str = ""
    note: str = ""
    """What to know about the value."""
    pods: Mapping[str, PodReading] | None = None
    """Of the provider `agent`: what the pods have counted, by UID."""


def begun(template: str, step: int, metrics: Iterable[AnalysisMetric], now: str) -> AnalysisStatus:
    """Return the analysis of a step that begins now."""
    return AnalysisStatus(
        template_name=template,
        step=step,
        start_time=now,
        metrics=tuple(_begun(metric, now) for metric in metrics),
    )


def updated(status: AnalysisStatus, metrics: Iterable[AnalysisMetric], now: str) -> AnalysisStatus:
    """Return an analysis with the metrics that its RolloutAnalysis has now."""
    known = {each.name: each for each in status.metrics}
    found = tuple(known.get(metric.name) or _begun(metric, now) for metric in metrics)
    return status.model_copy(update={"metrics": found})


def due(
    status: AnalysisStatus, metrics: Iterable[AnalysisMetric], now: str
) -> tuple[AnalysisMetric, ...]:
    """Return the metrics that are to be measured now."""
    waiting = {
        each.name
        for each in status.metrics
        if each.phase is AnalysisPhase.RUNNING and _time(each.next_time) <= _time(now)
    }
    return tuple(metric for metric in metrics if metric.name in waiting)


def glanced_at(
    status: AnalysisStatus, metrics: Iterable[AnalysisMetric], now: str
) -> tuple[AnalysisMetric, ...]:
    """Return the metrics that are looked at now, between two of their measurements."""
    waiting = {
        metric.name
        for metric in status.metrics
        if metric.phase is AnalysisPhase.RUNNING and metric.measurements
    }
    later = waiting.difference(metric.name for metric in due(status, metrics, now))
    return tuple(
        metric
        for metric in metrics
        if metric.name in later
        and metric.provider.agent is not None
        and not metric.provider.agent.measure.is_amount
    )


def wait(status: AnalysisStatus, now: str) -> float:
    """Return the seconds until the next measurement of a running analysis; at least 0."""
    running = [each for each in status.metrics if each.phase is AnalysisPhase.RUNNING]
    times = [(_time(each.next_time) - _time(now)).total_seconds() for each in running]
    return max(0.0, min(times, default=0.0))


def recorded(
    status: AnalysisStatus,
    metric: AnalysisMetric,
    reading: MetricReading,
    arguments: Mapping[str, str],
    now: str,
) -> AnalysisStatus:
    """Add what was measured to a metric that is running."""

    def after(before: MetricStatus) -> MetricStatus:
        if before.name != metric.name or before.phase is not AnalysisPhase.RUNNING:
            return before
        counts = counted(before.counts, reading.pods or {})
        with_counts = before.model_copy(update={"counts": counts})
        if metric.provider.agent is None or reading.failure:
            made = measured(metric, reading, arguments, now)
        else:
            made = _compared(metric, metric.provider.agent, counts, now)
        return _recorded(with_counts, metric, made, now)

    return status.model_copy(update={"metrics": tuple(map(after, status.metrics))})


def glanced(
    status: AnalysisStatus, metric: AnalysisMetric, reading: MetricReading, now: str
) -> AnalysisStatus:
    """Fail a metric whose candidate is surely bad, before its next measurement is due.

    Everything else that is seen between two measurements changes nothing.
    """
    query = metric.provider.agent
    if query is None or reading.failure:
        return status

    def after(before: MetricStatus) -> MetricStatus:
        if before.name != metric.name:
            return before
        counts = counted(before.counts, reading.pods or {})
        result, shown = compared(query, *values_of(query.measure, counts), looks=None)
        if result is not MeasurementResult.FAILED:
            return before
        made = Measurement(time=now, result=result, value=shown)
        return _recorded(before.model_copy(update={"counts": counts}), metric, made, now)

    return status.model_copy(update={"metrics": tuple(map(after, status.metrics))})


def asked(status: AnalysisStatus, name: str, query: str) -> AnalysisStatus:
    """Note what is asked for a metric."""
    metrics = tuple(
        each.model_copy(update={"query": query}) if each.name == name else each
        for each in status.metrics
    )
    return status.model_copy(update={"metrics": metrics})


def concluded(status: AnalysisStatus, spec: RolloutAnalysisSpec) -> AnalysisStatus:
    """Return an analysis with the phase that its metrics give it.

    It ends at the first metric that does not succeed, and succeeds when all have. It waits for
    those of a dry run, which decide nothing.
    """
    dry = {metric.name for metric in spec.metrics if metric.dry_run}
    deciding = [
        each
        for each in status.metrics
        if each.name not in dry or each.phase is AnalysisPhase.RUNNING
    ]
    for phase in _WORST:
        found = next((each for each in deciding if each.phase is phase), None)
        if found is not None:
            message = f"{found.name}: {found.message}" if found.message else None
            return status.model_copy(update={"phase": phase, "message": message})
    return status.model_copy(update={"phase": AnalysisPhase.SUCCESSFUL, "message": None})


def measured(
    metric: AnalysisMetric, reading: MetricReading, arguments: Mapping[str, str], now: str
) -> Measurement:
    """Return what a reading says under the conditions of its metric."""
    if reading.failure:
        return Measurement(time=now, result=MeasurementResult.ERROR, message=reading.failure)
    shown = shown_value(reading.value)
    success, failure = (
        None if text is None else parse_condition(text)
        for text in (metric.success_condition, metric.failure_condition)
    )
    known = (each for each in (success, failure) if each is not None)
    if is_missing(reading.value) and not any(each.expects_missing for each in known):
        return Measurement(time=now, result=MeasurementResult.NO_DATA, value=shown)
    try:
        result = _result(success, failure, reading.value, arguments)
    except ConditionFailed as error:
        return Measurement(
            time=now,
            result=MeasurementResult.ERROR,
            value=shown,
            message=f"the condition has no answer: {error}",
        )
    return Measurement(time=now, result=result, value=shown, message=reading.note or None)


def shown_value(value: Any) -> str:
    """Return a value as the status has it, shortened."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and math.isfinite(value):
            return f"{value:.0f}"
        case float():
            return f"{value:g}"
        case list() | tuple():
            more = ", …" if len(value) > KEPT else ""
            return abridged(f"[{', '.join(map(shown_value, value[:KEPT]))}{more}]", _SHOWN)
        case None:
            return "nothing"
        case dict():
            return f"an object with {len(value)} fields"
        case _:
            return abridged(str(value), _SHOWN)


def _compared(
    metric: AnalysisMetric, query: AgentQuery, counts: tuple[PodCounts, ...], now: str
) -> Measurement:
    candidate, stable = values_of(query.measure, counts)
    result, shown = compared(query, candidate, stable, metric.measurements)
    return Measurement(time=now, result=result, value=shown)


def _result(
    success: ResultCondition | None,
    failure: ResultCondition | None,
    value: Any,
    arguments: Mapping[str, str],
) -> MeasurementResult:
    if failure is not None and failure.holds(value, arguments):
        return MeasurementResult.FAILED
    if success is None or success.holds(value, arguments):
        return MeasurementResult.SUCCESSFUL
    return MeasurementResult.FAILED if failure is None else MeasurementResult.INCONCLUSIVE


def _begun(metric: AnalysisMetric, now: str) -> MetricStatus:
    first = _time(now) + dt.timedelta(seconds=metric.initial_delay.seconds)
    return MetricStatus(name=metric.name, next_time=first.isoformat(), last_data_time=now)


def _recorded(
    before: MetricStatus, metric: AnalysisMetric, made: Measurement, now: str
) -> MetricStatus:
    error = made.result is MeasurementResult.ERROR
    seconds = ERROR_SECONDS if error else metric.interval.seconds
    has_data = made.result not in (MeasurementResult.ERROR, MeasurementResult.NO_DATA)
    counts = {
        "successful": before.successful + (made.result is MeasurementResult.SUCCESSFUL),
        "failed": before.failed + (made.result is MeasurementResult.FAILED),
        "inconclusive": before.inconclusive + (made.result is MeasurementResult.INCONCLUSIVE),
        "errors": before.errors + error,
        "consecutive_errors": before.consecutive_errors + 1 if error else 0,
        "last_data_time": now if has_data else _without_gap(before, now),
        "next_time": (_time(now) + dt.timedelta(seconds=seconds)).isoformat(),
        "measurements": (*before.measurements, made)[-KEPT:],
    }
    after = before.model_copy(update=counts)
    phase, message = _verdict(after, metric, made, now)
    return after.model_copy(update={"phase": phase, "message": message or None})


def _without_gap(before: MetricStatus, now: str) -> str:
    """Return the time of the last data, later by as long as the measurement is late.

    While the operator cannot work, nobody knows whether there is data.
    """
    late = max(_time(now) - _time(before.next_time), dt.timedelta())
    return (_time(before.last_data_time) + late).isoformat()


def _verdict(
    status: MetricStatus, metric: AnalysisMetric, last: Measurement, now: str
) -> tuple[AnalysisPhase, str]:
    done = status.successful + status.failed + status.inconclusive
    if metric.provider.agent is not None and (found := _agent_verdict(status, metric, last)):
        return found
    of = f"of {done} measurements, the last with {last.value}"
    if status.failed > metric.failure_limit:
        allowed = f"{metric.failure_limit} are accepted"
        return AnalysisPhase.FAILED, f"{status.failed} {of}, failed, and {allowed}"
    if status.inconclusive > metric.inconclusive_limit and metric.provider.agent is None:
        allowed = f"{metric.inconclusive_limit} are accepted"
        return AnalysisPhase.INCONCLUSIVE, f"{status.inconclusive} {of}, say nothing, and {allowed}"
    if status.consecutive_errors > metric.consecutive_error_limit:
        count = status.consecutive_errors
        return AnalysisPhase.ERROR, f"{count} errors one after another: {last.message}"
    without = (_time(now) - _time(status.last_data_time)).total_seconds()
    if last.result is MeasurementResult.NO_DATA:
        if without >= metric.no_data_timeout.seconds:
            message = (
                f"no data for {metric.no_data_timeout}: does the candidate get traffic, and does"
                " the query find it?"
            )
            return AnalysisPhase.INCONCLUSIVE, message
        return AnalysisPhase.RUNNING, f"no data until now; after {metric.no_data_timeout} it ends"
    if done >= metric.measurements:
        return AnalysisPhase.SUCCESSFUL, ""
    return AnalysisPhase.RUNNING, (last.message or "") if status.consecutive_errors else ""


def _agent_verdict(
    status: MetricStatus, metric: AnalysisMetric, last: Measurement
) -> tuple[AnalysisPhase, str] | None:
    """Return what a comparison decided: it ends when one interval is sure."""
    if status.failed:
        return AnalysisPhase.FAILED, f"the candidate is surely worse than allowed: {last.value}"
    if status.successful:
        return AnalysisPhase.SUCCESSFUL, ""
    if status.inconclusive >= metric.measurements:
        message = (
            f"not decided after {status.inconclusive} measurements: {last.value}; with more turns"
            " the intervals get smaller"
        )
        return AnalysisPhase.INCONCLUSIVE, message
    return None


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
