"""What a client was told of a turn, for the case that its runtime dies."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from omnia_facade.dialogue.events import ToolAnswer, ToolCall, ToolResult, TurnRequest


class Relayed:
    """What was relayed of one turn, in its order.

    Attributes:
        said: the text, in pieces.
        results: what tools and the client have returned.
    """

    __slots__ = ("_calls", "results", "said")

    def __init__(self) -> None:
        self.said: list[str] = []
        self.results: list[ToolResult | ToolAnswer] = []
        self._calls: list[tuple[int, int, ToolCall]] = []

    def __bool__(self) -> bool:
        return bool(self.said or self._calls)

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self.said)

    def note(self, event: ToolCall | ToolResult | ToolAnswer) -> None:
        """Take a call or a result; what is called after a result is of another answer."""
        if isinstance(event, ToolCall):
            self._calls.append((len(self.said), len(self.results), event))
        else:
            self.results.append(event)

    def calls(self) -> Iterator[tuple[int, list[ToolCall]]]:
        """Yield the calls that came together, and how many characters were said before them."""
        for (pieces, _), together in groupby(self._calls, key=itemgetter(0, 1)):
            yield len("".join(self.said[:pieces])), [call for _, _, call in together]


class Kept(StrEnum):
    """What became of an answer that has no end."""

    STORED = "stored"
    PRESENT = "present"
    FAILED = "failed"


class Keeper(Protocol):
    """Keeps answers whose runtime has gone away."""

    async def keep(self, request: TurnRequest, relayed: Relayed) -> bool:
        """Store what is missing of the answer, and return whether all of it is stored.

        It takes a moment, whatever the store does. The write goes on when the caller is cancelled.
        """
