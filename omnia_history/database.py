"""The port to the database of the sessions, and what its implementations share."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from omnia_core.errors import ConfigurationError
from omnia_history.queries import Dialect, Query
from omnia_history.refusals import Refused

QUERY_TIMEOUT_SECONDS = 5.0
POSTGRES_SCHEMES = ("postgresql://", "postgres://")
SQLITE_SCHEME = "sqlite://"


class Database(Protocol):
    """Runs queries that write nothing.

    Attributes:
        dialect: the parts of a query that are not the same in every database.
    """

    dialect: ClassVar[Dialect]

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        """Run a query and return its rows.

        Raises:
            Refused: the database does not answer, or does not accept an argument of the query.
        """

    async def close(self) -> None:
        """Close every connection without waiting for running queries."""


def open_database(url: str) -> Database:
    """Return the database of a URL, which connects when it is first used.

    Raises:
        ConfigurationError: the URL is not one of a database with a history.
    """
    # Local imports: a process pays for one driver.
    if url.startswith(POSTGRES_SCHEMES):
        from omnia_history.postgres import PostgresDatabase  # noqa: PLC0415 - as above

        return PostgresDatabase(url)
    if url.startswith(f"{SQLITE_SCHEME}/"):
        from omnia_history.sqlite import SqliteDatabase  # noqa: PLC0415 - as above

        return SqliteDatabase(url.removeprefix(SQLITE_SCHEME))
    raise ConfigurationError(
        "the database URL of the history is invalid: "
        "expected postgresql://user[:password]@host[:port]/database[?sslmode=require],"
        " or sqlite:// with the absolute path of a file; "
        "agents that store sessions in Redis or in memory have no history"
    )


def no_sessions() -> Refused:
    """Return the error for a database without tables."""
    return Refused(
        "unavailable",
        "the database has no sessions of this version: no agent has stored one yet",
    )


def invalid_value() -> Refused:
    """Return the error for an argument that a database does not accept."""
    return Refused(
        "invalid_request",
        "the database does not accept a value of the request: expected text without the"
        " character NUL, and a cursor as an answer returned it",
    )


def too_late(seconds: float) -> Refused:
    """Return the error for a query that took more than `seconds`."""
    return Refused(
        "timeout",
        f"the database did not answer within {seconds:g} s:"
        " request less, with agent, from, to or a lower limit",
    )
