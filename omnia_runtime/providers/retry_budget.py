"""How often the calls of one provider may be repeated, all conversations together."""

import time
from collections.abc import Callable


class RetryBudget:
    """A token bucket: a vendor that is down gets few calls beside the first of each turn."""

    def __init__(
        self,
        per_second: float = 5.0,
        burst: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled = clock()

    def take(self) -> bool:
        """Take one retry, and say whether there was one left."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
