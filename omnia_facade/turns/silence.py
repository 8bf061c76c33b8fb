"""Notices that a runtime has said nothing for too long, without a timer per message."""

import asyncio
import time
from collections.abc import Callable


class SilenceWatch:
    """Watches one turn after another; only time spent reading counts.

    Attributes:
        seconds: the longest silence.
        silent: whether the turn was ended for it.
    """

    __slots__ = (
        "_expected_from_client",
        "_on_silence",
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
        self._expected_from_client: frozenset[str] = frozenset()

    def start(self, on_silence: Callable[[], object]) -> None:
        """Watch a turn, and call back once when it is silent."""
        self.stop()
        self.silent = False
        self._on_silence = on_silence
        self._time = asyncio.get_running_loop().time
        self._arm(self.seconds)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        self._on_silence = None
        self._since = None
        self._expected_from_client = frozenset()

    def reading(self) -> None:
        """Learn that the runtime is being listened to."""
        self._since = self._time()

    def heard(self) -> None:
        """Learn that something came; until the next `reading` nobody listens."""
        self._since = None

    def alive(self) -> None:
        """Learn that the silence is none: text came that wakes no reader, or something was sent."""
        if self._since is not None:
            self._since = self._time()

    def suspend(self, call_id: str) -> None:
        """Learn that the runtime waits for the client's answer to a tool call."""
        self._expected_from_client |= {call_id}

    def resume(self, call_id: str) -> None:
        """Learn that the runtime has that answer."""
        self._expected_from_client -= {call_id}
        self.alive()

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        if self._since is None or self._expected_from_client:
            self._arm(self.seconds)
            return
        left = self._since + self.seconds - asyncio.get_running_loop().time()
        if left > 0:
            self._arm(left)
        elif self._on_silence:
            self.silent = True
            self._on_silence()
