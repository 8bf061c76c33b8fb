"""What a validator decides about a text."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct


class Blocked(Struct, frozen=True):
    """A text that broke a rule.

    Attributes:
        validator_type: as the pack declares it.
        message: what the user is told instead.
        detail: what was wrong, for records and logs; it repeats the pack, never the text.
    """

    validator_type: str
    message: str
    direction: Literal["input", "output"]
    detail: str


class OutputBlocked(Exception):
    """An answer may not be sent; what is already sent holds nothing of the violation."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(f"{blocked.validator_type}: {blocked.detail}")
        self.blocked = blocked


class Finding(Struct, frozen=True):
    """A violation within a text.

    Attributes:
        position: how many characters of the text decide it, however they were split.
    """

    position: int
    detail: str


class Watch(Protocol):
    """Looks for forbidden pieces of one text while it comes in.

    Attributes:
        safe: how many characters from the beginning can no longer be part of a violation.
    """

    safe: int

    def feed(self, text: str) -> Finding | None:
        """Take in more of the text; return the violation that is decided first."""

    def end(self) -> str | None:
        """Return the detail of the violation that the end of the text completes."""


# Judges a whole text: what is wrong, or None.
Judge: TypeAlias = Callable[[str], str | None]


def judge_by(watch: Callable[[], Watch]) -> Judge:
    """Return the judge that lets a watch see the whole text at once."""

    def judge(text: str) -> str | None:
        watching = watch()
        found = watching.feed(text)
        return found.detail if found else watching.end()

    return judge
