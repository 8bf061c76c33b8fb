"""Builds the queries that search sessions by their names and messages, without I/O.

Messages have no search index. A request therefore searches one piece of the list of sessions,
newest first, and its answer has a cursor to the next piece even if no session matched. Each
request is fast, and all pieces together cover the whole list.
"""

from omnia_history.filters import PieceSize, SessionFilter, SessionPosition
from omnia_history.queries import SELECT_SESSIONS, Dialect, Query, session_conditions


def last_of_piece(
    namespace: str, criteria: SessionFilter, size: PieceSize, dialect: Dialect
) -> Query:
    """Find the last session of the piece, and whether more sessions follow it."""
    where = session_conditions(namespace, criteria, dialect)
    order = "ORDER BY begun_at DESC, key DESC"
    statement = (
        "SELECT begun_at, key, more FROM ("  # noqa: S608 - constants
        "SELECT begun_at, key, row_number() OVER newest AS number,"
        " sum(kept) OVER newest - kept AS before, lead(key) OVER newest IS NOT NULL AS more"
        " FROM (SELECT begun_at, key, length - first_position AS kept FROM omnia.sessions"
        f" WHERE {where} {order} LIMIT {size.sessions + 1}) AS found WINDOW newest AS ({order})"
        f") AS counted WHERE number <= {size.sessions} AND before < {size.messages}"
        " ORDER BY begun_at, key LIMIT 1"
    )
    return statement, where.arguments


def sessions(
    namespace: str, criteria: SessionFilter, last: SessionPosition, dialect: Dialect
) -> Query:
    """List the matches of a piece that ends at `last`: at most one more than the limit."""
    where = session_conditions(namespace, criteria, dialect)
    where.add("(begun_at, key) >= ({}, {})", last.begun_at, last.key)
    said, patterns = dialect.has_match(criteria.text)
    named, pattern = dialect.has_name(criteria.text)
    where.add(f"({named} OR {said})", *pattern, *patterns)
    order = f"ORDER BY begun_at DESC, key DESC LIMIT {criteria.limit + 1}"
    return f"{SELECT_SESSIONS} WHERE {where} {order}", where.arguments
