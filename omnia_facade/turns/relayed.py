"""The answer of a turn as it is relayed to the client, and recorded in case the runtime dies."""

import asyncio
import time
from collections.abc import Callable, Iterator
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

# About a millisecond of the event loop: other connections do not wait longer.
MAX_IN_A_ROW = 256
# In characters. More than the runtime of Omnia lets a turn say; others may have no limit.
MAX_TEXT = 16 * 1024 * 1024
# Characters of calls and results that are recorded; the runtime has its own checkpoints of them.
MAX_RECORDED = 32 * 1024 * 1024


class SilenceWatch:
    """Detects a runtime that sends nothing for too long, without a timer per message.

    It watches turns, one after another; only the time spent reading counts.

    Attributes:
        seconds: the longest silence allowed.
        silent: whether the turn was ended because of silence.
    """

    __slots__ = (
        "_on_silence",
        "_pending_calls",
        "_since",
        "_time",
        "_timer",
        "seconds",
        "silent",
    )

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.silent = False
        self._on_silence: Callable[[], object] | None = None
        self._since: float | None = None
        self._time: Callable[[], float] = time.monotonic
        self._timer: asyncio.TimerHandle | None = None
        self._pending_calls: frozenset[str] = frozenset()

    def start(self, on_silence: Callable[[], object]) -> None:
        """Watch a turn, and call `on_silence` once when the runtime is silent."""
        self.stop()
        self.silent = False
        self._on_silence = on_silence
        self._time = asyncio.get_running_loop().time
        self._arm(self.seconds)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        self._on_silence = None
        self._since = None
        self._pending_calls = frozenset()

    def begin_read(self) -> None:
        """Called before reading: silence counts from now on."""
        self._since = self._time()

    def end_read(self) -> None:
        """Called after reading: silence does not count until the next `begin_read`."""
        self._since = None

    def active(self) -> None:
        """Called when text arrived without waking the reader, or audio was sent."""
        if self._since is not None:
            self._since = self._time()

    def wait_for_client(self, call_id: str) -> None:
        """Called when the runtime waits for the client's result of a tool call."""
        self._pending_calls |= {call_id}

    def client_answered(self, call_id: str) -> None:
        """Called when the client's result of a tool call is sent."""
        self._pending_calls -= {call_id}
        self.active()

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        if self._since is None or self._pending_calls:
            self._arm(self.seconds)
            return
        left = self._since + self.seconds - asyncio.get_running_loop().time()
        if left > 0:
            self._arm(left)
        elif self._on_silence:
            self.silent = True
            self._on_silence()


class RelayedTurn:
    """The part of an answer that was relayed, in its order.

    Attributes:
        texts: the pieces of text.
        results: the results of tools and of the client.
    """

    __slots__ = ("_calls", "_left", "results", "texts")

    def __init__(self) -> None:
        self._left = MAX_RECORDED
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
        """Record a call or a result; a call after a result belongs to another model answer.

        What is too much is not recorded: a call without its result is stored as not finished.
        """
        self._left -= _length(event)
        if self._left < 0:
            return
        if isinstance(event, ToolCallEvent):
            self._calls.append((len(self.texts), len(self.results), event.call))
        else:
            self.results.append(event)

    def calls(self) -> Iterator[tuple[int, list[ToolCall]]]:
        """Yield the calls of each model answer, and the number of characters before them."""
        for (pieces, _), group in groupby(self._calls, key=itemgetter(0, 1)):
            yield len("".join(self.texts[:pieces])), [call for _, _, call in group]


def _length(event: ToolCallEvent | ToolResultEvent | ClientToolResult) -> int:
    if isinstance(event, ToolCallEvent):
        return len(event.call.arguments)
    if isinstance(event, ToolResultEvent):
        return len(event.result.content)
    return len(event.result_json)


class TextRelay:
    """Relays and records the text of an answer.

    After `MAX_IN_A_ROW` pieces the other connections get their turn. Waiting for the client does
    not count as silence of the runtime.

    Attributes:
        too_long: whether the turn was ended because the answer is longer than `MAX_TEXT`.
    """

    __slots__ = (
        "_append",
        "_end_turn",
        "_in_a_row",
        "_left",
        "_listener",
        "_send_text",
        "_watch",
        "too_long",
    )

    def __init__(
        self,
        listener: TurnListener[TurnEvent],
        watch: SilenceWatch,
        texts: list[str],
        end_turn: Callable[[], object],
    ) -> None:
        """Relay an answer.

        Args:
            listener: receives the text.
            watch: counts the silence of the runtime.
            texts: the text is appended to it.
            end_turn: called once, from the event loop, when the answer is too long.
        """
        self.too_long = False
        self._left = MAX_TEXT
        self._end_turn = end_turn
        self._listener = listener
        self._watch = watch
        # Bound once: they are called with each piece.
        self._send_text = listener.send_text
        self._append = texts.append
        self._in_a_row = 0

    def begin_answer(self) -> None:
        """Called when another answer begins."""
        self._left = MAX_TEXT

    def send_text(self, text: str) -> bool:
        self._left -= len(text)
        if self._left < 0:
            return self._drop()
        ready = self._send_text(text)
        self._append(text)
        self._watch.active()
        self._in_a_row += 1
        return ready and self._in_a_row < MAX_IN_A_ROW

    def _drop(self) -> bool:
        if not self.too_long:
            self.too_long = True
            asyncio.get_running_loop().call_soon(self._end_turn)
        return False

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
