"""The port of those who read a run: a door's stream, or the collector of a whole answer."""

from collections.abc import Sequence
from typing import Protocol

from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent


class RunReader(Protocol):
    """Receives the events of a run in their order; exactly one of `end` and `park` comes last."""

    def text(self, text: str) -> bool:
        """Take a piece of the answer. False: it was taken, and `drain` comes before the next."""

    def event(self, event: TurnEvent) -> bool:
        """Take an event; as `text`."""

    def park(self, calls: Sequence[ToolCallEvent]) -> None:
        """The run waits for the client's results of these calls, in another request."""

    def end(self, outcome: Done | Failed) -> None:
        """The run has ended."""

    async def drain(self) -> None:
        """Wait until the reader takes more."""


class Collector:
    """Reads a whole answer into memory.

    Attributes:
        texts: the pieces of the answer.
        events: everything else, in its order.
        outcome: None while the run goes on, or waits for the client.
        pending: the calls that the run waits for; empty unless it is parked.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.events: list[TurnEvent] = []
        self.outcome: Done | Failed | None = None
        self.pending: tuple[ToolCallEvent, ...] = ()

    def text(self, text: str) -> bool:
        self.texts.append(text)
        return True

    def event(self, event: TurnEvent) -> bool:
        self.events.append(event)
        return True

    def park(self, calls: Sequence[ToolCallEvent]) -> None:
        self.pending = tuple(calls)

    def end(self, outcome: Done | Failed) -> None:
        self.outcome = outcome

    async def drain(self) -> None:
        """Memory is always ready; the relay limits the length of an answer."""
