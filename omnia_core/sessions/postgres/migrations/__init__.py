"""Migrations of the session schema: numbered SQL files, each applied once to a database.

A released file is never changed. A new file must keep the functions of earlier ones working: while
pods roll, both versions of the program use the same database.
"""

from importlib.resources import files
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

# The key of the advisory lock, "omnia" in ASCII; any number that nothing else locks.
_LOCK = 0x6F6D6E6961
# How long a migration waits for a table lock. Other statements wait behind it, so this is well
# below the timeout of a turn: during a long dump turns go on, and the migration is retried later.
_LOCK_TIMEOUT_MS = 2000

_BEGIN = """
CREATE SCHEMA IF NOT EXISTS omnia;
CREATE TABLE IF NOT EXISTS omnia.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


class Migration(NamedTuple):
    """A numbered SQL file."""

    number: int
    name: str
    statements: str


def migrations() -> list[Migration]:
    """Return the migrations in order."""
    found = [
        Migration(int(file.name.split("_")[0]), file.name, file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


async def is_current(connection: asyncpg.Connection) -> bool:
    """Return whether every migration is applied."""
    return await _applied(connection) >= migrations()[-1].number


async def migrate(connection: asyncpg.Connection, lock_timeout_ms: int = _LOCK_TIMEOUT_MS) -> None:
    """Apply the missing migrations, each in a transaction of its own.

    Of several pods that start at once, one migrates and the others wait. A database that is up to
    date is only read, so that later starts need no permission to create anything.

    The commit between two files lets calls of the previous version finish before the next file
    removes what they use.

    Raises:
        asyncpg.LockNotAvailableError: a table was locked for longer than `lock_timeout_ms`.
    """
    if await is_current(connection):
        return
    for migration in migrations():
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = {lock_timeout_ms:d}")
            await connection.execute(_BEGIN)
            if migration.number > await _applied(connection):
                await connection.execute(migration.statements)
                await connection.execute(
                    "INSERT INTO omnia.migrations (number, name) VALUES ($1, $2)",
                    migration.number,
                    migration.name,
                )


async def _applied(connection: asyncpg.Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('omnia.migrations')") is None:
        return 0
    number: int = await connection.fetchval("SELECT coalesce(max(number), 0) FROM omnia.migrations")
    return number
