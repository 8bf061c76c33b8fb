"""Budgets: what is admitted, what is refused, and what callers are told."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from omnia_core.conversation.budget import reset_of, retry_after, spent_message
from omnia_core.health import Readiness
from omnia_core.names import OnExceeded
from omnia_core.sessions import AuditTrail, Message, SessionSettings, StoreUnavailable
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_operator.pod_checks import BUDGET_CHECK, PodHealth
from omnia_runtime.app import Runtime
from omnia_runtime.ports.listener import DiscardingListener
from omnia_runtime.turns.budget import (
    FRESH_SECONDS,
    AgentBudget,
    BudgetExceeded,
    BudgetGauge,
    budget_periods,
)
from omnia_runtime.turns.turn import Caller, UserTurn
from tests.runtime.program import LIMIT, Program, Stream, client
from tests.runtime.scripted import Mounted

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CALL = ProviderCall("2026-01-31T12:00:00Z", "default", "m", "success", cost_usd=0.25)
Start = Callable[..., Program]


class Store(MemorySessionStore):
    """A store that says what the test wants."""

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.day, self.month = 0.0, 0.0
        self.reads = list[date]()
        self.away = False

    async def spent(self, first: date, providers: object = ()) -> float:  # noqa: ARG002 - the port's
        self.reads.append(first)
        if self.away:
            raise StoreUnavailable("away")
        return self.month if first.day == 1 else self.day


class Bed:
    """A budget, its store, and the time."""

    def __init__(self, mounted: Mounted, **variables: str) -> None:
        self.store, self.seconds, self.now = Store(), 0.0, NOON
        env = mounted.env(**variables)
        self.budget = AgentBudget(
            self.store,
            budget_periods(env),
            env.budget_on_exceeded,
            clock=lambda: self.seconds,
            now=lambda: self.now,
        )

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds


async def test_a_turn_is_refused_until_the_next_day(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="2.5")
    bed.store.day = 2.4
    await bed.budget.admit()
    bed.store.day = 2.5
    # What was read less than ten seconds ago counts.
    await bed.budget.admit()
    bed.pass_time(FRESH_SECONDS)
    with pytest.raises(BudgetExceeded) as refused:
        await bed.budget.admit()
    assert refused.value.message == (
        "the budget of the agent, 2.5 USD a day, is spent: it answers again from"
        " 2026-02-01T00:00:00Z on; its owner can raise spec.budget"
    )
    assert bed.store.reads == [date(2026, 1, 31)] * 2
    # The sum of yesterday does not count, even before it is read anew.
    bed.now = datetime(2026, 2, 1, tzinfo=UTC)
    await bed.budget.admit()


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (NOON, "2026-02-01T00:00:00+00:00"),
        (datetime(2026, 12, 1, tzinfo=UTC), "2027-01-01T00:00:00+00:00"),
        (datetime(2028, 2, 29, tzinfo=UTC), "2028-03-01T00:00:00+00:00"),
    ],
)
async def test_a_month_ends_with_its_last_day(mounted: Mounted, now: datetime, reset: str) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_MONTH="10")
    bed.now, bed.store.month = now, 11.0
    with pytest.raises(BudgetExceeded, match="10 USD a month") as refused:
        await bed.budget.admit()
    assert bed.store.reads == [now.date().replace(day=1)]
    found = reset_of(refused.value.message)
    assert found
    assert found.isoformat() == reset


async def test_a_budget_that_only_warns_refuses_nothing_and_says_so_once(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="1", OMNIA_BUDGET_ON_EXCEEDED="warn")
    bed.store.day = 2.0
    with capture_logs() as lines:
        await bed.budget.admit()
        await bed.budget.admit()
    assert [line["event"] for line in lines] == ["the budget of the agent is spent"]


async def test_when_day_and_month_are_spent_the_later_end_is_told(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="1", OMNIA_BUDGET_USD_PER_MONTH="9")
    bed.now = datetime(2026, 1, 5, tzinfo=UTC)
    bed.store.day, bed.store.month = 1.0, 9.0
    with pytest.raises(BudgetExceeded, match=r"9 USD a month.*2026-02-01"):
        await bed.budget.admit()


@pytest.mark.parametrize(
    ("on_exceeded", "words"),
    [("stop", "it answers again from 2026-02-01T00:00:00Z on"), ("warn", "turns go on")],
)
async def test_the_health_port_says_that_the_budget_is_spent(
    on_exceeded: str, words: str, mounted: Mounted
) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="1", OMNIA_BUDGET_ON_EXCEEDED=on_exceeded)
    assert await bed.budget.left() == Readiness(ready=True)
    bed.store.day = 1.0
    # The port needs no credential: what is fresh is not read again.
    assert [await bed.budget.left() for _ in range(20)] == [Readiness(ready=True)] * 20
    assert len(bed.store.reads) == 1
    bed.pass_time(FRESH_SECONDS)
    left = await bed.budget.left()
    assert not left.ready
    assert words in left.detail
    assert reset_of(left.detail) == datetime(2026, 2, 1, tzinfo=UTC)
    # An outage of the store is no spent budget, and neither is the next day.
    bed.store.away, bed.now = True, datetime(2026, 2, 1, tzinfo=UTC)
    bed.pass_time(FRESH_SECONDS)
    assert await bed.budget.left() == Readiness(ready=True)


async def test_turns_that_begin_at_once_read_the_sum_once(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="1", OMNIA_BUDGET_USD_PER_MONTH="9")
    await asyncio.gather(*(bed.budget.admit() for _ in range(20)))
    assert bed.store.reads == [date(2026, 1, 31), date(2026, 1, 1)]


async def test_while_the_store_is_away_what_was_read_last_counts(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="1")
    bed.store.away = True
    await bed.budget.admit()
    bed.store.away, bed.store.day = False, 1.0
    bed.pass_time(FRESH_SECONDS)
    with pytest.raises(BudgetExceeded):
        await bed.budget.admit()
    bed.store.away = True
    bed.pass_time(FRESH_SECONDS)
    with pytest.raises(BudgetExceeded):
        await bed.budget.admit()


async def test_the_used_part_is_a_metric(mounted: Mounted) -> None:
    bed = Bed(mounted, OMNIA_BUDGET_USD_PER_DAY="2", OMNIA_BUDGET_USD_PER_MONTH="10")
    bed.store.day, bed.store.month = 1.0, 1.0
    registry = CollectorRegistry()
    registry.register(BudgetGauge("a", "n", bed.budget))
    await bed.budget.admit()

    def value(period: str) -> float | None:
        labels = {"agent": "a", "namespace": "n", "period": period}
        return registry.get_sample_value("omnia_budget_used_ratio", labels)

    assert (value("day"), value("month")) == (0.5, 0.1)
    bed.now = datetime(2026, 2, 1, tzinfo=UTC)
    assert (value("day"), value("month")) == (0.0, 0.0)


def test_without_a_limit_there_is_no_budget(mounted: Mounted) -> None:
    assert budget_periods(mounted.env()) == ()
    assert mounted.env().budget_on_exceeded is OnExceeded.STOP


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (spent_message("day", 1, datetime(2026, 2, 1, tzinfo=UTC)), {"Retry-After": "43200"}),
        (f"X: {spent_message('day', 1, NOON)}", {"Retry-After": "1"}),
        ("it answers again from 2026-99-99T00:00:00Z on", {}),
        ("it answers again from tomorrow on", {}),
        ("", {}),
    ],
)
def test_a_client_is_told_when_to_try_again(message: str, headers: dict[str, str]) -> None:
    assert retry_after(message, NOON) == headers


@pytest.fixture
def sqlite(mounted: Mounted) -> dict[str, str]:
    path = mounted.folder / "sessions.db"
    return {"OMNIA_SESSION_TYPE": "sqlite", "OMNIA_SESSION_PATH": str(path)}


async def spend(path: str) -> None:
    """Store a turn that cost 0.25 USD today."""
    settings = SessionSettings(ttl=Duration.parse("1h"), namespace="default", agent="agent")
    store = SqliteSessionStore(Path(path), settings)
    audit = AuditTrail(provider_calls=(CALL,))
    await store.append("old", [Message("user", "x")], expected_length=0, audit=audit)
    await store.close()


async def test_a_runtime_begins_no_turn_when_its_budget_is_spent(
    mounted: Mounted, start: Start, sqlite: dict[str, str]
) -> None:
    await spend(sqlite["OMNIA_SESSION_PATH"])
    start(OMNIA_BUDGET_USD_PER_DAY="0.25", **sqlite)
    async with client(mounted) as stub, asyncio.timeout(LIMIT):
        (error,) = [each.error for each in await Stream(stub).ask("hi") if each.HasField("error")]
    assert error.code == "BUDGET_EXCEEDED"
    assert reset_of(error.message)


@pytest.mark.parametrize("mode", ["agent", "function"])
async def test_a_runtime_without_a_database_adds_up_what_it_spends(
    mode: str, mounted: Mounted
) -> None:
    mounted.write_function({"type": "object"}, {"type": "object"})
    mounted.write_responses({"defaultResponse": "{}"})
    mounted.write_provider(pricing={"inputCostPer1K": 1.0, "outputCostPer1K": 1.0})
    env = mounted.env(OMNIA_BUDGET_USD_PER_DAY="5", OMNIA_MODE=mode)
    runtime = Runtime(env)
    if mode == "agent":
        turn = UserTurn("s", "hi", (), {}, [])
        await runtime._turns.run(turn, DiscardingListener(), Caller())
    else:
        await runtime._invocations.run("i1", "{}", {}, {})
        await runtime._invocations.close()
    assert await runtime._store.spent(datetime.now(UTC).date()) > 0


async def test_a_runtime_tells_the_operator_that_its_budget_is_spent(
    mounted: Mounted, start: Start, sqlite: dict[str, str]
) -> None:
    await spend(sqlite["OMNIA_SESSION_PATH"])
    start(OMNIA_BUDGET_USD_PER_DAY="0.25", **sqlite)
    asked = PodHealth(mounted.health_port, refuses=lambda _: False)
    async with client(mounted):
        report = await asked.report(BUDGET_CHECK, "p", "127.0.0.1")
    assert report
    assert "0.25 USD a day, is spent" in report.failure


async def test_a_function_is_not_called_when_the_budget_is_spent(
    mounted: Mounted, start: Start, sqlite: dict[str, str]
) -> None:
    mounted.write_function({"type": "object"}, {"type": "object"})
    await spend(sqlite["OMNIA_SESSION_PATH"])
    start(OMNIA_BUDGET_USD_PER_DAY="0.25", OMNIA_MODE="function", **sqlite)
    async with client(mounted) as stub, asyncio.timeout(LIMIT):
        request = pb.InvocationRequest(invocation_id="i1", input_json="{}")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Invoke(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reset_of(refused.value.details() or "")
