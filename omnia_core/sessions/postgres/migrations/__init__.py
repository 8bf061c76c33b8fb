"""Migrations of the session schema: numbered SQL files, each applied once to a database.

A released file is never changed. A new file must keep the functions of earlier ones working: while
pods roll, both versions of the program use the same database.
"""

import asyncio
from importlib.resources import files
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

# The key of the advisory lock, "omnia" in ASCII; any number that nothing else locks.
_LOCK = 0x6F6D6E6961
# How long a migration waits for a table lock. Other statements wait behind it, so this is well
# below the timeout of a turn: during a long dump turns go on, and the migration is retried later.
_LOCK_TIMEOUT_MS = 2000
_POLL_SECONDS = 0.01

_BEGIN = """
CREATE SCHEMA IF NOT EXISTS omnia;
CREATE TABLE IF NOT EXISTS omnia.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

# PostgreSQL keeps what it read of other sessions until the end of the transaction, unless told to
# forget it. A file is committed well within a second after its row was written. Who waits for the
# advisory lock waits for us.
_EARLIER = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()
        AND xact_start < (SELECT max(applied_at) + interval '1 second' FROM omnia.migrations)
        AND wait_event IS DISTINCT FROM 'advisory'
) FROM pg_stat_clear_snapshot()
"""


class Migration(NamedTuple):
    """A numbered SQL file."""

    number: int
    name: str
    statements: str


def migrations() -> list[Migration]:
    """Return the migrations in order."""
    return [
        Migration(number, name, files(__name__).joinpath(name).read_text("utf-8"))
        for number, name in _names()
    ]


def _names() -> list[tuple[int, str]]:
    """Return the numbers and the names of the files in order."""
    found = (file.name for file in files(__name__).iterdir())
    return sorted((int(name.split("_")[0]), name) for name in found if name.endswith(".sql"))


async def is_current(connection: asyncpg.Connection) -> bool:
    """Return whether every migration is applied."""
    newest, _ = _names()[-1]
    return await _applied(connection) >= newest


async def migrate(connection: asyncpg.Connection, lock_timeout_ms: int = _LOCK_TIMEOUT_MS) -> None:
    """Apply the missing migrations, each in a transaction of its own.

    Of several pods that start at once, one migrates and the others wait. A database that is up to
    date is only read, so that later starts need no permission to create anything.

    Each file waits for the transactions that may still run functions that the file before it has
    replaced, because it may remove what they use.

    Raises:
        asyncpg.LockNotAvailableError: a table was locked, or another transaction of this user was
            open, for longer than `lock_timeout_ms`.
    """
    if await is_current(connection):
        return
    for migration in migrations():
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = {lock_timeout_ms:d}")
            await connection.execute(_BEGIN)
            if migration.number > await _applied(connection):
                await _earlier_ended(connection, lock_timeout_ms)
                await connection.execute(migration.statements)
                await connection.execute(
                    "INSERT INTO omnia.migrations (number, name) VALUES ($1, $2)",
                    migration.number,
                    migration.name,
                )


async def _earlier_ended(connection: asyncpg.Connection, timeout_ms: int) -> None:
    """Wait for the transactions that began before the latest file was applied.

    Locks do not show them: a function may have begun and not yet touched its tables.
    """
    for _ in range(max(1, round(timeout_ms / 1000 / _POLL_SECONDS))):
        if not await connection.fetchval(_EARLIER):
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise asyncpg.LockNotAvailableError("another transaction of this user was open for too long")


async def _applied(connection: asyncpg.Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('omnia.migrations')") is None:
        return 0
    number: int = await connection.fetchval("SELECT coalesce(max(number), 0) FROM omnia.migrations")
    return number
