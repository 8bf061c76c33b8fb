"""The tables of sessions in PostgreSQL: numbered SQL files, each run once in a database.

A file that was released is never changed. The next one must leave the functions of the earlier
ones usable: while pods roll, both versions of the program work on one database.
"""

from importlib.resources import files
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

# Any number that nobody else locks in the same database: "omnia" in ASCII.
_LOCK = 0x6F6D6E6961
# What a migration waits for those that use a table. Everybody else waits behind it meanwhile, so it
# is well below what a turn waits: during a long dump turns go on, and the migration comes later.
_TABLE_MILLISECONDS = 2000

_BEGIN = """
CREATE SCHEMA IF NOT EXISTS omnia;
CREATE TABLE IF NOT EXISTS omnia.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


class Migration(NamedTuple):
    """A numbered file."""

    number: int
    name: str
    statements: str


def migrations() -> list[Migration]:
    """Return the files in order."""
    found = [
        Migration(int(file.name.split("_")[0]), file.name, file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


async def is_current(connection: asyncpg.Connection) -> bool:
    """Return whether a database has seen everything."""
    return await _applied(connection) >= migrations()[-1].number


async def migrate(
    connection: asyncpg.Connection, table_milliseconds: int = _TABLE_MILLISECONDS
) -> None:
    """Run what this database has not seen, each file as a whole or not at all.

    Of several pods that start at once, one works and the others wait. A database that is up to
    date is only read, so that later starts need no right to create anything.

    Between two files there is a commit: calls of the version before that wait for one of them run
    to their end before the next one takes away what they still use.

    Raises:
        asyncpg.LockNotAvailableError: somebody has used a table for `table_milliseconds`.
    """
    if await is_current(connection):
        return
    for each in migrations():
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = {table_milliseconds:d}")
            await connection.execute(_BEGIN)
            if each.number > await _applied(connection):
                await connection.execute(each.statements)
                await connection.execute(
                    "INSERT INTO omnia.migrations (number, name) VALUES ($1, $2)",
                    each.number,
                    each.name,
                )


async def _applied(connection: asyncpg.Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('omnia.migrations')") is None:
        return 0
    number: int = await connection.fetchval("SELECT coalesce(max(number), 0) FROM omnia.migrations")
    return number
