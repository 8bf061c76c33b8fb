"""Detects a runtime that sends nothing for too long, without a timer per message."""

import asyncio
import time
from collections.abc import Callable


class SilenceWatch:
    """Watches turns, one after another; only the time spent reading counts.

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
