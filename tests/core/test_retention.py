"""The contract of retention; every driver of the session store passes it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.sessions import DeletedMessages, Message, Session, SessionConflict
from omnia_core.sessions.factory import open_sessions, retention_of
from omnia_core.sessions.retention import Retention, RetentionEffects, first_kept
from omnia_core.units import Duration
from tests.core.session_beds import KINDS, TTL, Bed, Counted, bed_of, redis_store

FOUR = Retention(max_messages=4)
CALLS = Message("assistant", finish_reason="tool_use")
RESULT = Message("tool", "1")
ANSWER = Message("assistant", "hi", finish_reason="stop")

Open = Callable[[Retention], AbstractAsyncContextManager[Bed]]


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Open:
    """Return a function that opens a bed under a policy."""

    @asynccontextmanager
    async def opening(retention: Retention) -> AsyncIterator[Bed]:
        async with bed_of(request.param, request, retention) as made:
            yield made

    return opening


def user(text: str, version: str = "1.0.0", user_id: str = "") -> Message:
    return Message("user", text, pack_version=version, user_id=user_id)


async def turn(bed: Bed, length: int, begins: Message, *rest: Message) -> int:
    """Append a turn as a runtime does, to the session `s`."""
    begun = await bed.store.append("s", [begins], expected_length=length)
    return await bed.other.append("s", rest or [ANSWER], expected_length=begun)


async def test_a_session_keeps_its_last_turns_and_counts_on(opened: Open) -> None:
    async with opened(FOUR) as bed:
        length = 0
        for number in range(5):
            length = await turn(bed, length, user(str(number)))
        with pytest.raises(SessionConflict, match="has 10 messages where 4"):
            await bed.store.append("s", [user("late")], expected_length=4)
        session = await bed.store.load("s")
        counted = bed.counted.total()
    assert session == Session(
        "s", (user("3"), ANSWER, user("4"), ANSWER), (), DeletedMessages(6, 3, "1.0.0")
    )
    assert (session.first, session.length, length) == (6, 10, 10)
    assert counted == RetentionEffects(messages_deleted=6)


async def test_what_is_kept_begins_with_a_message_of_the_user(opened: Open) -> None:
    async with opened(FOUR) as bed:
        length = await turn(bed, 0, user("a"), CALLS, RESULT, ANSWER)
        length = await turn(bed, length, user("b"))
        await turn(bed, length, user("c"))
        session = await bed.store.load("s")
    assert session
    assert session.messages == (user("b"), ANSWER, user("c"), ANSWER)
    assert session.deleted == DeletedMessages(4, 1, "1.0.0")


async def test_a_session_of_exactly_the_limit_is_kept_whole(opened: Open) -> None:
    messages = (ANSWER, user("a"), ANSWER)
    async with opened(Retention(max_messages=3)) as bed:
        await bed.store.append("s", messages[:1], expected_length=0)
        await bed.store.append("s", messages[1:], expected_length=1)
        assert await bed.store.load("s") == Session("s", messages)


async def test_the_newest_turn_is_never_cut(opened: Open) -> None:
    async with opened(Retention(max_messages=2)) as bed:
        length = await turn(bed, 0, user("a"))
        rounds = (CALLS, RESULT, CALLS, RESULT, ANSWER)
        length = await turn(bed, length, user("b"), *rounds)
        long = await bed.store.load("s")
        await turn(bed, length, user("c"))
        session = await bed.store.load("s")
    assert long
    assert (long.messages, long.first) == ((user("b"), *rounds), 2)
    assert session
    assert (session.messages, session.first) == ((user("c"), ANSWER), 8)


async def test_a_long_turn_that_comes_at_once_takes_the_place_of_those_before(
    opened: Open,
) -> None:
    long = (user("b"), CALLS, RESULT, ANSWER)
    async with opened(Retention(max_messages=3)) as bed:
        await bed.store.append("s", [user("a"), ANSWER], expected_length=0)
        await bed.store.append("s", long, expected_length=2)
        session = await bed.store.load("s")
    assert session
    assert (session.messages, session.first) == (long, 2)


async def test_the_call_of_a_function_is_one_turn(opened: Open) -> None:
    call = (user("{}"), ANSWER, user("mend this"), ANSWER)
    async with opened(Retention(max_messages=2)) as bed:
        await bed.store.append("s", call, expected_length=0)
        assert await bed.store.load("s") == Session("s", call)


async def test_what_a_session_began_with_outlives_its_first_message(opened: Open) -> None:
    async with opened(Retention(max_messages=2)) as bed:
        length = await turn(bed, 0, user('say "user_id":"eve"', "1.0.0 \\ \0", "mia \\ \0"))
        for number in range(3):
            length = await turn(bed, length, user(str(number), "2.0.0", "ben"))
        session = await bed.other.load("s")
        await bed.store.append("open", [user("a")], expected_length=0)
        await bed.store.append("open", [ANSWER, user("b", user_id="ben")], expected_length=1)
        anybodys = await bed.other.load("open")
    assert session
    assert session.messages == (user("2", "2.0.0", "ben"), ANSWER)
    assert session.deleted == DeletedMessages(6, 3, "1.0.0 \\ \0", "mia \\ \0")
    assert (session.pack_version, session.user_id) == ("1.0.0 \\ \0", "mia \\ \0")
    assert anybodys
    assert (anybodys.first, anybodys.user_id) == (2, "")


async def test_a_checkpoint_belongs_to_the_length_that_was_ever_reached(opened: Open) -> None:
    part = Message("assistant", "h", finish_reason="interrupted")
    async with opened(Retention(max_messages=2)) as bed:
        length = await turn(bed, 0, user("a"))
        length = await bed.store.append("s", [user("b")], expected_length=length)
        await bed.store.checkpoint("s", [part], expected_length=1)
        await bed.other.checkpoint("s", [ANSWER], expected_length=length)
        session = await bed.store.load("s")
    assert session
    assert (session.messages, session.interrupted, length) == ((user("b"),), (ANSWER,), 3)


async def test_of_many_writers_of_a_trimmed_session_each_is_stored_once(opened: Open) -> None:
    places: dict[int, int] = {}

    async def write(number: int) -> None:
        store = bed.other if number % 2 else bed.store
        while True:
            session = await store.load("s")
            length = session.length if session else 0
            try:
                await store.append("s", [user(str(number))], expected_length=length)
            except SessionConflict:
                continue
            places[length] = number
            return

    async with opened(FOUR) as bed:
        await asyncio.gather(*(write(number) for number in range(20)))
        session = await bed.store.load("s")
        counted = bed.counted.total()
    assert session
    assert sorted(places) == list(range(20))
    kept = [places[each] for each in range(16, 20)]
    assert [int(each.content) for each in session.messages] == kept
    assert counted.messages_deleted == 16


async def test_a_session_that_ends_takes_what_it_deleted_with_it(opened: Open) -> None:
    async with opened(Retention(max_messages=2)) as bed:
        length = await turn(bed, 0, user("a", user_id="mia"))
        await turn(bed, length, user("b"))
        await bed.advance(TTL.seconds)
        assert await bed.store.load("s") is None
        assert await turn(bed, 0, user("c")) == 2
        session = await bed.store.load("s")
    assert session == Session("s", (user("c"), ANSWER))


async def test_a_policy_on_trial_changes_nothing_and_counts_the_same(opened: Open) -> None:
    turns = [(user(str(each)), *[CALLS, RESULT] * (each % 3), ANSWER) for each in range(12)]
    counts = []
    for dry_run in (False, True):
        async with opened(Retention(max_messages=7, dry_run=dry_run)) as bed:
            length = 0
            for each in turns:
                length = await turn(bed, length, *each)
            session = await bed.store.load("s")
            counts.append(bed.counted.total(dry_run=dry_run).messages_deleted)
    assert session
    assert [*session.messages] == [message for each in turns for message in each]
    # the last turn has six messages, the one before it four
    assert counts == [42, 42]


async def test_a_session_that_a_policy_on_trial_would_have_ended_is_counted_once(
    opened: Open,
) -> None:
    trial = Retention(ttl=Duration.parse("20s"), dry_run=True)
    async with opened(trial) as bed:
        length = await turn(bed, 0, user("a"))
        await bed.advance(5)
        assert await bed.store.load("s")
        await bed.advance(25)
        assert await bed.store.load("s")
        assert await turn(bed, length, user("b")) == 4
        await bed.advance(30)
        assert await turn(bed, 4, user("c")) == 6
        would, did = bed.counted.total(dry_run=True), bed.counted.total()
    assert (would.sessions_ended, would.sessions_deleted) == (2, 2)
    assert did == RetentionEffects()


async def test_a_policy_that_is_no_trial_would_have_done_nothing(opened: Open) -> None:
    async with opened(Retention(ttl=Duration.parse("20s"), max_messages=2)) as bed:
        length = await turn(bed, 0, user("a"))
        await bed.advance(25)
        assert await bed.store.load("s")
        await turn(bed, length, user("b"))
        assert bed.counted.total(dry_run=True) == RetentionEffects(dry_run=True)


async def test_sessions_that_ended_in_memory_are_counted(request: pytest.FixtureRequest) -> None:
    async with bed_of("memory", request) as bed:
        for name in "abc":
            await bed.store.append(name, [user(name)], expected_length=0)
        await bed.advance(TTL.seconds)
        assert await bed.store.load("d") is None
        assert bed.counted.total() == RetentionEffects(3, 3)
        assert len(bed.counted.done) == 1
        await bed.store.append("e", [user("e")], expected_length=0)
        await bed.store.close()
        assert await bed.store.load("e") is None


def test_effects_are_true_when_there_is_one() -> None:
    assert not RetentionEffects(dry_run=True)
    assert all([RetentionEffects(1), RetentionEffects(0, 1), RetentionEffects(0, 0, 1)])


async def test_a_message_that_a_policy_on_trial_would_have_deleted_is_counted_once(
    opened: Open,
) -> None:
    counts = []
    async with opened(Retention(max_messages=1, dry_run=True)) as bed:
        for length in range(4):
            await bed.store.append("s", [user(str(length))], expected_length=length)
            counts.append(bed.counted.total(dry_run=True).messages_deleted)
    assert counts == [0, 1, 2, 3]


async def test_a_policy_on_trial_counts_from_what_an_earlier_policy_has_left(
    redis_url: str,
) -> None:
    counted, session = Counted(), "trial"
    strict = Retention(max_messages=2, dry_run=True)
    store, trial = redis_store(redis_url, FOUR), redis_store(redis_url, strict, counted)
    for length in range(0, 12, 2):
        await store.append(session, [user(str(length)), ANSWER], expected_length=length)
    counts = []
    for length in range(12, 16, 2):
        await trial.append(session, [user(str(length)), ANSWER], expected_length=length)
        counts.append(counted.total(dry_run=True).messages_deleted)
    await store.close()
    await trial.close()
    # Eight of the fourteen messages are deleted already, and the last two stay.
    assert counts == [4, 6]


async def test_a_trimmed_session_goes_on_without_the_policy(redis_url: str) -> None:
    store, plain = redis_store(redis_url, FOUR), redis_store(redis_url)
    for length in range(0, 12, 2):
        await store.append("plain", [user(str(length)), ANSWER], expected_length=length)
    assert await plain.append("plain", [user("x"), ANSWER], expected_length=12) == 14
    session = await store.load("plain")
    await store.close()
    await plain.close()
    assert session
    assert (session.first, len(session.messages)) == (8, 6)


@pytest.mark.parametrize(
    ("roles", "most", "first"),
    [
        ("uauaua", 4, 2),
        ("uauaua", 3, 4),
        ("uaaaua", 4, 4),
        ("uauaaaa", 3, 2),
        ("aaaa", 2, 0),
        ("ua", 2, 0),
        ("", 2, 0),
    ],
)
def test_messages_are_kept_from_the_beginning_of_a_turn_on(
    roles: str, most: int, first: int
) -> None:
    messages = [Message("user" if each == "u" else "assistant") for each in roles]
    assert first_kept(messages, most) == first


def test_the_environment_of_a_runtime_holds_the_policy() -> None:
    policy = Retention(Duration.parse("24h"), 30, 500, dry_run=True)
    env = RuntimeEnv(
        agent_name="a",
        retention_ttl=policy.ttl,
        retention_days=30,
        retention_max_messages=500,
        retention_dry_run=True,
    )
    written = {each.name: each.value or "" for each in env.render()}
    assert retention_of(RuntimeEnv.parse(written)) == policy
    assert not retention_of(RuntimeEnv(agent_name="a")).bounds_anything
    for bound in (Retention(ttl=policy.ttl), Retention(days=1), Retention(max_messages=1)):
        assert bound.bounds_anything


async def test_a_policy_reaches_the_store_that_the_environment_names() -> None:
    env = RuntimeEnv(agent_name="a", retention_max_messages=2)
    bounded, free = open_sessions(env), open_sessions(FacadeEnv(agent_name="a"))
    for store in (bounded, free):
        for length in range(0, 6, 2):
            await store.append("s", [user("x"), ANSWER], expected_length=length)
    kept = [
        len(each.messages) if each else 0
        for each in (await bounded.load("s"), await free.load("s"))
    ]
    assert kept == [2, 6]


@pytest.mark.parametrize(
    ("policy", "ttl"),
    [
        (Retention(), "24h"),
        (Retention(ttl=Duration.parse("48h")), "24h"),
        (Retention(ttl=Duration.parse("1h"), days=1), "1h"),
        (Retention(days=1), "24h"),
        (Retention(ttl=Duration.parse("1h"), dry_run=True), "1h"),
    ],
)
def test_the_shortest_time_to_live_holds(policy: Retention, ttl: str) -> None:
    assert policy.bounded(Duration.parse("24h")) == Duration.parse(ttl)
    assert policy.bounded(Duration.parse("30m")) == Duration.parse("30m")
