"""The contract of the feed of evaluations, which every store passes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.feed import CLAIM_SECONDS, DueSession, Progress, SessionFeed
from tests.core.session_beds import KINDS, Bed, bed_of

ASKED, ANSWERED = Message("user", "hello"), Message("assistant", "hi")
STRANGE = "{b}\0\\0 🙂"


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request, evaluated=True) as made:
        yield made


def feed_of(store: SessionStore) -> SessionFeed:
    assert store.feed
    return store.feed


async def turn(store: SessionStore, session_id: str, known: int = 0) -> None:
    """Store a turn as the runtime does: the question, then the answer."""
    length = await store.append(session_id, [ASKED], expected_length=known)
    await store.append(session_id, [ANSWERED], expected_length=length)


async def only(feed: SessionFeed, seconds: float = CLAIM_SECONDS) -> DueSession:
    (due,) = await feed.claim(10, seconds)
    return due


@pytest.mark.parametrize("kind", KINDS)
async def test_without_evaluations_there_is_no_feed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with bed_of(kind, request) as bed:
        await turn(bed.store, "a")
        assert bed.store.feed is None


async def test_a_session_with_an_answer_is_due_at_once_and_once(bed: Bed) -> None:
    await turn(bed.store, STRANGE)
    due = await only(feed_of(bed.other))
    assert (due.session_id, due.progress) == (STRANGE, Progress())
    assert 0 <= due.idle_seconds < CLAIM_SECONDS
    assert not await feed_of(bed.store).claim(10)


async def test_a_turn_that_has_only_begun_is_not_due(bed: Bed) -> None:
    await bed.store.append("a", [ASKED], expected_length=0)
    assert not await feed_of(bed.store).claim(10)


async def test_a_call_of_a_function_is_due_at_once(bed: Bed) -> None:
    await bed.store.append("a", [ASKED, ANSWERED], expected_length=0)
    assert (await only(feed_of(bed.store))).session_id == "a"


async def test_an_append_that_is_refused_makes_nothing_due(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.store)
    await feed.done(await only(feed), Progress(1), 60)
    with pytest.raises(Exception, match="messages where"):
        await bed.store.append("a", [ANSWERED], expected_length=7)
    assert not await feed.claim(10)


async def test_what_is_done_is_due_again_when_it_was_said_and_keeps_its_progress(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.store)
    await feed.done(await only(feed), Progress(1, attempts=2), 60)
    assert not await feed.claim(10)
    await turn(bed.store, "a", known=2)
    due = await only(feed)
    assert due.progress == Progress(1, attempts=2)
    await feed.done(due, Progress(2), 0)
    assert (await only(feed)).progress == Progress(2)


async def test_a_session_that_changes_while_it_is_claimed_is_due_again_at_once(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.other)
    due = await only(feed)
    await turn(bed.store, "a", known=2)
    assert not await feed.claim(10)
    await feed.done(due, Progress(1), 60)
    assert (await only(feed)).progress == Progress(1)


async def test_what_is_held_is_not_due_earlier_when_it_changes(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.store)
    due = await only(feed)
    await turn(bed.store, "a", known=2)
    await feed.done(due, Progress(attempts=1), 60, held=True)
    await turn(bed.store, "a", known=4)
    assert not await feed.claim(10)


async def test_what_is_forgotten_is_due_again_only_if_it_has_changed(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.store)
    await feed.forget(await only(feed))
    assert not await feed.claim(10)
    assert (await feed.backlog()).sessions == 0
    await turn(bed.store, "b")
    due = await only(feed)
    await turn(bed.store, "b", known=2)
    await feed.forget(due)
    assert (await only(feed)).session_id == "b"


async def test_two_workers_that_race_claim_each_session_once(bed: Bed) -> None:
    names = {f"s{number}" for number in range(40)}
    for name in names:
        await turn(bed.store, name)

    async def work(feed: SessionFeed) -> list[str]:
        found = []
        while claimed := await feed.claim(3):
            found += [due.session_id for due in claimed]
        return found

    one, other = await asyncio.gather(work(feed_of(bed.store)), work(feed_of(bed.other)))
    assert sorted(one + other) == sorted(names)


async def test_a_claim_of_a_worker_that_died_is_taken_over_after_its_time(bed: Bed) -> None:
    await turn(bed.store, "a")
    dead = await only(feed_of(bed.store), seconds=0)
    taken = await only(feed_of(bed.other))
    # Whoever comes back says nothing any more about what another worker has.
    await feed_of(bed.store).done(dead, Progress(7), 0)
    await feed_of(bed.store).forget(dead)
    assert not await feed_of(bed.store).claim(10)
    await feed_of(bed.other).done(taken, Progress(1), 0)
    assert (await only(feed_of(bed.store))).progress == Progress(1)


async def test_a_claim_that_is_renewed_is_not_taken_over(bed: Bed) -> None:
    await turn(bed.store, "a")
    feed = feed_of(bed.store)
    due = await only(feed, seconds=0)
    await feed.renew(due)
    assert not await feed_of(bed.other).claim(10)
    await feed.renew(due, 0)
    assert (await only(feed_of(bed.other))).session_id == "a"


async def test_the_backlog_counts_what_is_due_also_while_it_is_claimed(bed: Bed) -> None:
    feed = feed_of(bed.store)
    assert (await feed.backlog()).sessions == 0
    for name in ("a", "b"):
        await turn(bed.store, name)
    assert (await feed.backlog()).sessions == 2
    for due in await feed.claim(10):
        await feed.done(due, Progress(1), 60)
    backlog = await feed.backlog()
    assert (backlog.sessions, backlog.oldest_seconds) == (0, 0)


async def test_what_judges_cost_is_added_up_by_day(bed: Bed) -> None:
    one, other = feed_of(bed.store), feed_of(bed.other)
    assert await one.spend("2026-01-31", 0.25) == 0.25
    assert await other.spend("2026-01-31", 0.5) == 0.75
    assert await one.spend("2026-01-31", 0) == 0.75
    assert await one.spend("2026-02-01", 0) == 0
