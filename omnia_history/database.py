"""The port to the database of the sessions, and what its implementations share."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from omnia_history.queries import Dialect, Query
from omnia_history.refusals import Refused

QUERY_TIMEOUT_SECONDS = 5.0


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
