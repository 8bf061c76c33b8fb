"""Notices a wait that takes too long, for many short waits one after another."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timers(Protocol):
    """What of an event loop is used."""

    def time(self) -> float:
        """Return the time, in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call back at a time."""


class Watchdog:
    """One timer for all the waits of a stream.

    It looks at the clock when it fires, and not at each wait: setting and cancelling a timer for
    every piece of an answer would cost more than decoding it.

    Attributes:
        seconds: how long one wait may take.
        since: when the current wait began, by the timers' clock; None while nothing is waited for.
    """

    def __init__(self, seconds: float, expired: Callable[[], None], timers: Timers) -> None:
        """Begin to watch; `expired` is called once, when a wait has taken `seconds`."""
        self.since: float | None = None
        self.seconds = seconds
        self._expired = expired
        self._timers = timers
        self._timer = timers.call_at(timers.time() + seconds, self._look)

    def change(self, seconds: float) -> None:
        """Allow another time from now on."""
        self._timer.cancel()
        self.seconds = seconds
        self._timer = self._timers.call_at(self._timers.time() + seconds, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._timers.time()
        # a wait that begins after this look is over time after the next one at the earliest
        due = (now if self.since is None else self.since) + self.seconds
        if due <= now:
            self._expired()
        else:
            self._timer = self._timers.call_at(due, self._look)
