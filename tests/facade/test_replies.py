"""The contract of the store of replies; every driver passes it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from omnia_core.env import FacadeEnv, SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.sqlite.connection import connect
from omnia_facade.idempotency.memory import MemoryReplyStore
from omnia_facade.idempotency.mongodb import MongoReplyStore
from omnia_facade.idempotency.opening import open_reply_store
from omnia_facade.idempotency.postgres import PostgresReplyStore
from omnia_facade.idempotency.redis import RedisReplyStore
from omnia_facade.idempotency.sqlite import SqliteReplyStore
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore
from tests.core.session_beds import empty, mongo_client
from tests.services import LIMIT, MongoServer, PostgresServer, free_port

SCOPE, OTHER = b"\x00\xff" * 16, b"\x01" * 32
PRINT, OTHER_PRINT = b"\x02\x00" * 16, b"\x03" * 32
REPLY = b"\x00\xffreply"
LEASE, TTL = 30.0, 3600.0


@dataclass
class Bed:
    """A store, that of another pod, and the power to let seconds pass in them."""

    store: ReplyStore
    other: ReplyStore
    advance: Callable[[float], Awaitable[None]]


def memory_bed() -> Bed:
    now = 0.0

    async def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    store = MemoryReplyStore(clock=lambda: now)
    return Bed(store, store, advance)


def redis_bed(url: str, redis: Redis) -> Bed:
    async def advance(seconds: float) -> None:
        for key in await redis.keys("omnia:replies:*"):
            left = await redis.pttl(key) - round(seconds * 1000)
            await redis.pexpire(key, max(left, 0))

    def store() -> RedisReplyStore:
        return RedisReplyStore(url, namespace="replies", agent="a")

    return Bed(store(), store(), advance)


def postgres_bed(url: str, connection: asyncpg.Connection) -> Bed:
    async def advance(seconds: float) -> None:
        await connection.execute(
            "UPDATE omnia.replies SET expires_at = expires_at - $1::interval",
            timedelta(seconds=seconds),
        )

    return Bed(postgres_store(url), postgres_store(url), advance)


def postgres_store(url: str, **sweeping: float) -> PostgresReplyStore:
    made: PostgresReplyStore = PostgresReplyStore(
        url,
        namespace="replies",
        agent="a",
        sweep_seconds=sweeping.get("seconds", 60),
        sweep_batch=int(sweeping.get("batch", 200)),
    )
    return made


def sqlite_bed(path: Path) -> Bed:
    async def advance(seconds: float) -> None:
        with contextlib.closing(connect(path)) as connection:
            connection.execute("UPDATE replies SET expires_at = after(expires_at, ?)", (-seconds,))

    return Bed(sqlite_store(path), sqlite_store(path), advance)


def sqlite_store(path: Path, **sweeping: float) -> SqliteReplyStore:
    return SqliteReplyStore(
        path,
        namespace="replies",
        agent="a",
        sweep_seconds=sweeping.get("seconds", 60),
        sweep_batch=int(sweeping.get("batch", 200)),
    )


def mongo_bed(url: str, client: AsyncMongoClient[dict[str, Any]]) -> Bed:
    async def advance(seconds: float) -> None:
        replies = client["omnia"]["replies"]
        for each in await replies.find().to_list():
            over = each["expires_at"] - timedelta(seconds=seconds)
            await replies.update_one({"_id": each["_id"]}, {"$set": {"expires_at": over}})

    return Bed(mongo_store(url), mongo_store(url), advance)


def mongo_store(url: str, **sweeping: float) -> MongoReplyStore:
    return MongoReplyStore(
        url, namespace="replies", agent="a", sweep_seconds=sweeping.get("seconds", 60)
    )


@pytest.fixture(params=["memory", "redis", "postgres", "sqlite", "mongodb"])
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    if request.param == "memory":
        yield memory_bed()
        return
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        async with Redis.from_url(url) as redis:
            await redis.flushdb()
            made = redis_bed(url, redis)
            yield made
    elif request.param == "sqlite":
        made = sqlite_bed(request.getfixturevalue("tmp_path") / "sessions.db")
        yield made
    elif request.param == "mongodb":
        url = request.getfixturevalue("mongo").url
        async with mongo_client(url) as client:
            await client.drop_database("omnia")
            made = mongo_bed(url, client)
            yield made
            await made.store.close()
            await made.other.close()
        return
    else:
        url = request.getfixturevalue("postgres").url
        connection = await asyncpg.connect(url)
        await empty(connection)
        made = postgres_bed(url, connection)
        yield made
        await connection.close()
    await made.store.close()
    await made.other.close()


async def claim(store: ReplyStore, holder: str, **changes: bytes) -> ExistingClaim | None:
    scope, fingerprint = changes.get("scope", SCOPE), changes.get("fingerprint", PRINT)
    return await store.claim(scope, fingerprint, holder, lease_seconds=LEASE)


async def test_the_first_holds_the_scope_and_the_second_sees_it(bed: Bed) -> None:
    assert await claim(bed.store, "first") is None
    assert await claim(bed.other, "second", fingerprint=OTHER_PRINT) == ExistingClaim(PRINT, None)
    assert await claim(bed.other, "second", scope=OTHER) is None


async def test_a_claim_that_is_sent_again_because_its_answer_was_lost_is_good(bed: Bed) -> None:
    assert await claim(bed.store, "first") is None
    assert await claim(bed.store, "first") is None


async def test_of_many_claims_at_once_one_wins(bed: Bed) -> None:
    stores = [bed.store, bed.other] * 15
    got = await asyncio.gather(*(claim(each, f"h{n}") for n, each in enumerate(stores)))
    assert got.count(None) == 1
    assert got.count(ExistingClaim(PRINT, None)) == 29


async def test_a_reply_stands_for_its_time(bed: Bed) -> None:
    await claim(bed.store, "first")
    await bed.store.keep(SCOPE, "first", REPLY, ttl_seconds=TTL)
    await bed.advance(TTL - 10)
    assert await claim(bed.other, "second") == ExistingClaim(PRINT, REPLY)
    await bed.advance(11)
    assert await claim(bed.other, "third", fingerprint=OTHER_PRINT) is None
    assert await claim(bed.store, "fourth") == ExistingClaim(OTHER_PRINT, None)


async def test_a_scope_is_found_while_it_is_held_or_has_its_reply(bed: Bed) -> None:
    assert await bed.store.find(SCOPE) is None
    await claim(bed.store, "first")
    assert await bed.other.find(SCOPE) == ExistingClaim(PRINT, None)
    await bed.store.keep(SCOPE, "first", REPLY, ttl_seconds=TTL)
    assert await bed.other.find(SCOPE) == ExistingClaim(PRINT, REPLY)
    await bed.advance(TTL + 1)
    assert await bed.other.find(SCOPE) is None


async def test_a_holder_replaces_its_reply_and_others_do_not(bed: Bed) -> None:
    await claim(bed.store, "first")
    for reply in (b"one", b"two"):
        await bed.store.keep(SCOPE, "first", reply, ttl_seconds=TTL)
    await bed.other.keep(SCOPE, "second", b"three", ttl_seconds=TTL)
    assert await bed.other.find(SCOPE) == ExistingClaim(PRINT, b"two")


async def test_a_holder_that_died_holds_no_longer_than_its_lease(bed: Bed) -> None:
    await claim(bed.store, "died")
    await bed.advance(LEASE + 1)
    assert await claim(bed.other, "next", fingerprint=OTHER_PRINT) is None
    await bed.store.keep(SCOPE, "died", REPLY, ttl_seconds=TTL)
    await bed.store.release(SCOPE, "died")
    assert await claim(bed.store, "third") == ExistingClaim(OTHER_PRINT, None)


async def test_a_scope_that_is_released_is_free(bed: Bed) -> None:
    await claim(bed.store, "first")
    await bed.store.release(SCOPE, "first")
    assert await claim(bed.other, "second") is None


async def test_a_reply_is_not_released(bed: Bed) -> None:
    await claim(bed.store, "first")
    await bed.store.keep(SCOPE, "first", REPLY, ttl_seconds=TTL)
    await bed.store.release(SCOPE, "first")
    assert await claim(bed.store, "second") == ExistingClaim(PRINT, REPLY)


async def full(store: MemoryReplyStore, reply: bytes) -> list[bool]:
    """Keep two replies; return which of them are there."""
    for scope in (SCOPE, OTHER):
        await claim(store, "first", scope=scope)
        await store.keep(scope, "first", reply, ttl_seconds=TTL)
    return [await claim(store, "again", scope=scope) is not None for scope in (SCOPE, OTHER)]


# A reply counts with 512 bytes for its entry.
@pytest.mark.parametrize(("size", "kept"), [(100, [True, True]), (101, [False, True])])
async def test_memory_is_used_to_its_last_byte(size: int, kept: list[bool]) -> None:
    assert await full(MemoryReplyStore(max_bytes=2 * (512 + 100)), b"x" * size) == kept
    assert await full(MemoryReplyStore(max_bytes=2 * (512 + 100) - 1), b"x" * size) == [False, True]


async def test_memory_holds_16_mib_of_replies() -> None:
    half = 8 * 1024 * 1024 - 512
    assert await full(MemoryReplyStore(), bytes(half)) == [True, True]
    assert await full(MemoryReplyStore(), bytes(half + 1)) == [False, True]


async def test_memory_forgets_the_oldest_reply_when_it_is_full() -> None:
    store = MemoryReplyStore(max_bytes=4000)
    for number in range(3):
        scope = bytes([number]) * 32
        await claim(store, f"h{number}", scope=scope)
        await store.keep(scope, f"h{number}", b"x" * 1000, ttl_seconds=TTL)
    seen = [await claim(store, "again", scope=bytes([number]) * 32) for number in (2, 1, 0)]
    assert seen == [ExistingClaim(PRINT, b"x" * 1000), ExistingClaim(PRINT, b"x" * 1000), None]


async def test_a_reply_that_is_larger_than_the_memory_is_kept_alone() -> None:
    store = MemoryReplyStore(max_bytes=1000)
    for scope in (SCOPE, OTHER):
        await claim(store, "first", scope=scope)
        await store.keep(scope, "first", b"x" * 5000, ttl_seconds=TTL)
    assert await claim(store, "second", scope=SCOPE) is None
    assert await claim(store, "second", scope=OTHER) == ExistingClaim(PRINT, b"x" * 5000)


async def test_memory_that_was_freed_is_used_again() -> None:
    now = 0.0
    store = MemoryReplyStore(max_bytes=4000, clock=lambda: now)
    for number in range(20):
        now += TTL
        for scope in (SCOPE, OTHER):
            await claim(store, f"h{number}", scope=scope)
            await store.keep(scope, f"h{number}", b"x" * 1000, ttl_seconds=TTL)
    for scope in (SCOPE, OTHER):
        assert await claim(store, "again", scope=scope) == ExistingClaim(PRINT, b"x" * 1000)


async def test_replies_that_fill_the_memory_cost_no_running_call_its_claim() -> None:
    store = MemoryReplyStore(max_bytes=3000)
    assert await store.claim(b"runs", b"f", "runner", lease_seconds=60) is None
    for number in range(5):
        scope = str(number).encode()
        assert await store.claim(scope, b"f", "other", lease_seconds=60) is None
        await store.keep(scope, "other", b"x" * 2000, ttl_seconds=60)
    assert await store.claim(b"runs", b"f", "second", lease_seconds=60) is not None
    await store.keep(b"runs", "runner", b"reply", ttl_seconds=60)
    found = await store.claim(b"runs", b"f", "second", lease_seconds=60)
    assert found is not None
    assert found.reply == b"reply"


async def test_no_key_of_redis_lives_for_ever(redis_url: str) -> None:
    store = RedisReplyStore(redis_url, namespace="left", agent="a")
    await claim(store, "held")
    await claim(store, "kept", scope=OTHER)
    await store.keep(OTHER, "kept", REPLY, ttl_seconds=TTL)
    async with Redis.from_url(redis_url) as redis:
        left = sorted([await redis.pttl(key) for key in await redis.keys("omnia:left:*")])
    await store.close()
    assert 0 < left[0] <= LEASE * 1000 < left[1] <= TTL * 1000


async def test_redis_keeps_a_lease_and_a_reply_to_the_second(redis_url: str) -> None:
    long = 10_000_000.0
    store = RedisReplyStore(redis_url, namespace="long", agent="a")
    await store.claim(SCOPE, PRINT, "held", lease_seconds=long)
    await store.claim(OTHER, PRINT, "kept", lease_seconds=LEASE)
    await store.keep(OTHER, "kept", REPLY, ttl_seconds=long)
    async with Redis.from_url(redis_url) as redis:
        left = [await redis.pttl(key) for key in await redis.keys("omnia:long:*")]
    await store.close()
    assert len(left) == 2
    assert all(long - LIMIT < each / 1000 <= long for each in left)


def opened(kind: SessionType, url: str) -> ReplyStore:
    env = FacadeEnv(
        agent_name="a", namespace="opened", session_type=kind, session_url=SecretStr(url)
    )
    return open_reply_store(env)


async def test_a_store_by_its_url_claims_keeps_and_releases(redis_url: str) -> None:
    store = opened(SessionType.REDIS, redis_url)
    assert await claim(store, "first") is None
    await store.release(SCOPE, "first")
    assert await claim(store, "second") is None
    await store.keep(SCOPE, "second", REPLY, ttl_seconds=TTL)
    assert await claim(store, "third") == ExistingClaim(PRINT, REPLY)
    await store.close()


async def connections(kind: SessionType, url: str) -> set[int]:
    """Return the ids of the connections to a store, without that of the question."""
    if kind is SessionType.REDIS:
        async with Redis.from_url(url, single_connection_client=True) as redis:
            found = {int(each["id"]) for each in await redis.client_list()}
            return found - {await redis.client_id()}
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    return {row["pid"] for row in rows}


@pytest.mark.parametrize("kind", [SessionType.REDIS, SessionType.POSTGRES])
async def test_a_store_that_is_closed_has_no_connection(
    kind: SessionType, request: pytest.FixtureRequest
) -> None:
    if kind is SessionType.REDIS:
        url = request.getfixturevalue("redis_url")
    else:
        url = request.getfixturevalue("postgres").url
    store = opened(kind, url)
    await store.close()
    before = await connections(kind, url)
    await claim(store, "first")
    own = await connections(kind, url) - before
    assert own
    await store.close()
    async with asyncio.timeout(LIMIT):
        while own & await connections(kind, url):  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)


async def test_expired_replies_leave_postgres(postgres: PostgresServer) -> None:
    store = postgres_store(postgres.url, seconds=0, batch=2)
    await claim(store, "begin")
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("TRUNCATE omnia.replies")
    for number in range(5):
        await connection.execute(
            "SELECT omnia.claim_reply('n', 'old', $1, 'x', 'h', '-1s')", bytes([number])
        )
    left = [5]
    async with asyncio.timeout(20):
        while left[-1]:
            await claim(store, "begin")
            if store._sweep.running:
                await asyncio.wait({store._sweep.running})
            left.append(
                await connection.fetchval("SELECT count(*) FROM omnia.replies WHERE agent = 'old'")
            )
    await connection.close()
    await store.close()
    assert left == [5, 3, 1, 0]


async def test_a_full_batch_of_expired_replies_is_followed_by_the_next_one(
    postgres: PostgresServer,
) -> None:
    store = postgres_store(postgres.url, seconds=3600, batch=2)
    await claim(store, "begin")
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("TRUNCATE omnia.replies")
    for number in range(3):
        await connection.execute(
            "SELECT omnia.claim_reply('n', 'old', $1, 'x', 'h', '-1s')", bytes([number])
        )
    await connection.close()
    assert store._sweep.running is None
    assert await store._sweep.start()

    await claim(store, "begin")
    assert store._sweep.running
    assert not await store._sweep.running

    await claim(store, "begin")
    assert store._sweep.running is None
    await store.close()


async def test_expired_replies_leave_the_file(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "sessions.db", seconds=0, batch=2)
    await claim(store, "begin")
    with contextlib.closing(connect(tmp_path / "sessions.db")) as connection:
        for number in range(5):
            connection.execute(
                "INSERT INTO replies VALUES ('n', 'old', ?, x'00', 'h', NULL, '2020-01-01')",
                (bytes([number]),),
            )
        left = [5]
        async with asyncio.timeout(20):
            while left[-1]:
                await claim(store, "begin")
                if store._sweep.running:
                    await asyncio.wait({store._sweep.running})
                (count,) = connection.execute(
                    "SELECT count(*) FROM replies WHERE agent = 'old'"
                ).fetchone()
                left.append(count)
    await store.close()
    assert left == [5, 3, 1, 0]


async def test_expired_replies_leave_mongodb(mongo: MongoServer) -> None:
    async with mongo_client(mongo.url) as client:
        await client.drop_database("omnia")
        bed = mongo_bed(mongo.url, client)
        await claim(bed.store, "held")
        await claim(bed.store, "kept", scope=OTHER)
        await bed.store.keep(OTHER, "kept", REPLY, ttl_seconds=TTL)
        await bed.advance(LEASE + 1)
        sweeping = mongo_store(mongo.url, seconds=0)
        await claim(sweeping, "another", scope=b"another")
        assert sweeping._sweep.running
        await asyncio.wait({sweeping._sweep.running})
        left = await client["omnia"]["replies"].find({"holder": {"$ne": "another"}}).to_list()
    for store in (sweeping, bed.store, bed.other):
        await store.close()
    assert [each["holder"] for each in left] == ["kept"]


@pytest.mark.parametrize("kind", [SessionType.REDIS, SessionType.POSTGRES, SessionType.MONGODB])
async def test_a_store_that_is_away_is_unavailable_without_its_address(kind: SessionType) -> None:
    scheme = {"redis": "redis", "postgres": "postgresql", "mongodb": "mongodb"}[kind]
    url = SecretStr(f"{scheme}://user:secret@127.0.0.1:{free_port()}/0")
    store = open_reply_store(FacadeEnv(agent_name="a", session_type=kind, session_url=url))
    with pytest.raises(StoreUnavailable) as caught:
        await claim(store, "first")
    await store.close()
    assert "secret" not in caught.value.message


async def test_a_url_of_another_store_is_unavailable_and_says_what_was_expected() -> None:
    env = FacadeEnv(
        agent_name="a", session_type=SessionType.POSTGRES, session_url=SecretStr("redis://x")
    )
    with pytest.raises(StoreUnavailable, match="expected postgresql://"):
        await claim(open_reply_store(env), "first")


def test_a_store_without_its_url_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="OMNIA_SESSION_URL: missing"):
        open_reply_store(FacadeEnv(agent_name="a", session_type=SessionType.REDIS))


async def test_a_driver_is_loaded_by_the_first_key_or_answer_to_keep() -> None:
    code = (
        "import asyncio, sys; from omnia_core.env import *;"
        "from omnia_facade.idempotency.opening import open_reply_store;"
        "from omnia_facade.turns.interrupted_answers import InterruptedAnswerWriter\n"
        "env = FacadeEnv(agent_name='a', session_type=SessionType.REDIS,"
        " session_url=SecretStr('redis://127.0.0.1:1/0'))\n"
        "open_reply_store(env); InterruptedAnswerWriter(env, {}); print(*sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert {"redis", "asyncpg", "pymongo"}.isdisjoint(printed.decode().split())
