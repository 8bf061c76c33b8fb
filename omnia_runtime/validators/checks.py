"""The two kinds of checks, streaming and whole-text, and their results."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct


class Blocked(Struct, frozen=True):
    """A text was blocked by a validator.

    Attributes:
        validator_type: as the pack declares it.
        message: the text that the user gets instead.
        detail: what was wrong, for records and logs. It may quote the pack, never the text.
    """

    validator_type: str
    message: str
    direction: Literal["input", "output"]
    detail: str


class OutputBlocked(Exception):
    """An answer was blocked; the part that was already sent contains nothing forbidden."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(f"{blocked.validator_type}: {blocked.detail}")
        self.blocked = blocked


class TextViolation(Struct, frozen=True):
    """A violation inside a text.

    Attributes:
        position: the number of characters after which the violation is certain. It does not depend
            on how the text was split into pieces.
    """

    position: int
    detail: str


class StreamingCheck(Protocol):
    """Finds forbidden pieces of one text while the text arrives.

    Attributes:
        safe: the number of characters, from the start, that can no longer be part of a violation.
    """

    safe: int

    def feed(self, text: str) -> TextViolation | None:
        """Add a piece of the text; return the first violation."""

    def end(self) -> str | None:
        """Return the detail of a violation that the end of the text completes."""


# Checks a whole text; returns the detail of a violation, or None.
TextCheck: TypeAlias = Callable[[str], str | None]


def text_check(streaming: Callable[[], StreamingCheck]) -> TextCheck:
    """Return a check of whole texts that uses a streaming check."""

    def check(text: str) -> str | None:
        instance = streaming()
        found = instance.feed(text)
        return found.detail if found else instance.end()

    return check
