"""Session stores of every kind on real servers, in which time can be let pass."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from omnia_core.sessions import SessionSettings, SessionStore
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.mongodb.documents import BUCKET_NAMES
from omnia_core.sessions.mongodb.store import MongoSessionStore, MongoTimings
from omnia_core.sessions.postgres.migrations import is_current
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.retention import Retention, RetentionEffects
from omnia_core.sessions.sqlite.connection import connect
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration
from tests.services import LIMIT

TTL = Duration.parse("60s")
KINDS = ["memory", "redis", "postgres", "sqlite", "mongodb"]
# Those whose sessions other pods see.
SIGNALLING = ["redis", "postgres", "sqlite", "mongodb"]

_PASS = (
    "UPDATE omnia.sessions SET expires_at = expires_at - $1::interval,"
    " used_at = used_at - $1, active_at = active_at - $1, kept_until = kept_until - $1"
)


@dataclass
class Counted:
    """What stores said that retention did, and would have done."""

    done: list[RetentionEffects] = field(default_factory=list)

    def note(self, effects: RetentionEffects) -> None:
        self.done.append(effects)

    def total(self, *, dry_run: bool = False) -> RetentionEffects:
        found = [each for each in self.done if each.dry_run is dry_run]
        return RetentionEffects(
            sum(each.sessions_ended for each in found),
            sum(each.sessions_deleted for each in found),
            sum(each.messages_deleted for each in found),
            dry_run,
        )


@dataclass
class Bed:
    """A store, another one of the same sessions, and the power to let seconds pass in it."""

    store: SessionStore
    other: SessionStore
    advance: Callable[[float], Awaitable[None]]
    counted: Counted


@asynccontextmanager
async def bed_of(
    kind: str,
    request: pytest.FixtureRequest,
    retention: Retention | None = None,
    *,
    evaluated: bool = False,
) -> AsyncIterator[Bed]:
    """Open two stores of a kind, on a server that has nothing yet."""
    counted = Counted()
    async with AsyncExitStack() as stack:
        if kind == "memory":
            yield _memory_bed(retention, counted, evaluated=evaluated)
            return
        if kind == "redis":
            url: str = request.getfixturevalue("redis_url")
            redis = await stack.enter_async_context(Redis.from_url(url))
            await redis.flushdb()
            store: SessionStore = redis_store(url, retention, counted, evaluated=evaluated)
            other: SessionStore = redis_store(url, retention, counted, evaluated=evaluated)
            advance = _redis_time(redis)
        elif kind == "mongodb":
            url = request.getfixturevalue("mongo").url
            client = await stack.enter_async_context(mongo_client(url))
            await client.drop_database("omnia")
            store, other = (
                mongo_store(url, retention, counted, evaluated=evaluated) for _ in range(2)
            )
            advance = mongo_time(client)
        elif kind == "sqlite":
            path = request.getfixturevalue("tmp_path") / f"{uuid.uuid4()}" / "sessions.db"
            store, other = (
                sqlite_store(path, retention, counted, evaluated=evaluated) for _ in range(2)
            )

            async def advance(seconds: float) -> None:
                sqlite_time(path, seconds)

        else:
            url = request.getfixturevalue("postgres").url
            connection = await stack.enter_async_context(connected(url))
            await empty(connection)
            store, other = (
                postgres_store(url, retention, counted, evaluated=evaluated) for _ in range(2)
            )

            async def advance(seconds: float) -> None:
                await connection.execute(_PASS, timedelta(seconds=seconds))

        stack.push_async_callback(store.close)
        stack.push_async_callback(other.close)
        yield Bed(store, other, advance, counted)


def _settings(
    retention: Retention | None, counted: Counted | None, *, evaluated: bool
) -> SessionSettings:
    return SessionSettings(
        ttl=TTL,
        namespace="default",
        agent="a",
        retention=retention,
        on_retention=(counted or Counted()).note,
        evaluated=evaluated,
    )


def redis_store(
    url: str,
    retention: Retention | None = None,
    counted: Counted | None = None,
    *,
    evaluated: bool = False,
) -> RedisSessionStore:
    return RedisSessionStore(
        url,
        _settings(retention, counted, evaluated=evaluated),
    )


def postgres_store(
    url: str,
    retention: Retention | None = None,
    counted: Counted | None = None,
    *,
    evaluated: bool = False,
) -> PostgresSessionStore:
    return PostgresSessionStore(
        url,
        _settings(retention, counted, evaluated=evaluated),
    )


def mongo_store(
    url: str,
    retention: Retention | None = None,
    counted: Counted | None = None,
    *,
    evaluated: bool = False,
) -> MongoSessionStore:
    return MongoSessionStore(
        url,
        _settings(retention, counted, evaluated=evaluated),
        # The server of the tests takes one command after another.
        MongoTimings(command_seconds=LIMIT),
    )


@asynccontextmanager
async def mongo_client(url: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, tz_aware=True)
    try:
        yield client
    finally:
        await client.close()


def mongo_time(client: AsyncMongoClient[dict[str, Any]]) -> Callable[[float], Awaitable[None]]:
    times = ("begun_at", "expires_at", "used_at", "active_at", "kept_until")

    async def advance(seconds: float) -> None:
        sessions = client.get_default_database()["sessions"]
        for each in await sessions.find().to_list():
            before = {name: each[name] - timedelta(seconds=seconds) for name in times}
            await sessions.update_one({"_id": each["_id"]}, {"$set": before})

    return advance


def sqlite_store(
    path: Path,
    retention: Retention | None = None,
    counted: Counted | None = None,
    *,
    evaluated: bool = False,
) -> SqliteSessionStore:
    return SqliteSessionStore(
        path,
        _settings(retention, counted, evaluated=evaluated),
    )


def sqlite_time(path: Path, seconds: float) -> None:
    """Let time pass in a file."""
    columns = ("begun_at", "active_at", "used_at", "expires_at", "kept_until")
    sets = ", ".join(f"{name} = iif({name} IS NULL, NULL, after({name}, ?1))" for name in columns)
    with contextlib.closing(connect(path)) as connection:
        connection.execute(f"UPDATE sessions SET {sets}", (-seconds,))  # noqa: S608 - constants


async def mongo_rows(client: AsyncMongoClient[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """Return the documents as the rows that other databases have for them, in order."""
    found = await client["omnia"][table].find().sort("_id", 1).to_list()
    if table == "messages":
        return [message for append in found for message in append["messages"]]
    if table.startswith("daily_"):
        for row in found:
            row["buckets"] = [row["latency"].get(name, 0) for name in BUCKET_NAMES]
    if table not in ("provider_calls", "tool_calls", "runtime_events"):
        return found
    name = table.removeprefix("runtime_")
    appends = await client["omnia"]["messages"].find().sort("from", 1).to_list()
    return [
        {"turn": append["turn"], **each}
        for append in appends
        for each in append.get("trail", {}).get(name, ())
    ]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def empty(connection: asyncpg.Connection) -> None:
    """Leave nothing of other tests in the schema `omnia`.

    To make the schema takes two hundred times as long as to empty it.
    """
    if not await is_current(connection):
        await connection.execute("DROP SCHEMA IF EXISTS omnia CASCADE")
        return
    tables = await connection.fetch(
        "SELECT format('omnia.%I', tablename) AS name FROM pg_tables"
        " WHERE schemaname = 'omnia' AND tablename <> 'migrations'"
    )
    await connection.execute("; ".join(f"DELETE FROM {table['name']}" for table in tables))  # noqa: S608 - a name of ours


def _memory_bed(retention: Retention | None, counted: Counted, *, evaluated: bool) -> Bed:
    now = 0.0

    async def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    store = MemorySessionStore(
        TTL,
        retention=retention,
        on_retention=counted.note,
        evaluated=evaluated,
        clock=lambda: now,
    )
    return Bed(store, store, advance, counted)


def _redis_time(redis: Redis) -> Callable[[float], Awaitable[None]]:
    async def advance(seconds: float) -> None:
        for key in await redis.keys():
            left = await redis.pttl(key) - round(seconds * 1000)
            await redis.pexpire(key, max(left, 0))

    return advance
