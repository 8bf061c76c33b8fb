"""The contract of the session store; every driver passes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import (
    Message,
    Session,
    SessionConflict,
    SessionStore,
    StoreUnavailable,
    ToolCall,
)
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.redis import RedisSessionStore
from omnia_core.units import Duration
from tests.services import free_port

TTL = Duration.parse("60s")
HELLO = Message(role="user", content="hello")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")


@dataclass
class Bed:
    """A store, and the power to let seconds pass in it."""

    store: SessionStore
    advance: Callable[[float], Awaitable[None]]


def memory_bed() -> Bed:
    now = 0.0

    async def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    return Bed(MemorySessionStore(TTL, clock=lambda: now), advance)


def redis_bed(url: str, redis: Redis) -> Bed:
    async def advance(seconds: float) -> None:
        for key in await redis.keys():
            left = await redis.pttl(key) - round(seconds * 1000)
            await redis.pexpire(key, max(left, 0))

    return Bed(RedisSessionStore(url, TTL, namespace="default", agent="a"), advance)


@pytest.fixture(params=["memory", "redis"])
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    if request.param == "memory":
        yield memory_bed()
        return
    url = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
        made = redis_bed(url, redis)
        yield made
        await made.store.close()


async def test_a_session_begins_with_its_first_append(bed: Bed) -> None:
    assert await bed.store.load("a") is None
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1
    assert await bed.store.append("a", [ANSWER], expected_length=1) == 2
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))


async def test_messages_come_back_as_they_were(bed: Bed) -> None:
    messages = (
        Message(role="assistant", tool_calls=(ToolCall("1", "look_up", '{"a": "é\\u0000"}'),)),
        Message(role="tool", content="ünï\ncode \x00", tool_call_id="1", is_error=True),
        Message(role="assistant", content="", finish_reason="cancelled", created_at="2026-01-01"),
    )
    await bed.store.append("a", messages, expected_length=0)
    assert await bed.store.load("a") == Session("a", messages)


async def test_sessions_do_not_see_each_other(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.load("b") is None


async def test_an_append_after_another_writer_is_refused_whole(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    with pytest.raises(SessionConflict, match="send the message again"):
        await bed.store.append("a", [HELLO, ANSWER], expected_length=0)
    assert await bed.store.load("a") == Session("a", (HELLO,))


async def test_of_many_writers_at_once_one_wins(bed: Bed) -> None:
    async def write(number: int) -> bool:
        try:
            message = Message(role="user", content=str(number))
            await bed.store.append("a", [message, ANSWER], expected_length=0)
        except SessionConflict:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(50)))

    session = await bed.store.load("a")
    assert won.count(True) == 1
    assert session
    assert session.messages == (Message(role="user", content=str(won.index(True))), ANSWER)


async def test_a_session_ends_after_its_time_to_live(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.advance(TTL.seconds)
    assert await bed.store.load("a") is None
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1


async def test_reading_and_writing_begin_the_time_to_live_anew(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.append("b", [HELLO], expected_length=0)
    await bed.advance(40)
    await bed.store.load("a")
    await bed.advance(15)
    await bed.store.append("a", [ANSWER], expected_length=1)
    await bed.advance(50)
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))
    assert await bed.store.load("b") is None


async def test_a_redis_that_does_not_answer_is_unavailable_and_comes_back(redis_url: str) -> None:
    gone = RedisSessionStore(
        f"redis://127.0.0.1:{free_port()}/0", TTL, namespace="default", agent="a"
    )
    with pytest.raises(StoreUnavailable, match="ConnectionError"):
        await gone.load("a")
    with pytest.raises(StoreUnavailable):
        await gone.append("a", [HELLO], expected_length=0)
    await gone.close()


async def test_a_redis_that_drops_its_connections_is_used_again(redis_url: str) -> None:
    store = RedisSessionStore(redis_url, TTL, namespace="default", agent="drops")
    async with Redis.from_url(redis_url) as redis:
        for length in range(8):
            await store.append("a", [HELLO], expected_length=length)
            await redis.client_kill_filter(_type="normal", skipme=True)
    session = await store.load("a")
    await store.close()
    assert session
    assert len(session.messages) == 8


async def test_two_pods_see_one_session(redis_url: str) -> None:
    first = RedisSessionStore(redis_url, TTL, namespace="default", agent="pods")
    second = RedisSessionStore(redis_url, TTL, namespace="default", agent="pods")
    await first.append("a", [HELLO], expected_length=0)
    await second.append("a", [ANSWER], expected_length=1)
    assert await first.load("a") == Session("a", (HELLO, ANSWER))
    await first.close()
    await second.close()


async def test_no_key_lives_for_ever(redis_url: str) -> None:
    store = RedisSessionStore(redis_url, TTL, namespace="default", agent="index")
    await store.append("a", [HELLO], expected_length=0)
    async with Redis.from_url(redis_url) as redis:
        keys = await redis.keys("omnia:default:index:*")
        left = [await redis.pttl(key) for key in keys]
    await store.close()
    assert len(keys) == 2
    assert all(0 < each <= TTL.milliseconds for each in left)


def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisSessionStore("http://:secret@x", TTL, namespace="default", agent="a")
    assert "redis://" in caught.value.message
    assert "secret" not in caught.value.message
