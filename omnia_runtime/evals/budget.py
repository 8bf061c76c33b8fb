"""How much the judges of an agent may cost in a day."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from omnia_core.sessions.feed import SessionFeed

_log = structlog.get_logger()


class JudgeBudget:
    """Adds up what judges cost, in the feed, where every worker of the agent and later ones see it.

    Judges that are asked at the same time may together go beyond the limit.
    """

    def __init__(
        self,
        feed: SessionFeed,
        usd_per_day: float | None,
        spent: Callable[[float], None],
        today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat(),
    ) -> None:
        """`usd_per_day` is None without a limit; `spent` is told the sum of the day."""
        self._feed = feed
        self._usd_per_day = usd_per_day
        self._spent = spent
        self._today = today
        self._told = ""

    async def is_left(self) -> bool:
        """Whether a judge may be asked; from midnight (UTC) on one may again."""
        if self._usd_per_day is None:
            return True
        day = self._today()
        left = await self._feed.spend(day, 0.0) < self._usd_per_day
        if not left and self._told != day:
            self._told = day
            _log.warning(
                "the budget of evaluations is used up; judges are asked again from 00:00 UTC on",
                usd_per_day=self._usd_per_day,
            )
        return left

    async def add(self, usd: float) -> None:
        """Add what a judge has cost."""
        if usd:
            self._spent(await self._feed.spend(self._today(), usd))
