"""Retention in PostgreSQL: batches, migrations, and pods of earlier versions."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from structlog.testing import capture_logs

from omnia_core.sessions import AuditTrail, Message, SessionSettings
from omnia_core.sessions.postgres.encoding import encode_audit
from omnia_core.sessions.postgres.migrations import migrate, migrations
from omnia_core.sessions.postgres.store import PostgresSessionStore, PostgresTimings
from omnia_core.sessions.retention import Retention, RetentionEffects
from omnia_core.sessions.sweeping import BatchTask
from omnia_core.units import Duration
from tests.core.kept_beds import swept
from tests.core.session_beds import Counted, connected, empty
from tests.services import LIMIT, PostgresServer

DAY = timedelta(days=1)
MONTH = Retention(days=30)
HELLO = Message("user", "hello", user_id="mia", pack_version="1.0.0")
ANSWER = Message("assistant", "hi", finish_reason="stop")


class Database:
    """A database of sessions, stores of one agent, and the power to let time pass."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self.connection = connection
        self.counted = Counted()
        self.stores: list[PostgresSessionStore] = []

    def store(
        self, retention: Retention | None, ttl: str = "24h", **timing: Any
    ) -> PostgresSessionStore:
        made = PostgresSessionStore(
            self.url,
            SessionSettings(
                ttl=Duration.parse(ttl),
                namespace="n",
                agent="a",
                retention=retention,
                on_retention=self.counted.note,
            ),
            PostgresTimings(**timing),
        )
        self.stores.append(made)
        return made

    async def advance(self, time: timedelta) -> None:
        await self.connection.execute(
            "UPDATE omnia.sessions SET begun_at = begun_at - $1::interval,"
            " expires_at = expires_at - $1, used_at = used_at - $1, active_at = active_at - $1,"
            " kept_until = kept_until - $1",
            time,
        )

    async def sessions(self) -> list[Any]:
        """Return how long rows live and are kept after their last use, and whether they ended."""
        rows = await self.connection.fetch(
            "SELECT expires_at - used_at, greatest(expires_at, kept_until) - used_at, ended"
            " FROM omnia.sessions ORDER BY begun_at"
        )
        return [tuple(each) for each in rows]


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    async with connected(postgres.url) as connection:
        await empty(connection)
        made = Database(postgres.url, connection)
        yield made
        for store in made.stores:
            await store.close()


async def test_all_that_is_over_is_deleted_at_the_start_be_it_many_batches(
    database: Database,
) -> None:
    await database.store(None).load("none")
    await database.connection.execute(
        "INSERT INTO omnia.sessions (namespace, agent, id, expires_at, ended)"
        " SELECT 'n', 'gone', n::text, now() - n % 7 * interval '1 s', n % 2 = 0"
        " FROM generate_series(1, 50) AS n"
    )
    store = database.store(MONTH, sweep_batch=7)
    store.start()
    async with asyncio.timeout(LIMIT):
        while database.counted.total() != RetentionEffects(25, 50):  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.01)
    assert await database.sessions() == []


async def test_sessions_that_take_long_to_delete_are_deleted_in_smaller_batches(
    database: Database,
) -> None:
    store = database.store(None, command_seconds=0.2, sweep_batch=16)
    await store.load("none")
    await database.connection.execute(
        "INSERT INTO omnia.sessions (namespace, agent, id, expires_at)"
        " SELECT 'n', 'a', n::text, now() FROM generate_series(1, 16) AS n;"
        " CREATE FUNCTION omnia.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.02); RETURN old; END';"
        " CREATE TRIGGER slow BEFORE DELETE ON omnia.sessions FOR EACH ROW"
        " EXECUTE FUNCTION omnia.slow()"
    )
    assert not await store._worker.sweep.start()
    assert len(await database.sessions()) == 16
    async with asyncio.timeout(LIMIT):
        while await database.sessions():
            await store._worker.sweep.start()
    assert database.counted.total() == RetentionEffects(16, 16)
    await database.connection.execute("DROP FUNCTION omnia.slow CASCADE")


async def many_sessions(database: Database) -> None:
    await database.store(None).load("none")
    await database.connection.execute(
        "INSERT INTO omnia.sessions (namespace, agent, id, expires_at, begun_at, active_at)"
        " SELECT 'n', 'a', n::text, now() + '1 day', now() - n % 7 * interval '1 s', now() - '2 h'"
        "::interval FROM generate_series(1, 1100) AS n"
    )


