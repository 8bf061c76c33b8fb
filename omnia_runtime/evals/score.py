"""What an evaluation found."""

from msgspec import Struct


class Score(Struct, frozen=True):
    """A measurement.

    Attributes:
        value: 0 to 1.
        passed: for what is right or wrong; None for what is more or less.
        explanation: why, for people. It may quote the answer.
    """

    value: float
    passed: bool | None = None
    explanation: str = ""


class Unmeasurable(Exception):
    """The facts lack what the evaluation looks at; the message says what. It is skipped."""


def right(correct: bool, explanation: str = "") -> Score:
    """Return the score of what is right or wrong; the explanation is for what is wrong."""
    return Score(float(correct), correct, "" if correct else explanation)


def share(found: int, total: int, explanation: str = "") -> Score:
    """Return the score of a part of a whole."""
    value = found / total if total else 1.0
    return Score(value, value == 1, "" if value == 1 else explanation)
