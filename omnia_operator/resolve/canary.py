"""The weight of a canary: the percentage of new sessions that a version gets at a time.

It follows from the start time alone, so that every reconciliation finds the same weight.
"""

import datetime as dt

from omnia_operator.api.promptpack import Canary, CanaryProgress, PromptPack, RolloutType

ALL = 100


def canary_of(pack: PromptPack) -> Canary | None:
    """Return the steps of a version's canary; None if it takes over at once."""
    rollout = pack.spec.rollout
    if rollout is None or rollout.type is not RolloutType.CANARY:
        return None
    return rollout.canary or Canary()


def progress_of(pack: PromptPack) -> CanaryProgress | None:
    """Return when the canary of a version started; None if it did not."""
    progress = pack.status.canary if pack.status else None
    return progress if progress and progress.version == pack.spec.version else None


def weight_of(pack: PromptPack, now: str) -> int:
    """Return the percentage of new sessions that a version gets."""
    canary, progress = canary_of(pack), progress_of(pack)
    if canary is None or (progress and progress.completion_time):
        return ALL
    return weight_at(canary, progress.start_time if progress else now, now)


def weight_at(canary: Canary, start: str, now: str) -> int:
    """Return the weight of a canary that started at `start`."""
    return min(ALL, canary.weight + canary.step_weight * _steps(canary, start, now))


def next_step_of(pack: PromptPack, now: str) -> float | None:
    """Return the seconds until the weight of a version grows; None if it does not."""
    canary, progress = canary_of(pack), progress_of(pack)
    if canary is None:
        return None
    return seconds_to_next_step(canary, progress.start_time if progress else now, now)


def seconds_to_next_step(canary: Canary, start: str, now: str) -> float | None:
    """Return the seconds until the weight grows; None at 100 %."""
    if weight_at(canary, start, now) >= ALL:
        return None
    due = (_steps(canary, start, now) + 1) * canary.interval.milliseconds
    return (due - _elapsed(start, now)) / 1000


def _steps(canary: Canary, start: str, now: str) -> int:
    if not canary.interval.milliseconds:
        return ALL
    return max(0, _elapsed(start, now) // canary.interval.milliseconds)


def _elapsed(start: str, now: str) -> int:
    """Return the milliseconds between two times; 0 if `now` is "", the start."""
    if not now:
        return 0
    passed = dt.datetime.fromisoformat(now) - dt.datetime.fromisoformat(start)
    return passed // dt.timedelta(milliseconds=1)
