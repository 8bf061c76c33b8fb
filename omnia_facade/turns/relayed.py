"""The answer of a turn as it is relayed to the client, and recorded in case the runtime dies."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.tools import ToolCall
from omnia_facade.backend.events import (
    ClientToolResult,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.turns.silence import SilenceWatch

# About a millisecond of the event loop: other connections do not wait longer.
MAX_IN_A_ROW = 256


class RelayedTurn:
    """The part of an answer that was relayed, in its order.

    Attributes:
        texts: the pieces of text.
        results: the results of tools and of the client.
    """

    __slots__ = ("_calls", "results", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.results: list[ToolResultEvent | ClientToolResult] = []
        self._calls: list[tuple[int, int, ToolCall]] = []

    def __bool__(self) -> bool:
        return bool(self.texts or self._calls)

    @property
    def text(self) -> str:
        """All of the text."""
        return "".join(self.texts)

    def add(self, event: ToolCallEvent | ToolResultEvent | ClientToolResult) -> None:
        """Record a call or a result; a call after a result belongs to another model answer."""
        if isinstance(event, ToolCallEvent):
            self._calls.append((len(self.texts), len(self.results), event.call))
        else:
            self.results.append(event)

    def calls(self) -> Iterator[tuple[int, list[ToolCall]]]:
        """Yield the calls of each model answer, and the number of characters before them."""
        for (pieces, _), group in groupby(self._calls, key=itemgetter(0, 1)):
            yield len("".join(self.texts[:pieces])), [call for _, _, call in group]


class TextRelay:
    """Relays and records the text of an answer.

    After `MAX_IN_A_ROW` pieces the other connections get their turn. Waiting for the client does
    not count as silence of the runtime.
    """

    __slots__ = ("_in_a_row", "_listener", "_texts", "_watch")

    def __init__(
        self, listener: TurnListener[TurnEvent], watch: SilenceWatch, texts: list[str]
    ) -> None:
        """Send text to `listener`, and append it to `texts`."""
        self._listener = listener
        self._watch = watch
        self._texts = texts
        self._in_a_row = 0

    def send_text(self, text: str) -> bool:
        ready = self._listener.send_text(text)
        self._texts.append(text)
        self._watch.active()
        self._in_a_row += 1
        return ready and self._in_a_row < MAX_IN_A_ROW

    async def drain(self) -> None:
        self._watch.end_read()
        if self._in_a_row >= MAX_IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)
        await self._listener.drain()
        self._watch.begin_read()


class InterruptedAnswerOutcome(StrEnum):
    """What happened to an answer whose runtime went away."""

    STORED = "stored"
    PRESENT = "present"
    FAILED = "failed"


class InterruptedAnswerStore(Protocol):
    """Stores answers whose runtime has gone away."""

    async def store(self, request: TurnRequest, relayed: RelayedTurn) -> bool:
        """Store the missing part of an answer; return whether all of it is stored.

        The wait is bounded. The write continues when the caller is cancelled.
        """
