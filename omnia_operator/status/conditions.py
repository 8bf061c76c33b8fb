"""Conditions, and the Events that announce their changes."""

from collections.abc import Iterable
from dataclasses import dataclass

from omnia_operator.api.meta import Condition, ConditionStatus

# The API server accepts 32768; a longer message than this is hard to read.
_MAX_MESSAGE = 4096
# Waiting for pods is normal.
_NOT_ANNOUNCED = frozenset({"RuntimeNotReady"})


@dataclass(frozen=True)
class ConditionUpdate:
    """The new state of a condition, without its transition time."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Announcement:
    """What an Event says."""

    warning: bool
    reason: str
    message: str


def true(kind: str, reason: str, message: str = "") -> ConditionUpdate:
    """Return a condition that holds."""
    return ConditionUpdate(kind, ConditionStatus.TRUE, reason, message)


def false(kind: str, reason: str, message: str = "") -> ConditionUpdate:
    """Return a condition that does not hold."""
    return ConditionUpdate(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: str, reason: str, message: str = "") -> ConditionUpdate:
    """Return a condition that cannot be determined."""
    return ConditionUpdate(kind, ConditionStatus.UNKNOWN, reason, message)


def dated(
    updates: Iterable[ConditionUpdate], previous: Iterable[Condition], generation: int, now: str
) -> tuple[Condition, ...]:
    """Return the conditions with the time when the status of each last changed."""
    before = {condition.type: condition for condition in previous}
    return tuple(_dated(update, before.get(update.type), generation, now) for update in updates)


def announcements(
    before: Iterable[Condition], after: Iterable[Condition], *, good: str, bad: Iterable[str]
) -> list[Announcement]:
    """Return what has changed: the condition `good` holds, or one of `bad` no longer does.

    A condition that is false for a new reason has changed; a new message alone is no change. Where
    `good` does not hold for the reason of one of `bad`, only the latter is returned.
    """
    known = {condition.type: (condition.status, condition.reason) for condition in before}
    warned = {good, *bad}
    changed = {
        condition.type: Announcement(
            not holds,
            condition.reason,
            condition.message or f"{condition.type} is {condition.status.value}",
        )
        for condition in after
        if known.get(condition.type) != (condition.status, condition.reason)
        for holds in [condition.status is ConditionStatus.TRUE]
        if (condition.type == good if holds else condition.type in warned)
        and condition.reason not in _NOT_ANNOUNCED
        and condition.status is not ConditionStatus.UNKNOWN
    }
    reasons = {found.reason for kind, found in changed.items() if kind != good}
    return [found for kind, found in changed.items() if kind != good or found.reason not in reasons]


def _dated(
    update: ConditionUpdate, before: Condition | None, generation: int, now: str
) -> Condition:
    unchanged = before is not None and before.status is update.status
    return Condition(
        type=update.type,
        status=update.status,
        reason=update.reason,
        message=update.message[:_MAX_MESSAGE],
        last_transition_time=before.last_transition_time if before and unchanged else now,
        observed_generation=generation,
    )
