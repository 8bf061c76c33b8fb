"""Compares the candidate of a rollout with stable, from what their pods have counted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from omnia_core.telemetry.buckets import DURATION_SECONDS, FIRST_CHUNK_SECONDS, TURN_COST_USD
from omnia_operator.analysis.statistics import (
    Histogram,
    Interval,
    Sample,
    anytime_z,
    difference,
    excess,
    mean,
    quantile,
    wilson,
    z_of,
)
from omnia_operator.api.rollout import MeasurementResult, PodCounts
from omnia_operator.api.rolloutanalysis import AgentMeasure, AgentQuery

Counts: TypeAlias = tuple[float, ...]
"""The candidate's values, then as many of stable's: of shares their number and sum, of times and
costs their sum and a cumulative histogram."""

Values: TypeAlias = Sample | Histogram

EDGES = {
    AgentMeasure.LATENCY_P95: tuple(map(float, DURATION_SECONDS)),
    AgentMeasure.TIME_TO_FIRST_CHUNK_P95: tuple(map(float, FIRST_CHUNK_SECONDS)),
    AgentMeasure.COST_PER_TURN: TURN_COST_USD,
}
"""The buckets of what is compared by a histogram."""

MOST_PODS = 200
_PERCENTILE = 0.95


@dataclass(frozen=True)
class PodReading:
    """What a pod has counted.

    Attributes:
        counts: since it started.
        is_new: whether it started after the analysis began, so that all of it counts.
    """

    counts: Counts
    is_new: bool


def counted(
    before: tuple[PodCounts, ...], readings: Mapping[str, PodReading]
) -> tuple[PodCounts, ...]:
    """Add readings, by the UID of the pod. What a pod counted stays counted when it is gone."""
    known = {each.pod: each for each in before}
    for pod, reading in readings.items():
        found = known.get(pod)
        if found is None or len(found.last) != len(reading.counts):
            # A pod that is not known, or a metric that measures something else now.
            if found is not None or len(known) < MOST_PODS:
                start = (0.0,) * len(reading.counts) if reading.is_new else reading.counts
                known[pod] = PodCounts(pod=pod, first=start, last=reading.counts)
            continue
        first: tuple[float, ...] = found.first
        if any(new < old for new, old in zip(reading.counts, found.last, strict=True)):
            # Its program started again: what it had counted before is kept.
            first = tuple(a - b for a, b in zip(first, found.last, strict=True))
        known[pod] = PodCounts(pod=pod, first=first, last=reading.counts)
    return tuple(known.values())


def values_of(measure: AgentMeasure, counts: tuple[PodCounts, ...]) -> tuple[Values, Values]:
    """Return what was counted since the analysis began: of the candidate, and of stable."""
    edges = EDGES.get(measure, ())
    width = len(edges) + 2
    sums = [0.0] * (2 * width)
    for each in counts:
        if len(each.last) == len(sums):
            for index, (last, first) in enumerate(zip(each.last, each.first, strict=True)):
                sums[index] += last - first
    candidate, stable = sums[:width], sums[width:]
    if not edges:
        return Sample(*candidate), Sample(*stable)
    return (
        Histogram(edges, tuple(candidate[1:]), candidate[0]),
        Histogram(edges, tuple(stable[1:]), stable[0]),
    )


def compared(
    query: AgentQuery, candidate: Values, stable: Values, looks: int | None
) -> tuple[MeasurementResult, str]:
    """Return what is known after one of so many looks, and the numbers.

    `Inconclusive` is not decided yet: good and bad are as possible. Shares may be looked at any
    number of times: with None.
    """
    mine, worse = _intervals(query.measure, candidate, stable, looks)
    shown = f"candidate {_shown(mine)} of {candidate.count:.0f}"
    verdicts: list[MeasurementResult] = []
    if query.worse_by is not None:
        other = _value(query.measure, stable)
        kind = "relative difference" if query.measure.is_amount else "difference"
        shown += f", stable {other:.3g} of {stable.count:.0f}, {kind} {_shown(worse)}"
        bad = worse if query.measure.more_is_worse else _negative(worse)
        verdicts.append(_against(bad, query.worse_by))
    if query.max is not None:
        verdicts.append(_against(mine, query.max))
    if query.min is not None:
        verdicts.append(_against(_negative(mine), -query.min))
    missing = query.worse_by is not None and stable.count <= 0
    if candidate.count < query.min_samples or missing:
        return MeasurementResult.NO_DATA, f"{shown}; minSamples is {query.min_samples}"
    for result in (MeasurementResult.FAILED, MeasurementResult.INCONCLUSIVE):
        if result in verdicts:
            return result, shown
    return MeasurementResult.SUCCESSFUL, shown


def _intervals(
    measure: AgentMeasure, candidate: Values, stable: Values, looks: int | None
) -> tuple[Interval, Interval]:
    """Return the interval of the candidate, and that of its difference from stable."""
    if isinstance(candidate, Histogram) and isinstance(stable, Histogram) and looks:
        # Both intervals have to hold for that of their quotient.
        z = z_of(2 * looks)
        mine, other = (_amount(measure, each, z) for each in (candidate, stable))
        return mine, excess(mine, other)
    if isinstance(candidate, Sample) and isinstance(stable, Sample):
        z = z_of(looks) if looks else anytime_z(min(candidate.count, stable.count or math.inf))
        if measure.more_is_worse:
            return wilson(candidate, z), difference(candidate, stable, z)
        worse = difference(_opposite(candidate), _opposite(stable), z)
        return wilson(candidate, z), _negative(worse)
    raise AssertionError("both sides are counted in one way")


def _opposite(values: Sample) -> Sample:
    """Return what is missing to the best that the values could be."""
    return Sample(values.count, values.count - values.total)


def _amount(measure: AgentMeasure, values: Histogram, z: float) -> Interval:
    if measure is AgentMeasure.COST_PER_TURN:
        return mean(values, z)
    return quantile(values, _PERCENTILE, z)


def _value(measure: AgentMeasure, values: Values) -> float:
    if isinstance(values, Histogram):
        return _amount(measure, values, 0.0).value
    return values.mean


def _against(value: Interval, limit: float) -> MeasurementResult:
    """Return whether a value, of which more is worse, is surely above or below a limit."""
    if value.low > limit:
        return MeasurementResult.FAILED
    return MeasurementResult.SUCCESSFUL if value.high < limit else MeasurementResult.INCONCLUSIVE


def _negative(value: Interval) -> Interval:
    return Interval(-value.value, -value.high, -value.low)


def _shown(value: Interval) -> str:
    return f"{value.value:.3g} ({value.low:.3g} to {value.high:.3g})"
