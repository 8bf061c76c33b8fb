"""A timeout for many short waits, one after another."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timers(Protocol):
    """The timers of an event loop."""

    def time(self) -> float:
        """Return the time of the loop's clock, in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call `callback` at the time `when`."""


class Watchdog:
    """One timer for all the waits of a stream.

    It checks the clock when the timer fires, not at each wait: to set and cancel a timer for every
    chunk of an answer would cost more than decoding the chunk.

    Attributes:
        seconds: the longest time that one wait may take.
        since: when the current wait began, by the timers' clock; None between waits.
    """

    def __init__(self, seconds: float, expired: Callable[[], None], timers: Timers) -> None:
        """Start; `expired` is called once, when a wait has taken `seconds`."""
        self.since: float | None = None
        self.seconds = seconds
        self._expired = expired
        self._timers = timers
        self._timer = timers.call_at(timers.time() + seconds, self._check)

    def change(self, seconds: float) -> None:
        """Change the time limit for this wait and the following ones."""
        self._timer.cancel()
        self.seconds = seconds
        self._timer = self._timers.call_at(self._timers.time() + seconds, self._check)

    def stop(self) -> None:
        """Cancel the timer."""
        self._timer.cancel()

    def _check(self) -> None:
        now = self._timers.time()
        # A wait that begins after this check cannot expire before the next one.
        due = (now if self.since is None else self.since) + self.seconds
        if due <= now:
            self._expired()
        else:
            self._timer = self._timers.call_at(due, self._check)
