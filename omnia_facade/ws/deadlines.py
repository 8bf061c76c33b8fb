"""Timers of a connection, each with a name."""

import asyncio
from collections.abc import Callable


class Deadlines:
    """Calls back once for each name, unless it was cleared or set anew."""

    __slots__ = ("_passed", "_timers")

    def __init__(self, passed: Callable[[str], None]) -> None:
        self._passed = passed
        self._timers: dict[str, asyncio.TimerHandle] | None = None

    def set(self, name: str, seconds: float) -> None:
        """Call back after so long."""
        self.clear(name)
        timers = self._timers = self._timers or {}
        timers[name] = asyncio.get_running_loop().call_later(seconds, self._pass, name)

    def clear(self, name: str) -> None:
        """Do not call back."""
        timer = self._timers.pop(name, None) if self._timers else None
        if timer:
            timer.cancel()

    def _pass(self, name: str) -> None:
        self.clear(name)
        self._passed(name)
