"""Conditions, whose time of transition is kept while nothing changes."""

from collections.abc import Iterable
from dataclasses import dataclass

from omnia_operator.api.meta import Condition, ConditionStatus

# The API server refuses more; a message as long as this is no longer read anyway.
_LONGEST = 4096


@dataclass(frozen=True)
class Verdict:
    """A condition without its history."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""


def true(kind: str, reason: str, message: str = "") -> Verdict:
    """Say that a condition holds."""
    return Verdict(kind, ConditionStatus.TRUE, reason, message)


def false(kind: str, reason: str, message: str = "") -> Verdict:
    """Say that a condition does not hold."""
    return Verdict(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: str, reason: str, message: str = "") -> Verdict:
    """Say that it is not known whether a condition holds."""
    return Verdict(kind, ConditionStatus.UNKNOWN, reason, message)


def dated(
    verdicts: Iterable[Verdict], previous: Iterable[Condition], generation: int, now: str
) -> tuple[Condition, ...]:
    """Give each verdict the time when its status last changed."""
    before = {each.type: each for each in previous}
    return tuple(_dated(each, before.get(each.type), generation, now) for each in verdicts)


def _dated(verdict: Verdict, before: Condition | None, generation: int, now: str) -> Condition:
    kept = before is not None and before.status is verdict.status
    return Condition(
        type=verdict.type,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message[:_LONGEST],
        last_transition_time=before.last_transition_time if before and kept else now,
        observed_generation=generation,
    )
