"""How much the judges of an agent may cost in a day."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog

from omnia_core.conversation.budget import judges_message
from omnia_core.health import Readiness
from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.feed import SessionFeed

# The health port needs no credential: more requests than this must not reach the feed.
FRESH_SECONDS = 10.0

_log = structlog.get_logger()


class JudgeBudget:
    """Adds up what judges cost, in the feed, where every worker of the agent and later ones see it.

    Judges that are asked at the same time may together go beyond the limit.
    """

    def __init__(
        self,
        feed: SessionFeed,
        usd_per_day: float | None,
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            feed: adds up.
            usd_per_day: None without a limit.
            today: the day (UTC).
            clock: monotonic seconds.
        """
        self._feed = feed
        self._usd_per_day = usd_per_day
        self._today = today
        self._clock = clock
        self._told: date | None = None
        self._known: tuple[date | None, float] = (None, 0.0)
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def usd_today(self) -> float:
        """What judges have cost since midnight (UTC), as far as it is known."""
        day, usd = self._known
        return usd if day == self._today() else 0.0

    async def is_left(self) -> bool:
        """Whether a judge may be asked; from midnight (UTC) on one may again."""
        if self._usd_per_day is None:
            return True
        day = self._today()
        left = await self._spend(day, 0.0) < self._usd_per_day
        if not left and self._told != day:
            self._told = day
            _log.warning(
                "the budget of evaluations is spent: no judge is called before 00:00 UTC",
                usd_per_day=self._usd_per_day,
            )
        return left

    async def add(self, usd: float) -> None:
        """Add what a judge has cost."""
        if usd:
            await self._spend(self._today(), usd)

    async def left(self) -> Readiness:
        """Return whether money is left: the check of the health port.

        While the feed does not answer, what was last known counts.
        """
        if self._usd_per_day is None:
            return Readiness(ready=True)
        await self._refresh()
        if self.usd_today < self._usd_per_day:
            return Readiness(ready=True)
        morning = self._today() + timedelta(days=1)
        reset = datetime(morning.year, morning.month, morning.day, tzinfo=UTC)
        return Readiness(ready=False, detail=judges_message(self._usd_per_day, reset))

    async def _refresh(self) -> None:
        async with self._reading:
            if self._clock() - self._read_at < FRESH_SECONDS:
                return
            try:
                await self._spend(self._today(), 0.0)
            except StoreUnavailable as error:
                _log.warning("the cost of the judges cannot be read", reason=error.message)
            self._read_at = self._clock()

    async def _spend(self, day: date, usd: float) -> float:
        total = await self._feed.spend(day.isoformat(), usd)
        self._known = day, total
        return total