async def test_more_sessions_than_one_transaction_takes_follow_a_changed_policy(
    database: Database,
) -> None:
    await many_sessions(database)
    await swept(database.store(MONTH))
    found = await database.connection.fetch(
        "SELECT kept_until - used_at AS kept, count(*) FROM omnia.sessions GROUP BY 1"
    )
    assert [tuple(each) for each in found] == [(30 * DAY, 1100)]


async def test_a_policy_on_trial_does_not_look_at_all_sessions_at_each_sweep(
    database: Database,
) -> None:
    await many_sessions(database)
    store = database.store(Retention(ttl=Duration.parse("1h"), dry_run=True))
    await swept(store)
    assert database.counted.total(dry_run=True) == RetentionEffects(1100, 1100, dry_run=True)
    await database.connection.execute("UPDATE omnia.sessions SET trial_stage = 0")
    await store._worker.sweep.start()
    assert database.counted.total(dry_run=True) == RetentionEffects(1100, 1100, dry_run=True)


async def of_the_version_before(connection: asyncpg.Connection, count: int = 3) -> None:
    """Make the tables as they were before retention."""
    await connection.execute(
        "DROP SCHEMA IF EXISTS omnia CASCADE; CREATE SCHEMA omnia;"
        " CREATE TABLE omnia.migrations (number integer PRIMARY KEY,"
        " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    for each in migrations()[:count]:
        await connection.execute(each.statements)
        await connection.execute(
            "INSERT INTO omnia.migrations VALUES ($1, $2, clock_timestamp() - interval '1 hour')",
            each.number,
            each.name,
        )


OLD_APPEND = "SELECT * FROM omnia.append_turn('n', 'a', $1, '24h', $2, $3, $4, $5, $6, $7, $8)"


async def test_turns_of_the_version_before_that_wait_for_the_migration_are_stored(
    database: Database, postgres: PostgresServer
) -> None:
    await of_the_version_before(database.connection)
    arguments = (
        uuid.uuid4(),
        0,
        ["user"],
        ["1.0.0"],
        [b"{}"],
        "",
        encode_audit(AuditTrail(turns=1)),
    )
    async with AsyncExitStack() as stack:
        new, appends, loads = [
            await stack.enter_async_context(connected(postgres.url)) for _ in range(3)
        ]
        async with asyncio.timeout(LIMIT), database.connection.transaction():
            # keeps the migration waiting, which keeps everybody waiting
            await database.connection.execute("SELECT count(*) FROM omnia.sessions")
            waiting = []
            for begun in (
                migrate(new, lock_timeout_ms=60_000),
                appends.fetch(OLD_APPEND, "old", *arguments),
                loads.fetch("SELECT * FROM omnia.load('n', 'a', 'old', '24h')"),
            ):
                waiting.append(asyncio.create_task(begun))
                while await database.connection.fetchval(  # noqa: ASYNC110 - of another process
                    "SELECT count(*) FROM pg_locks WHERE NOT granted"
                ) < len(waiting):
                    await asyncio.sleep(0.01)
        _, appended, _ = await asyncio.gather(*waiting)
    assert [tuple(each) for each in appended] == [(True, 1)]
    assert await database.store(MONTH).append("old", [ANSWER], expected_length=1) == 2


async def test_a_migration_waits_for_transactions_that_hold_no_lock_yet(
    database: Database, postgres: PostgresServer
) -> None:
    await of_the_version_before(database.connection)
    async with connected(postgres.url) as new:
        async with database.connection.transaction():
            await database.connection.execute("SELECT 1")
            with pytest.raises(asyncpg.LockNotAvailableError, match="another transaction"):
                await migrate(new, lock_timeout_ms=20)
            later = asyncio.create_task(migrate(new))
            await asyncio.sleep(0.05)
            assert not later.done()
        await later
    assert await database.store(MONTH).append("s", [HELLO], expected_length=0) == 1


async def test_a_migration_does_not_wait_behind_a_long_dump(
    database: Database, postgres: PostgresServer
) -> None:
    await of_the_version_before(database.connection)
    async with connected(postgres.url) as new:
        async with database.connection.transaction():
            await database.connection.execute("SELECT count(*) FROM omnia.sessions")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await migrate(new, lock_timeout_ms=20)
        await migrate(new)
    assert await database.store(MONTH).append("s", [HELLO], expected_length=0) == 1


async def test_a_pod_of_the_version_before_goes_on_beside_the_new_ones(
    database: Database,
) -> None:
    connection = database.connection
    await of_the_version_before(connection)
    append = await connection.prepare(OLD_APPEND)
    load = await connection.prepare("SELECT * FROM omnia.load('n', 'a', $1, '24h')")
    keep = await connection.prepare("SELECT omnia.checkpoint('n', 'a', $1, '24h', $2, $3)")
    sweep = await connection.prepare("SELECT omnia.sweep($1)")

    async def appended(length: int, role: str) -> tuple[bool, int]:
        record = b'{"role":"%s","user_id":"mia"}' % role.encode()
        arguments = (uuid.uuid4(), length, [role], ["1.0.0"], [record], "", None)
        return tuple((await append.fetch("old", *arguments))[0])

    # as rows of the first version, without the user in a column
    assert await appended(0, "user") == (True, 1)
    assert [len(row) for row in await load.fetch("old")] == [1, 1]
    await keep.fetch("old", 1, b"")
    assert await sweep.fetchval(10) == 0
    await migrate(connection)

    assert await appended(1, "assistant") == (True, 2)
    store = database.store(Retention(days=30, max_messages=2))
    for length in range(2, 8, 2):
        assert await store.append("old", [HELLO], expected_length=length) == length + 1
        assert await store.append("old", [ANSWER], expected_length=length + 1) == length + 2
    session = await store.load("old")
    assert session
    assert (session.first, session.user_id, session.pack_version) == (6, "mia", "1.0.0")
    rows = [row[0] for row in await load.fetch("old")]
    assert len(rows) == 8 + 1
    assert b'"user_id" : "mia"' in rows[0]
    assert await appended(7, "user") == (False, 8)
    assert await appended(8, "user") == (True, 9)
    await keep.fetch("old", 9, b'{"role":"assistant","content":"part"}')
    session = await store.load("old")
    assert session
    assert (session.length, len(session.interrupted)) == (9, 1)
    assert await database.sessions() == [(DAY, 30 * DAY, False)]
    await database.advance(31 * DAY)
    assert await sweep.fetchval(10) == 1
    assert await database.sessions() == []


async def test_a_pod_that_knows_no_names_goes_on_with_a_session_that_has_one(
    database: Database,
) -> None:
    connection = database.connection
    await of_the_version_before(connection, 5)
    append = await connection.prepare(
        "SELECT * FROM omnia.append_turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
        " $14, $15, $16)"
    )
    load = await connection.prepare("SELECT * FROM omnia.load($1, $2, $3, $4, $5, $6, $7)")
    keep = await connection.prepare("SELECT omnia.checkpoint($1, $2, $3, $4, $5, $6, $7)")
    key = ("n", "a", "old", DAY, None)

    async def appended(length: int) -> tuple[bool, int]:
        audit = encode_audit(AuditTrail(turns=1))
        record = (["user"], ["1.0.0"], [b'{"role":"user"}'])
        arguments = (None, None, None, None, uuid.uuid4(), length, *record, "mia", audit)
        return tuple((await append.fetch(*key, *arguments))[0])[:2]

    assert await appended(0) == (True, 1)
    await migrate(connection)
    store = database.store(MONTH)
    assert await store.rename("old", "parcels", expected_name="", audit=AuditTrail())
    assert await appended(1) == (True, 2)
    await keep.fetch(*key, 2, b'{"role":"assistant","content":"part"}')
    ((records, *_),) = await load.fetch(*key, None, None)
    session = await store.load("old")
    assert len(records) == 2
    assert session
    assert (session.length, len(session.interrupted), session.name) == (2, 1, "parcels")


async def test_an_append_that_cut_its_own_beginning_is_known_when_it_is_sent_again(
    database: Database,
) -> None:
    store = database.store(Retention(max_messages=2))
    await store.append("s", [HELLO], expected_length=0)
    again = (
        "SELECT appended, new_length, effects FROM omnia.append_turn('n', 'a', 's', '24h', '0', 2,"
        " NULL, NULL, NULL, '00000000-0000-0000-0000-000000000001', 1, '{assistant,user}', '{1,1}',"
        " '{x,y}', '', NULL)"
    )
    first, second = [await database.connection.fetchrow(again) for _ in range(2)]
    assert tuple(first) == (True, 3, [0, 0, 2, 0, 0, 0])
    assert tuple(second) == (True, 3, [0] * 6)


async def test_a_sweep_that_fails_in_an_unforeseen_way_is_told_and_comes_again() -> None:
    done = []

    async def work() -> bool:
        done.append(1)
        if len(done) == 1:
            raise RuntimeError("no such thing")
        return True

    sweep = BatchTask(work, seconds=60)
    with capture_logs() as logs:
        assert await sweep.start() is False
    assert [each["log_level"] for each in logs] == ["error"]
    assert await sweep.start() is True
