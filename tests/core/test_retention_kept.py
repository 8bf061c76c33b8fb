"""The contract of retention where what is kept of a session outlives its end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnia_core.sessions import Message, Session, SessionConflict
from omnia_core.sessions.retention import Retention, RetentionEffects
from omnia_core.units import Duration
from tests.core.kept_beds import KEEPING, Kept, kept_bed, swept

DAY = timedelta(days=1)
MONTH = Retention(days=30)
HELLO = Message("user", "hello", user_id="mia", pack_version="1.0.0")
ANSWER = Message("assistant", "hi", finish_reason="stop")


@pytest.fixture(params=KEEPING)
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    async with kept_bed(request.param, request) as made:
        yield made


async def test_what_is_kept_of_a_session_outlives_its_end(database: Kept) -> None:
    store = database.store(MONTH)
    await store.append("s", [HELLO, ANSWER], expected_length=0)
    assert await database.sessions() == [(DAY, 30 * DAY, False)]
    await database.advance(29 * DAY)
    assert await store.load("s") is None
    await swept(store)
    assert await database.sessions() == [(DAY, 30 * DAY, True)]
    await database.advance(DAY)
    await swept(store)
    assert await database.sessions() == []
    assert await database.count("messages") == 0
    assert database.counted.total() == RetentionEffects(sessions_ended=1, sessions_deleted=1)


async def test_every_use_begins_the_days_anew(database: Kept) -> None:
    store = database.store(MONTH)
    await store.append("s", [HELLO], expected_length=0)
    for use in (
        store.load("s"),
        store.checkpoint("s", [ANSWER], expected_length=1),
        store.append("s", [ANSWER], expected_length=1),
    ):
        await database.advance(DAY / 2)
        await use
        assert await database.sessions() == [(DAY, 30 * DAY, False)]
        assert datetime.now(UTC) - await database.used_at() < timedelta(seconds=10)


async def test_the_id_of_a_session_that_ended_begins_another_one(database: Kept) -> None:
    store = database.store(MONTH)
    await store.append("s", [HELLO, ANSWER], expected_length=0)
    for _ in range(2):
        await database.advance(2 * DAY)
        assert await store.append("s", [HELLO], expected_length=0) == 1
        assert await store.append("s", [ANSWER], expected_length=1) == 2
    assert await store.load("s") == Session("s", (HELLO, ANSWER))
    assert [ended for _, _, ended in await database.sessions()] == [True, True, False]
    assert await database.count("messages") == 6
    assert database.counted.total() == RetentionEffects(sessions_ended=2)


async def test_a_session_that_a_refused_append_ends_is_counted(database: Kept) -> None:
    store = database.store(MONTH)
    await store.append("s", [HELLO], expected_length=0)
    await database.advance(2 * DAY)
    with pytest.raises(SessionConflict, match="has 0 messages where 1"):
        await store.append("s", [ANSWER], expected_length=1)
    assert [ended for _, _, ended in await database.sessions()] == [True]
    assert database.counted.total() == RetentionEffects(sessions_ended=1)


async def test_of_many_writers_that_begin_a_session_anew_one_wins(database: Kept) -> None:
    stores = [database.store(MONTH), database.store(MONTH)]
    await stores[0].append("s", [HELLO], expected_length=0)
    await database.advance(2 * DAY)
    done = await asyncio.gather(
        *(stores[each % 2].append("s", [HELLO], expected_length=0) for each in range(20)),
        return_exceptions=True,
    )
    assert done.count(1) == 1
    assert [ended for _, _, ended in await database.sessions()] == [True, False]


@pytest.mark.parametrize(
    ("before", "after", "ttl", "times"),
    [
        (Retention(), MONTH, "24h", (DAY, 30 * DAY)),
        (MONTH, Retention(days=7), "1h", (timedelta(hours=1), 7 * DAY)),
        (MONTH, Retention(), "48h", (2 * DAY, 2 * DAY)),
        (MONTH, Retention(days=2, dry_run=True), "24h", (DAY, DAY)),
    ],
    ids=["it comes", "it gets shorter", "it goes", "it goes on trial"],
)
async def test_sessions_that_nobody_uses_follow_a_changed_policy(
    database: Kept, before: Retention, after: Retention, ttl: str, times: Any
) -> None:
    old = database.store(before)
    for number in range(3):
        await old.append(f"s{number}", [HELLO], expected_length=0)
    await database.advance(timedelta(minutes=50))
    new = database.store(after, ttl, sweep_seconds=0)
    await new.append("new", [HELLO], expected_length=0)
    assert new._worker.sweep.running
    await asyncio.wait({new._worker.sweep.running})
    assert await database.sessions() == [(*times, False)] * 4


async def test_a_session_that_ended_does_not_come_back_with_a_longer_time(
    database: Kept,
) -> None:
    await database.store(MONTH, "1h").append("s", [HELLO], expected_length=0)
    await database.advance(timedelta(hours=2))
    store = database.store(Retention(days=60))
    await swept(store)
    await swept(store)
    assert await database.sessions() == [(timedelta(hours=1), 60 * DAY, True)]
    assert await store.load("s") is None


async def test_who_knows_no_policy_leaves_it_as_it_is(database: Kept) -> None:
    await database.store(MONTH).append("s", [HELLO], expected_length=0)
    await database.advance(DAY / 2)
    facade = database.store(None)
    assert await facade.load("s")
    await facade.checkpoint("s", [ANSWER], expected_length=1)
    assert await database.sessions() == [(DAY, 30 * DAY, False)]


async def test_what_a_policy_on_trial_would_delete_is_counted_once_by_all_pods(
    database: Kept,
) -> None:
    trial = Retention(ttl=Duration.parse("1h"), days=2, dry_run=True)
    pods = [database.store(trial, "240h") for _ in range(2)]
    for number in range(4):
        await pods[0].append(f"s{number}", [HELLO], expected_length=0)
    for _ in range(2):
        await database.advance(timedelta(hours=2))
        await asyncio.gather(*(swept(each) for each in pods))
    assert database.counted.total(dry_run=True) == RetentionEffects(4, 0, dry_run=True)
    assert await pods[0].load("s0")
    await database.advance(2 * DAY)
    await asyncio.gather(*(swept(each) for each in pods))
    assert database.counted.total(dry_run=True) == RetentionEffects(5, 4, dry_run=True)
    assert await pods[1].append("s1", [ANSWER], expected_length=1) == 2
    assert database.counted.total(dry_run=True) == RetentionEffects(5, 4, dry_run=True)
    assert database.counted.total() == RetentionEffects()
    assert len(await database.sessions()) == 4
