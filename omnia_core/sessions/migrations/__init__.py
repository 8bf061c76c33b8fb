"""The tables of sessions in PostgreSQL: numbered SQL files, each run once in a database.

A file that was released is never changed. The next one must leave the functions of the earlier
ones usable: while pods roll, both versions of the program work on one database.
"""

from importlib.resources import files
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

# Any number that nobody else locks in the same database: "omnia" in ASCII.
_LOCK = 0x6F6D6E6961

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


async def migrate(connection: asyncpg.Connection) -> None:
    """Run what this database has not seen: all of it or nothing.

    Of several pods that start at once, one works and the others wait. A database that is up to
    date is only read, so that later starts need no right to create anything.
    """
    wanted = migrations()
    if await _applied(connection) >= wanted[-1].number:
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_BEGIN)
        applied = await _applied(connection)
        for each in wanted:
            if each.number > applied:
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
