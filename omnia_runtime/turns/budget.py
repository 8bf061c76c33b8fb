"""What an agent may spend: no turn begins beyond its budget."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

import structlog
from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_core.conversation.budget import spent_message, warned_message
from omnia_core.env import RuntimeEnv
from omnia_core.errors import Code, OmniaError
from omnia_core.health import Readiness
from omnia_core.names import OnExceeded
from omnia_core.sessions import SessionStore, StoreUnavailable

# The largest age of a sum. Requests within that time may exceed the budget.
FRESH_SECONDS = 10.0

_log = structlog.get_logger()


class BudgetExceeded(OmniaError):
    """The budget is spent; the message says when the next one begins."""

    def __init__(self, period: str, limit_usd: float, reset: datetime) -> None:
        super().__init__(Code.RESOURCE_EXHAUSTED, spent_message(period, limit_usd, reset))


class BudgetPeriod(Struct, frozen=True):
    """A limit for a period of time.

    Attributes:
        name: day or month.
        first: returns the first day of the period that a day is in.
        following: returns a day in the next period, given the first of this one.
    """

    name: str
    limit_usd: float
    first: Callable[[date], date]
    following: Callable[[date], date]

    def reset(self, today: date) -> datetime:
        """Return when the next period begins."""
        begin = self.first(self.following(self.first(today)))
        return datetime(begin.year, begin.month, begin.day, tzinfo=UTC)


def budget_periods(env: RuntimeEnv) -> tuple[BudgetPeriod, ...]:
    """Return the limits in an environment."""
    periods = []
    if env.budget_usd_per_day is not None:
        periods.append(
            BudgetPeriod(
                "day", env.budget_usd_per_day, lambda day: day, lambda day: day + timedelta(days=1)
            )
        )
    if env.budget_usd_per_month is not None:
        periods.append(
            BudgetPeriod(
                "month",
                env.budget_usd_per_month,
                lambda day: day.replace(day=1),
                lambda day: day + timedelta(days=31),
            )
        )
    return tuple(periods)


class AgentBudget:
    """The budget of an agent, which all its pods share through the session store."""

    def __init__(
        self,
        store: SessionStore,
        periods: tuple[BudgetPeriod, ...],
        on_exceeded: OnExceeded,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` returns monotonic seconds, `now` the time in UTC."""
        self._store = store
        self._periods = periods
        self._stops = on_exceeded is OnExceeded.STOP
        self._clock = clock
        self._now = now
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._spent: dict[str, tuple[date, float]] = {}
        self._warned: set[tuple[str, date]] = set()

    async def admit(self) -> None:
        """Return if a turn may begin.

        While the store does not answer, what was last read of it counts.

        Raises:
            BudgetExceeded: it may not.
        """
        await self._refresh()
        today = self._now().date()
        spent = self._exhausted(today)
        for period in spent:
            self._warn(period, today)
        if spent and self._stops:
            last = spent[-1]
            raise BudgetExceeded(last.name, last.limit_usd, last.reset(today))

    async def left(self) -> Readiness:
        """Return whether money is left: the check of the health port."""
        await self._refresh()
        today = self._now().date()
        spent = self._exhausted(today)
        if not spent:
            return Readiness(ready=True)
        last, message = spent[-1], spent_message if self._stops else warned_message
        return Readiness(ready=False, detail=message(last.name, last.limit_usd, last.reset(today)))

    def ratios(self) -> Iterable[tuple[str, float]]:
        """Return each period, and what part of its limit is spent as far as is known."""
        today = self._now().date()
        return [
            (period.name, self._used(period, today) / period.limit_usd) for period in self._periods
        ]

    def _exhausted(self, today: date) -> list[BudgetPeriod]:
        """Return the periods whose limit is reached, the one that begins anew last at the end."""
        spent = [
            period for period in self._periods if self._used(period, today) >= period.limit_usd
        ]
        return sorted(spent, key=lambda each: each.reset(today))

    def _warn(self, period: BudgetPeriod, today: date) -> None:
        """Log once a day that a limit is reached."""
        if (period.name, today) in self._warned:
            return
        self._warned = {each for each in self._warned if each[1] == today} | {(period.name, today)}
        _log.warning(
            "the budget of the agent is spent",
            period=period.name,
            limit_usd=period.limit_usd,
            until=period.reset(today).isoformat(),
            stopped=self._stops,
        )

    def _used(self, period: BudgetPeriod, today: date) -> float:
        first, usd = self._spent.get(period.name, (None, 0.0))
        return usd if first == period.first(today) else 0.0

    async def _refresh(self) -> None:
        if self._clock() - self._read_at < FRESH_SECONDS:
            return
        async with self._reading:
            if self._clock() - self._read_at < FRESH_SECONDS:
                return
            today = self._now().date()
            try:
                for period in self._periods:
                    first = period.first(today)
                    self._spent[period.name] = (first, await self._store.spent(first))
            except StoreUnavailable as error:
                _log.warning("the spending of the agent cannot be read", reason=error.message)
            self._read_at = self._clock()


class BudgetGauge(Collector):
    """What part of its budget an agent has spent."""

    def __init__(self, agent: str, namespace: str, budget: AgentBudget) -> None:
        self._labels = {"agent": agent, "namespace": namespace}
        self._budget = budget

    def collect(self) -> Iterable[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(
            "omnia_budget_used_ratio",
            "The part of the budget of a day or a month that is spent, as last read.",
            labels=[*self._labels, "period"],
        )
        for period, ratio in self._budget.ratios():
            gauge.add_metric([*self._labels.values(), period], ratio)
        yield gauge
