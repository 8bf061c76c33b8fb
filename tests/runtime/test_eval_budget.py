"""The budget of judges: what is left, what the health port says, and the metrics."""

from datetime import UTC, date, datetime

from prometheus_client import CollectorRegistry

from omnia_core.conversation.budget import reset_of
from omnia_core.health import Readiness
from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.memory_feed import MemoryFeed
from omnia_runtime.evals.budget import FRESH_SECONDS, JudgeBudget
from omnia_runtime.evals.worker_metrics import WorkerMetrics

LEFT = Readiness(ready=True)


class Feed(MemoryFeed):
    """A feed that counts how often it is asked what was spent, and can be away."""

    asked = 0
    away = False

    async def spend(self, day: str, usd: float) -> float:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return await super().spend(day, usd)


class Bed:
    """A budget of 1 US dollar a day, its feed, and the time."""

    def __init__(self, usd_per_day: float | None = 1.0) -> None:
        self.feed, self.seconds, self.day = Feed(), 0.0, date(2026, 1, 31)
        self.budget = JudgeBudget(
            self.feed, usd_per_day, today=lambda: self.day, clock=lambda: self.seconds
        )
        self.registry = CollectorRegistry()
        WorkerMetrics(self.registry, "a", "n").budget(self.budget, usd_per_day)

    def value(self, name: str) -> float | None:
        labels = {"agent": "a", "namespace": "n"}
        return self.registry.get_sample_value(f"omnia_eval_budget_{name}", labels)


async def test_the_health_port_says_that_judges_rest_until_the_next_day() -> None:
    bed = Bed()
    await bed.budget.add(0.75)
    assert await bed.budget.left() == LEFT
    await bed.budget.add(0.5)
    left = await bed.budget.left()
    assert not left.ready
    assert "1 USD a day" in left.detail
    assert reset_of(left.detail) == datetime(2026, 2, 1, tzinfo=UTC)
    assert not await bed.budget.is_left()
    bed.day = date(2026, 2, 1)
    assert await bed.budget.left() == LEFT
    assert await bed.budget.is_left()


async def test_what_another_worker_spent_is_read_at_most_every_ten_seconds() -> None:
    bed = Bed()
    assert [await bed.budget.left() for _ in range(20)] == [LEFT] * 20
    assert bed.feed.asked == 1
    await MemoryFeed.spend(bed.feed, "2026-01-31", 3.0)
    bed.seconds += FRESH_SECONDS
    assert not (await bed.budget.left()).ready


async def test_while_the_feed_is_away_what_was_last_known_counts() -> None:
    bed = Bed()
    bed.feed.away = True
    assert await bed.budget.left() == LEFT
    bed.feed.away = False
    await bed.budget.add(2.0)
    bed.feed.away = True
    bed.seconds += FRESH_SECONDS
    assert not (await bed.budget.left()).ready


async def test_without_a_limit_nothing_is_asked() -> None:
    bed = Bed(None)
    assert await bed.budget.left() == LEFT
    assert bed.feed.asked == 0
    await bed.budget.add(5.0)
    assert (bed.value("spent_usd"), bed.value("used_ratio")) == (5.0, None)


async def test_the_metrics_are_of_this_day() -> None:
    bed = Bed(2.0)
    await bed.budget.add(0.5)
    assert (bed.value("spent_usd"), bed.value("used_ratio")) == (0.5, 0.25)
    bed.day = date(2026, 2, 1)
    assert (bed.value("spent_usd"), bed.value("used_ratio")) == (0.0, 0.0)
