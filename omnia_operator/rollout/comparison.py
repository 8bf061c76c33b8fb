"""Compares the candidate of a rollout with stable, from what their pods have counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from omnia_operator.analysis.statistics import Interval, Sample, newcombe, wilson, z_of
from omnia_operator.api.rollout import MeasurementResult, PodCounts
from omnia_operator.api.rolloutanalysis import AgentQuery

Counts: TypeAlias = tuple[float, float, float, float]
"""Number and sum of the candidate's values, then of stable's."""

NOTHING: Counts = (0.0, 0.0, 0.0, 0.0)
MOST_PODS = 200


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
        if found is None:
            if len(known) < MOST_PODS:
                start = NOTHING if reading.is_new else reading.counts
                known[pod] = PodCounts(pod=pod, first=start, last=reading.counts)
            continue
        first: tuple[float, ...] = found.first
        if any(new < old for new, old in zip(reading.counts, found.last, strict=True)):
            # Its program started again: what it had counted before is kept.
            first = tuple(a - b for a, b in zip(first, found.last, strict=True))
        known[pod] = PodCounts(pod=pod, first=first, last=reading.counts)
    return tuple(known.values())


def samples(counts: tuple[PodCounts, ...]) -> tuple[Sample, Sample]:
    """Return what was counted since the analysis began: of the candidate, and of stable."""
    sums = [0.0] * len(NOTHING)
    for each in counts:
        for index, (last, first) in enumerate(zip(each.last, each.first, strict=True)):
            sums[index] += last - first
    return Sample(sums[0], sums[1]), Sample(sums[2], sums[3])


def compared(
    query: AgentQuery, candidate: Sample, stable: Sample, looks: int
) -> tuple[MeasurementResult, str]:
    """Return what is known after one of so many looks, and the numbers.

    `Inconclusive` is not decided yet: good and bad are as possible.
    """
    z = z_of(looks)
    mine = wilson(candidate, z)
    shown = f"candidate {_shown(mine)} of {candidate.count:.0f}"
    verdicts: list[MeasurementResult] = []
    if query.worse_by is not None:
        found = newcombe(candidate, stable, z)
        other = f"stable {stable.mean:.3g} of {stable.count:.0f}"
        shown += f", {other}, difference {_shown(found)}"
        worse = found if query.measure.more_is_worse else _negative(found)
        verdicts.append(_against(worse, query.worse_by))
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


def _against(value: Interval, limit: float) -> MeasurementResult:
    """Return whether a value, of which more is worse, is surely above or below a limit."""
    if value.low > limit:
        return MeasurementResult.FAILED
    return MeasurementResult.SUCCESSFUL if value.high < limit else MeasurementResult.INCONCLUSIVE


def _negative(value: Interval) -> Interval:
    return Interval(-value.value, -value.high, -value.low)


def _shown(value: Interval) -> str:
    return f"{value.value:.3g} ({value.low:.3g} to {value.high:.3g})"
