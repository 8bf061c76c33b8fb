"""What a person wants to be told once: the transitions from one status to the next."""

from collections.abc import Iterable
from dataclasses import dataclass

from omnia_operator.api.meta import Condition, ConditionStatus


@dataclass(frozen=True)
class Announcement:
    """An Event in the making."""

    warning: bool
    reason: str
    message: str


# Waiting for pods is no news.
_QUIET = frozenset({"RuntimeNotReady"})


def announcements(
    before: Iterable[Condition], after: Iterable[Condition], *, good: str, bad: Iterable[str]
) -> list[Announcement]:
    """Say what has changed: the condition `good` holds, or one of `bad` no longer does.

    A condition that is false for a new reason is a change; one with a new message is none.
    """
    known = {each.type: (each.status, each.reason) for each in before}
    news = [each for each in after if known.get(each.type) != (each.status, each.reason)]
    return [
        Announcement(not holds, each.reason, each.message or f"{each.type} is {each.status.value}")
        for each in news
        for holds in [each.status is ConditionStatus.TRUE]
        if (each.type == good if holds else each.type in {good, *bad})
        and each.reason not in _QUIET
        and each.status is not ConditionStatus.UNKNOWN
    ]
