"""The port to the database of the sessions, and what its implementations share."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from omnia_history.filters import (
    AggregateFilter,
    EvalFilter,
    Page,
    PieceSize,
    SessionFilter,
    SessionPosition,
    TurnPage,
    UserFilter,
)
from omnia_history.refusals import Refused

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row]

QUERY_TIMEOUT_SECONDS = 5.0


class Database(Protocol):
    """Reads what is stored, and writes nothing.

    A namespace may be `ALL_NAMESPACES`. Rows have the columns of the tables in PostgreSQL; a list
    has at most one row more than its limit, which shows whether a next page exists. Every method
    raises `Refused` when the database does not answer, or does not accept an argument.
    """

    async def sessions(self, namespace: str, criteria: SessionFilter) -> Rows:
        """List sessions, without a search of their messages."""

    async def search(
        self, namespace: str, criteria: SessionFilter, size: PieceSize
    ) -> tuple[Rows, SessionPosition | None]:
        """Search the next piece of the list of sessions for a text in their messages.

        Returns:
            Its matches, and its end if another piece follows.
        """

    async def session_sums(self, namespace: str, criteria: SessionFilter) -> Row:
        """Sum up the sessions of a list without a search, those of every page."""

    async def users(self, namespace: str, criteria: UserFilter) -> Rows:
        """List users by their last use."""

    async def session(self, namespace: str, session_id: str, page: Page) -> Row | None:
        """Find a session: the newest one, if several sessions have the same id."""

    async def records(self, kind: str, key: Any, page: Page) -> Rows:
        """List records of the session with this key in order."""

    async def turn_records(self, key: Any, page: TurnPage) -> Mapping[str, Rows]:
        """List the records of some turns of the session with this key, by kind.

        Each has the number of its `turn`; that of a message which was said elsewhere before the
        session is below 1.
        """

    async def calls(self, namespace: str, criteria: AggregateFilter) -> Rows:
        """Sum up provider calls by group."""

    async def turns(self, namespace: str, criteria: AggregateFilter) -> Rows:
        """Sum up turns by group, which is an agent or a day."""

    async def evals(self, namespace: str, criteria: EvalFilter) -> Rows:
        """Sum up results of evaluations by group.

        Rows have `passed_count` and those of the other outcomes, and the sums `score` and
        `cost_usd`.
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
