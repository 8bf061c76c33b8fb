"""What only sessions in Redis have."""

import asyncio

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import DeletedMessages, Message, Session, SessionSettings, StoreUnavailable
from omnia_core.sessions.redis.client import redis_client, split_replicas
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.retention import Retention, RetentionEffects
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


@pytest.mark.parametrize(
    ("query", "rest", "replicas"),
    [
        ("", "", 0),
        ("?db=1&empty=", "?db=1&empty=", 0),
        ("?replicas=2", "", 2),
        ("?replicas=0", "", 0),
        ("?a=b&replicas=2&empty=&replicas=3", "?a=b&empty=", 3),
    ],
)
def test_the_number_of_replicas_is_taken_out_of_the_url(
    query: str, rest: str, replicas: int
) -> None:
    assert split_replicas(f"redis://h:1/0{query}") == (f"redis://h:1/0{rest}", replicas)


@pytest.mark.parametrize("value", ["10", "²", "٣", "x", "", "-1", "many", "1" * 20])
def test_a_number_of_replicas_is_one_digit(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        split_replicas(f"redis://:secret@h:1/0?replicas=1&replicas={value}")
    assert caught.value.message == (
        f"replicas={value[:16]} in the URL of the session store: expected a digit"
    )


def test_a_client_waits_for_a_server_and_for_a_connection_only_so_long() -> None:
    pool = redis_client("redis://h:1/0").connection_pool
    assert isinstance(pool, BlockingConnectionPool)
    assert (pool.max_connections, pool.timeout) == (32, 2.0)
    chosen = pool.connection_kwargs
    names = ("socket_timeout", "socket_connect_timeout", "health_check_interval")
    assert [chosen[name] for name in names] == [2.0, 2.0, 30]
    assert chosen["retry"] == Retry(FullJitterBackoff(cap=0.5, base=0.05), 3)


async def test_a_redis_that_is_silent_once_is_asked_again(redis_url: str) -> None:
    asked = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await reader.read()
            writer.close()
            return
        port = int(redis_url.rsplit(":", 1)[1].removesuffix("/0"))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = SessionSettings(ttl=TTL, namespace="default", agent="silent")
        store = RedisSessionStore(f"redis://127.0.0.1:{port}/0", settings)
        assert await store.append("a", [HELLO], expected_length=0) == 1
        assert asked == 2
        await store.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_nothing_is_reported_when_retention_did_nothing(redis_url: str) -> None:
    told: list[RetentionEffects] = []
    settings = SessionSettings(
        ttl=TTL, namespace="default", agent="told", retention=BOUND, on_retention=told.append
    )
    store = RedisSessionStore(redis_url, settings)
    for length in range(0, 6, 2):
        await store.append("a", [HELLO, ANSWER], expected_length=length)
        await store.load("a")
    await store.close()
    assert told == [RetentionEffects(messages_deleted=2)] * 2


async def test_a_session_whose_messages_were_evicted_begins_anew(redis_url: str) -> None:
    settings = SessionSettings(ttl=TTL, namespace="default", agent="evicted", retention=BOUND)
    store = RedisSessionStore(redis_url, settings)
    for length in range(0, 4, 2):
        await store.append("a", [HELLO, ANSWER], expected_length=length)
    async with Redis.from_url(redis_url) as redis:
        await redis.delete("omnia:default:evicted:{a}:messages")
    assert await store.load("a") is None
    assert await store.append("a", [ANSWER], expected_length=0) == 1
    session = await store.load("a")
    await store.close()
    assert session == Session("a", (ANSWER,))


async def test_agents_and_namespaces_have_sessions_of_their_own(redis_url: str) -> None:
    places = [("a", "b"), ("a", "c"), ("b", "b")]
    stores = [
        RedisSessionStore(
            redis_url, SessionSettings(ttl=TTL, namespace=f"own-{space}", agent=agent)
        )
        for space, agent in places
    ]
    for store in stores:
        assert await store.load("s") is None
        assert await store.append("s", [HELLO], expected_length=0) == 1
        await store.close()


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


async def test_a_pod_of_the_version_before_goes_on_with_a_session_that_has_a_name(
    redis_url: str,
) -> None:
    store = RedisSessionStore(
        redis_url, SessionSettings(ttl=TTL, namespace="default", agent="named", retention=BOUND)
    )
    key = "omnia:default:named:{a}"
    await store.append("a", [HELLO, ANSWER], expected_length=0)
    await store.rename("a", "greetings", expected_name="")
    async with Redis.from_url(redis_url) as redis:
        # as its script for loading reads the hash, and its scripts for writing renew it
        past = await redis.hmget(f"{key}:past", "messages", "turns", "pack_version", "user_id")
        assert past == [None] * 4
        messages_left = await redis.pttl(f"{key}:messages")
        # The name was stored a moment after the messages.
        assert 0 < await redis.pttl(f"{key}:past") <= messages_left + 10_000
    assert await store.append("a", [HELLO, ANSWER], expected_length=2) == 4
    session = await store.load("a")
    await store.close()
    assert session == Session("a", (HELLO, ANSWER), (), DeletedMessages(2, 1), "greetings")


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
