"""When a score passes."""

import operator
from collections.abc import Callable

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack.prompt import Threshold
from omnia_core.names import EvalOutcome

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORDS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<", "eq": "==", "ne": "!="}


class Requirement(Struct, frozen=True):
    """What a score has to fulfil; without conditions it is only recorded.

    Attributes:
        conditions: operators with values; all have to hold.
        passed: what the evaluation itself has to say: passed (True), or not (False).
    """

    conditions: tuple[tuple[str, float], ...] = ()
    passed: bool | None = None

    def __str__(self) -> str:
        if not self.conditions and self.passed is None:
            return ""
        parts = [f"{sign} {value:g}" for sign, value in self.conditions]
        if self.passed is not None:
            parts.append("passed" if self.passed else "not passed")
        return " and ".join(parts)

    def outcome(self, score: float, *, passed: bool | None) -> EvalOutcome:
        """Decide; `passed` is the evaluation's own answer, None where it only measures."""
        if self.conditions or self.passed is not None:
            held = all(_OPERATORS[sign](score, value) for sign, value in self.conditions)
            agrees = (
                self.passed is None or (score >= 1 if passed is None else passed) is self.passed
            )
            return EvalOutcome.PASSED if held and agrees else EvalOutcome.FAILED
        if passed is None:
            return EvalOutcome.SCORED
        return EvalOutcome.PASSED if passed else EvalOutcome.FAILED


def requirement(threshold: Threshold | None) -> Requirement:
    """Read a threshold: `{operator, value}`, or `{passed, min_score, max_score}`, or both.

    Raises:
        ConfigurationError: the operator is unknown, or one of operator and value is missing.
    """
    if threshold is None:
        return Requirement()
    conditions = []
    if threshold.operator or threshold.value is not None:
        sign = _WORDS.get(threshold.operator, threshold.operator)
        if sign not in _OPERATORS:
            known = ", ".join(_OPERATORS)
            raise ConfigurationError(f'operator: expected one of {known}, found "{sign}"')
        if threshold.value is None:
            raise ConfigurationError("value: is required beside operator, and missing")
        conditions.append((sign, threshold.value))
    if threshold.min_score is not None:
        conditions.append((">=", threshold.min_score))
    if threshold.max_score is not None:
        conditions.append(("<=", threshold.max_score))
    return Requirement(tuple(conditions), threshold.passed)
