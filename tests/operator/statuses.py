"""Parts of statuses: times, problems, and conditions as values that can be compared."""

from omnia_operator.api.meta import Condition
from omnia_operator.resolve import Problem

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-02-02T00:00:00Z"
Told = dict[str, tuple[str, str, str]]


def told(conditions: tuple[Condition, ...]) -> Told:
    return {each.type: (each.status.value, each.reason, each.message) for each in conditions}


def problem(condition: str, reason: str = "Broken", message: str = "it is broken") -> Problem:
    return Problem(condition, reason, message, retry=True)
