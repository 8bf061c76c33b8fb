"""Databases that keep sessions after their end, and in which time can be let pass."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from omnia_core.sessions import SessionSettings
from omnia_core.sessions.mongodb.store import MongoSessionStore, MongoTimings
from omnia_core.sessions.postgres.store import PostgresSessionStore, PostgresTimings
from omnia_core.sessions.retention import Retention
from omnia_core.sessions.sqlite.connection import connect
from omnia_core.sessions.sqlite.store import SqliteSessionStore, SqliteTimings
from omnia_core.units import Duration
from tests.core.session_beds import (
    Counted,
    connected,
    empty,
    mongo_client,
    mongo_rows,
    mongo_time,
    sqlite_time,
)
from tests.services import LIMIT

KEEPING = ["postgres", "sqlite", "mongodb"]
# How long a session lives and is kept after its last use, and whether it ended.
Times = tuple[timedelta, timedelta, bool]
Store = PostgresSessionStore | SqliteSessionStore | MongoSessionStore


@dataclass
class Kept:
    """A database of sessions, and stores of one agent."""

    open_store: Callable[[SessionSettings, Any], Store]
    advance: Callable[[timedelta], Awaitable[None]]
    sessions: Callable[[], Awaitable[list[Times]]]
    count: Callable[[str], Awaitable[int]]
    """Counts the rows of a table."""
    used_at: Callable[[], Awaitable[datetime]]
    """Returns the last use of the only session."""
    counted: Counted = field(default_factory=Counted)
    stores: list[Store] = field(default_factory=list)

    def store(self, retention: Retention | None, ttl: str = "24h", **timing: Any) -> Any:
        settings = SessionSettings(
            ttl=Duration.parse(ttl),
            namespace="n",
            agent="a",
            retention=retention,
            on_retention=self.counted.note,
        )
        made = self.open_store(settings, timing)
        self.stores.append(made)
        return made


@asynccontextmanager
async def kept_bed(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    """Open a database that has nothing yet."""
    if kind == "sqlite":
        made = _sqlite(request.getfixturevalue("tmp_path") / "sessions.db")
        yield made
        for store in made.stores:
            await store.close()
        return
    if kind == "mongodb":
        url = request.getfixturevalue("mongo").url
        async with mongo_client(url) as client:
            await client.drop_database("omnia")
            made = _mongodb(url, client)
            yield made
            for store in made.stores:
                await store.close()
        return
    url = request.getfixturevalue("postgres").url
    async with connected(url) as connection:
        await empty(connection)

        async def advance(time: timedelta) -> None:
            await connection.execute(
                "UPDATE omnia.sessions SET begun_at = begun_at - $1::interval,"
                " expires_at = expires_at - $1, used_at = used_at - $1, active_at = active_at - $1,"
                " kept_until = kept_until - $1",
                time,
            )

        async def sessions() -> list[Times]:
            rows = await connection.fetch(
                "SELECT expires_at - used_at, greatest(expires_at, kept_until) - used_at, ended"
                " FROM omnia.sessions ORDER BY begun_at"
            )
            return [(row[0], row[1], row[2]) for row in rows]

        async def count(table: str) -> int:
            return int(await connection.fetchval(f"SELECT count(*) FROM omnia.{table}"))  # noqa: S608 - a constant

        async def used_at() -> datetime:
            found: datetime = await connection.fetchval("SELECT used_at FROM omnia.sessions")
            return found

        made = Kept(
            lambda settings, timing: PostgresSessionStore(url, settings, PostgresTimings(**timing)),
            advance,
            sessions,
            count,
            used_at,
        )
        yield made
        for store in made.stores:
            await store.close()


def _mongodb(url: str, client: AsyncMongoClient[dict[str, Any]]) -> Kept:
    pass_time = mongo_time(client)

    async def advance(time: timedelta) -> None:
        await pass_time(time.total_seconds())

    async def rows() -> list[dict[str, Any]]:
        return await client["omnia"]["sessions"].find().sort("begun_at", 1).to_list()

    async def sessions() -> list[Times]:
        return [
            (row["expires_at"] - row["used_at"], row["kept_until"] - row["used_at"], row["ended"])
            for row in await rows()
        ]

    async def count(table: str) -> int:
        return len(await mongo_rows(client, table))

    async def used_at() -> datetime:
        used: datetime = (await rows())[0]["used_at"]
        return used

    def open_store(settings: SessionSettings, timing: dict[str, Any]) -> MongoSessionStore:
        # The server of the tests takes one command after another.
        return MongoSessionStore(url, settings, MongoTimings(**{"command_seconds": LIMIT} | timing))

    return Kept(open_store, advance, sessions, count, used_at)


def _sqlite(path: Path) -> Kept:
    def fetch(statement: str) -> list[Any]:
        with contextlib.closing(connect(path)) as connection:
            return connection.execute(statement).fetchall()

    async def advance(time: timedelta) -> None:
        sqlite_time(path, time.total_seconds())

    async def sessions() -> list[Times]:
        rows = fetch(
            "SELECT used_at, expires_at, max(expires_at, coalesce(kept_until, '')), ended"
            " FROM sessions ORDER BY begun_at"
        )
        found: list[Times] = []
        for *texts, ended in rows:
            used, expires, kept = map(datetime.fromisoformat, texts)
            found.append((expires - used, kept - used, bool(ended)))
        return found

    async def count(table: str) -> int:
        return int(fetch(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a constant

    async def used_at() -> datetime:
        return datetime.fromisoformat(fetch("SELECT used_at FROM sessions")[0][0])

    return Kept(
        lambda settings, timing: SqliteSessionStore(path, settings, SqliteTimings(**timing)),
        advance,
        sessions,
        count,
        used_at,
    )


async def swept(store: Store) -> None:
    """Do what is done beside the operations, as `start` does."""
    store._worker._trial_due = 0.0
    store.start()
    running = store._worker._loop
    assert running
    await asyncio.sleep(0)
    assert store._worker.sweep.running
    await asyncio.wait({store._worker.sweep.running})
    running.cancel()
