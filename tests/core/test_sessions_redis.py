"""What only sessions in Redis have."""

import asyncio

import pytest
from redis.asyncio import Redis

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import DeletedMessages, Message, Session, SessionSettings, StoreUnavailable
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.retention import Retention
from omnia_core.units import Duration
from tests.loopback_proxy import Proxy
from tests.services import free_port

TTL = Duration.parse("60s")
HELLO = Message(role="user", content="hello")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")
BOUND = Retention(max_messages=2)
TRIAL = Retention(ttl=Duration.parse("1s"), max_messages=2, dry_run=True)


async def test_a_redis_that_does_not_answer_is_unavailable_and_comes_back(redis_url: str) -> None:
    gone = RedisSessionStore(
        f"redis://127.0.0.1:{free_port()}/0",
        SessionSettings(ttl=TTL, namespace="default", agent="a"),
    )
    with pytest.raises(StoreUnavailable, match="ConnectionError"):
        await gone.load("a")
    with pytest.raises(StoreUnavailable):
        await gone.append("a", [HELLO], expected_length=0)
    with pytest.raises(StoreUnavailable):
        await gone.checkpoint("a", [HELLO], expected_length=0)
    await gone.close()


async def test_a_redis_that_drops_its_connections_is_used_again(redis_url: str) -> None:
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="drops")
    )
    async with Redis.from_url(redis_url) as redis:
        for length in range(8):
            await store.append("a", [HELLO], expected_length=length)
            await redis.client_kill_filter(_type="normal", skipme=True)
    session = await store.load("a")
    await store.close()
    assert session
    assert len(session.messages) == 8


async def test_two_pods_see_one_session(redis_url: str) -> None:
    first = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="pods")
    )
    second = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="pods")
    )
    await first.append("a", [HELLO], expected_length=0)
    await second.append("a", [ANSWER], expected_length=1)
    assert await first.load("a") == Session("a", (HELLO, ANSWER))
    await first.close()
    await second.close()


@pytest.mark.parametrize(("policy", "count"), [(None, 2), (BOUND, 3), (TRIAL, 3)])
async def test_no_key_lives_for_ever(redis_url: str, policy: Retention | None, count: int) -> None:
    agent = f"index-{policy}"
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent=agent, retention=policy)
    )
    for length in range(0, 6, 2):
        await store.append("a", [HELLO, ANSWER], expected_length=length)
    async with Redis.from_url(redis_url) as redis:
        keys = await redis.keys(f"omnia:default:{agent}:*")
        left = [await redis.pttl(key) for key in keys]
    await store.close()
    assert len(keys) == count
    assert all(0 < each <= TTL.milliseconds for each in left)


def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisSessionStore(
            "http://:secret@x", SessionSettings(ttl=TTL, namespace="default", agent="a")
        )
    assert "redis://" in caught.value.message
    assert "secret" not in caught.value.message


async def test_an_append_whose_answer_was_lost_is_sent_again_and_changes_nothing(
    redis_url: str,
) -> None:
    proxy = Proxy(int(redis_url.rsplit(":", 1)[1].removesuffix("/0")))
    async with proxy.serving() as port:
        store = RedisSessionStore(
            f"redis://127.0.0.1:{port}/0",
            SessionSettings(ttl=TTL, namespace="default", agent="cut"),
        )
        await store.append("a", [HELLO], expected_length=0)
        proxy.lose_answer = True
        assert await store.append("a", [ANSWER, HELLO], expected_length=1) == 3
        session = await store.load("a")
        await store.close()
    assert proxy.lost == 1
    assert session == Session("a", (HELLO, ANSWER, HELLO))


@pytest.mark.parametrize("policy", [None, BOUND, TRIAL])
async def test_a_turn_costs_three_calls_and_each_checkpoint_one(
    redis_url: str, policy: Retention | None
) -> None:
    agent = f"calls-{policy}"
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent=agent, retention=policy)
    )
    # the scripts are known to the server, and the connection is made
    await store.append("warm", [HELLO], expected_length=0)
    await store.load("warm")
    await store.checkpoint("warm", [ANSWER], expected_length=1)
    await store.append("a", [HELLO, ANSWER], expected_length=0)
    async with Redis.from_url(redis_url) as redis, redis.monitor() as monitor:
        await store.load("a")
        await store.append("a", [HELLO], expected_length=2)
        await store.checkpoint("a", [ANSWER], expected_length=3)
        await store.append("a", [ANSWER], expected_length=3)
        await store._redis.echo("end")
        sent: list[str] = []
        async with asyncio.timeout(20):
            async for each in monitor.listen():
                if each["command"].startswith("ECHO"):
                    break
                # what a script does inside the server is no round trip
                if each["client_type"] != "lua":
                    sent.append(each["command"].split()[0].upper())
    await store.close()
    assert sent == ["EVALSHA"] * 4


async def test_more_operations_at_once_than_connections_wait_their_turn(redis_url: str) -> None:
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="crowd")
    )
    lengths = await asyncio.gather(
        *(store.append(f"s{number}", [HELLO], expected_length=0) for number in range(500))
    )
    await store.close()
    assert lengths == [1] * 500


async def test_a_session_of_the_version_before_goes_on(redis_url: str) -> None:
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="old", retention=BOUND)
    )
    key = "omnia:default:old:{a}"
    begun = b'{"role":"user","content":"hello","pack_version":"1.0.0","user_id":"mia"}'
    async with Redis.from_url(redis_url) as redis:
        await redis.rpush(f"{key}:messages", begun, b'{"role":"assistant","content":"hi"}')
        await redis.set(f"{key}:last", "5a3f")
    assert await store.append("a", [HELLO, ANSWER], expected_length=2) == 4
    session = await store.load("a")
    await store.close()
    assert session == Session("a", (HELLO, ANSWER), (), DeletedMessages(2, 1, "1.0.0", "mia"))


async def test_an_append_that_is_sent_again_deletes_nothing_more(redis_url: str) -> None:
    proxy = Proxy(int(redis_url.rsplit(":", 1)[1].removesuffix("/0")))
    async with proxy.serving() as port:
        url = f"redis://127.0.0.1:{port}/0"
        store = RedisSessionStore(
            url, SessionSettings(ttl=TTL, namespace="default", agent="again", retention=BOUND)
        )
        await store.append("a", [HELLO, ANSWER], expected_length=0)
        proxy.lose_answer = True
        assert await store.append("a", [HELLO, ANSWER], expected_length=2) == 4
        session = await store.load("a")
        await store.close()
    assert proxy.lost == 1
    assert session == Session("a", (HELLO, ANSWER), (), DeletedMessages(2, 1))
