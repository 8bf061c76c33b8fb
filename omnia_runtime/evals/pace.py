"""How fast evaluations run: a token bucket."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Lets so many pass in a second, and as many at once after a pause."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._tokens = per_second
        self._filled = clock()

    async def wait(self) -> None:
        """Return when the next one may begin, in the order of the calls."""
        now = self._clock()
        filled = self._tokens + (now - self._filled) * self._per_second
        self._tokens = min(self._per_second, filled) - 1
        self._filled = now
        if self._tokens < 0:
            await self._sleep(-self._tokens / self._per_second)
