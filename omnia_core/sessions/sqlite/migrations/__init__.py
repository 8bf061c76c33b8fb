"""Migrations of the session file: numbered SQL files, each applied once to a file.

A released file is never changed. `PRAGMA user_version` of a file is the number of the last
migration that was applied to it.
"""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

# "omni" in ASCII: says whose file it is (https://www.sqlite.org/fileformat.html, offset 68).
APPLICATION_ID = 0x6F6D6E69


class Migration(NamedTuple):
    """A numbered SQL file."""

    number: int
    name: str
    statements: str


class UnknownFile(Exception):
    """The file is not one that this program can use; the message says why."""


def migrations() -> list[Migration]:
    """Return the migrations in order."""
    found = [
        Migration(int(file.name.split("_")[0]), file.name, file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


def schema_version(connection: sqlite3.Connection, schema: str = "main") -> int:
    """Return the number of the last migration of a file.

    Raises:
        UnknownFile: another program wrote the file.
    """
    (version,) = connection.execute(f"PRAGMA {schema}.user_version").fetchone()
    (application,) = connection.execute(f"PRAGMA {schema}.application_id").fetchone()
    (tables,) = connection.execute(f"SELECT count(*) FROM {schema}.sqlite_schema").fetchone()  # noqa: S608 - a name of this program
    if application != APPLICATION_ID and (version or tables):
        raise UnknownFile("it is an SQLite file of another program: expected a file of sessions")
    return int(version)


def check_version(connection: sqlite3.Connection, schema: str = "main") -> int:
    """Return the number of the last migration of a file that this program can use.

    Raises:
        UnknownFile: another program, or a newer version of this one, wrote the file.
    """
    version, newest = schema_version(connection, schema), migrations()[-1].number
    if version > newest:
        raise UnknownFile(
            f"a newer version of Omnia wrote it: expected schema {newest} or older, found"
            f" {version}; update this one"
        )
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the missing migrations, each in a transaction of its own.

    Of several programs that open a file at once, one migrates and the others wait.

    Raises:
        UnknownFile: another program, or a newer version of this one, wrote the file.
        sqlite3.Error: a migration failed and changed nothing.
    """
    for migration in migrations()[check_version(connection) :]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if check_version(connection) < migration.number:
                for statement in _statements(migration.statements):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {migration.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
