"""The check of the health port that the session store answers."""

import asyncio
import time
from collections.abc import Callable

from omnia_core.health import Readiness
from omnia_core.sessions import SessionStore, StoreUnavailable

# The health port needs no credential: more requests than this must not reach the store.
FRESH_SECONDS = 1.0
_SESSION = "omnia-health-check"


class StoreCheck:
    """Reads a session that does not exist, as each turn reads its own.

    A read shows what a PING would not: missing rights, and a database without the tables.
    """

    def __init__(self, store: SessionStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._asking = asyncio.Lock()
        self._last: tuple[float, Readiness] | None = None

    async def __call__(self) -> Readiness:
        async with self._asking:
            if self._last is None or self._clock() - self._last[0] >= FRESH_SECONDS:
                answer = await self._ask()
                self._last = self._clock(), answer
            return self._last[1]

    async def _ask(self) -> Readiness:
        try:
            await self._store.load(_SESSION)
        except StoreUnavailable as error:
            return Readiness(ready=False, detail=error.message)
        return Readiness(ready=True)
