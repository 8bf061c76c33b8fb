"""Builds SQL statements and their arguments, without I/O."""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct, structs

from omnia_core.names import EvalOutcome
from omnia_core.sessions.escaping import escape_nul
from omnia_core.sessions.first_message import RECORD_PREFIX
from omnia_history.filters import (
    ALL_NAMESPACES,
    AggregateFilter,
    EvalFilter,
    Page,
    SessionFilter,
    TurnPage,
    UserFilter,
)

Query: TypeAlias = tuple[str, list[Any]]

_BEFORE_ALL = -(2**31)


class Dialect(Struct, frozen=True):
    """The parts of a statement that are not the same in every database.

    Attributes:
        bucket_sums: an expression for the sums of the elements of the column `buckets`.
        has_match: returns a condition for sessions of which a message contains a text, and its
            arguments.
        has_name: likewise, a condition for sessions whose name contains a text.
    """

    bucket_sums: str
    has_match: Callable[[str], tuple[str, tuple[str, ...]]]
    has_name: Callable[[str], tuple[str, tuple[str, ...]]]


# Statements are built from constants of this file; every value of a request is an argument.
SELECT_SESSIONS = (
    "SELECT key, id, namespace, agent, name, tag, user_id, status,"  # noqa: S608 - likewise
    " begun_at, active_at, expires_at,"
    " CASE WHEN kept_until > expires_at THEN kept_until ELSE expires_at END AS kept_until,"
    " expires_at <= now() AS ended,"
    " length AS messages, first_position AS messages_deleted, turns, tool_calls,"
    " provider_calls, provider_errors, input_tokens, output_tokens, cached_tokens, cost_usd,"
    f" (SELECT substr(record, 1, {RECORD_PREFIX}) FROM omnia.messages"
    " WHERE messages.session = sessions.key AND messages.role = 'user' AND first_position = 0"
    " ORDER BY position LIMIT 1) AS first_record FROM omnia.sessions"
)
_SESSION_SUMS = (
    "SELECT count(*) AS sessions, "  # noqa: S608 - constants
    + ", ".join(
        f"CAST(coalesce(sum({name}), 0) AS bigint) AS {name}"
        for name in ("turns", "input_tokens", "output_tokens", "cached_tokens")
    )
    + ", coalesce(sum(cost_usd), 0.0) AS cost_usd FROM omnia.sessions"
)
# By the last segment of the path: the table, the column that numbers its rows, and the columns
# that are shown.
RECORDS: dict[str, tuple[str, str, str]] = {
    "messages": ("messages", "position", "created_at, record"),
    "tool-calls": (
        "tool_calls",
        "number",
        "turn, began_at, call_id, name, handler, arguments, status, duration_ms",
    ),
    "provider-calls": (
        "provider_calls",
        "number",
        (
            "turn, began_at, provider, model, status, fault, attempt, input_tokens, output_tokens,"
            " cached_tokens, cost_usd, duration_ms, first_word_ms"
        ),
    ),
    "events": ("runtime_events", "number", "turn, at, kind, detail"),
    "eval-results": (
        "eval_results",
        "number",
        (
            "turn, at, evaluation, type, trigger, source, outcome, score, passed, threshold,"
            " explanation, error, cost_usd, judge_model, duration_ms, variant, pack_version"
        ),
    ),
}


def for_older_schema(statement: str) -> str:
    """Return a statement for a database that no agent of this version has migrated yet."""
    return statement.replace("first_word_ms", "NULL AS first_word_ms")


class Where:
    """The conditions of a WHERE clause and their arguments."""

    def __init__(self, namespace: str) -> None:
        """`namespace` may be `ALL_NAMESPACES`."""
        self.arguments: list[Any] = []
        self._conditions: list[str] = []
        self.add("namespace = {}", None if namespace == ALL_NAMESPACES else namespace)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition with a `{}` for each value. It is skipped if a value is None or empty."""
        if any(value is None or value == "" for value in values):
            return
        first = len(self.arguments) + 1
        placeholders = (f"${first + index}" for index in range(len(values)))
        self._conditions.append(condition.format(*placeholders))
        self.arguments += values

    def __str__(self) -> str:
        return " AND ".join(self._conditions) or "true"


def session_conditions(namespace: str, criteria: SessionFilter, dialect: Dialect) -> Where:
    """Return the conditions of a list of sessions, without those of the text search."""
    where = Where(namespace)
    where.add("agent = {}", criteria.agent)
    where.add("tag = {}", criteria.tag)
    where.add("user_id = {}", criteria.user and escape_nul(criteria.user))
    where.add("status = {}", criteria.status)
    if criteria.status and criteria.status != "completed":
        # PostgreSQL uses a partial index only if the statement implies the index's condition.
        where.add("status <> 'completed'")
    if criteria.user:
        where.add("user_id <> ''")
    if criteria.name:
        condition, values = dialect.has_name(criteria.name)
        where.add(condition, *values)
    where.add("begun_at >= {}", criteria.begun_from)
    where.add("begun_at < {}", criteria.begun_to)
    if criteria.after:
        where.add("(begun_at, key) < ({}, {})", criteria.after.begun_at, criteria.after.key)
    return where


def sessions(namespace: str, criteria: SessionFilter, dialect: Dialect) -> Query:
    """List sessions: at most one more than the limit, which shows whether a next page exists."""
    where = session_conditions(namespace, criteria, dialect)
    order = f"ORDER BY begun_at DESC, key DESC LIMIT {criteria.limit + 1}"
    return f"{SELECT_SESSIONS} WHERE {where} {order}", where.arguments


def session_sums(namespace: str, criteria: SessionFilter, dialect: Dialect) -> Query:
    """Sum up the sessions of a list, those of earlier and later pages included."""
    where = session_conditions(namespace, structs.replace(criteria, after=None), dialect)
    return f"{_SESSION_SUMS} WHERE {where}", where.arguments


def users(namespace: str, criteria: UserFilter) -> Query:
    """List users by their last use: at most one more than the limit."""
    where = Where(namespace)
    where.add("agent = {}", criteria.agent)
    inner = (
        "SELECT user_id, max(active_at) AS active_at, min(begun_at) AS first_begun_at,"  # noqa: S608 - constants
        " count(*) AS sessions, CAST(sum(turns) AS bigint) AS turns, sum(cost_usd) AS cost_usd"
        f" FROM omnia.sessions WHERE {where} AND user_id <> '' GROUP BY user_id"
    )
    following = ""
    if criteria.after:
        first = len(where.arguments) + 1
        following = f"WHERE (active_at, user_id) < (${first}, ${first + 1})"
        where.arguments += [criteria.after.active_at, criteria.after.user_id]
    order = f"ORDER BY active_at DESC, user_id DESC LIMIT {criteria.limit + 1}"
    statement = f"SELECT * FROM ({inner}) AS users {following} {order}"  # noqa: S608 - likewise
    return statement, where.arguments


def session(namespace: str, session_id: str, page: Page) -> Query:
    """Find a session: the newest one, if several sessions have the same id."""
    where = Where(namespace)
    where.add("id = {}", escape_nul(session_id))
    where.add("agent = {}", page.agent)
    where.add("begun_at = {}", page.begun_at)
    return (
        f"{SELECT_SESSIONS} WHERE {where} ORDER BY begun_at DESC, key DESC LIMIT 1",
        where.arguments,
    )


def records(kind: str, key: int, page: Page) -> Query:
    """List records of the session with this key in order: at most one more than the limit."""
    table, number, columns = RECORDS[kind]
    select = f"SELECT {number} AS number, {columns} FROM omnia.{table}"  # noqa: S608 - constants
    limit = f"ORDER BY {number} LIMIT {page.limit + 1}"
    return f"{select} WHERE session = $1 AND {number} > $2 {limit}", [key, page.after]


# Turns are numbered from the end: what was said elsewhere before a session is in no trail, so that
# its messages have numbers below 1. A message of the user begins a turn.
_NUMBERED = """
SELECT position, (SELECT turns FROM omnia.sessions WHERE key = $1)
    + CASE WHEN role = 'user' THEN 1 ELSE 0 END
    - sum(CASE WHEN role = 'user' THEN 1 ELSE 0 END) OVER (ORDER BY position DESC) AS turn
FROM omnia.messages WHERE session = $1
"""


def turn_records(kind: str, key: int, page: TurnPage) -> Query:
    """List the records of some turns of the session with this key in order."""
    first = page.after or _BEFORE_ALL
    if kind == "messages":
        statement = (
            "SELECT m.position AS number, m.created_at, m.record,"  # noqa: S608 - constants
            f" CAST(numbered.turn AS integer) AS turn FROM ({_NUMBERED}) AS numbered"
            " JOIN omnia.messages AS m ON m.session = $1 AND m.position = numbered.position"
            " WHERE numbered.turn > $2 AND numbered.turn <= $3 ORDER BY m.position"
        )
    else:
        table, number, columns = RECORDS[kind]
        statement = (
            f"SELECT {number} AS number, {columns} FROM omnia.{table}"  # noqa: S608 - constants
            f" WHERE session = $1 AND turn > $2 AND turn <= $3 ORDER BY {number}"
        )
    return statement, [key, first, page.last]


_GROUP_COLUMNS = {
    "agent": "agent",
    "provider": "provider",
    "model": "model",
    "day": "CAST(day AS text)",
}
_CALL_SUMS = (
    "CAST(sum(calls) AS bigint) AS calls, CAST(sum(errors) AS bigint) AS errors,"
    " CAST(sum(input_tokens) AS bigint) AS input_tokens,"
    " CAST(sum(output_tokens) AS bigint) AS output_tokens,"
    " CAST(sum(cached_tokens) AS bigint) AS cached_tokens, sum(cost_usd) AS cost_usd"
)
_TURN_SUMS = "CAST(sum(turns) AS bigint) AS turns, CAST(sum(errors) AS bigint) AS errors"


def calls(namespace: str, criteria: AggregateFilter, dialect: Dialect) -> Query:
    """Sum up provider calls by group."""
    return _sum(namespace, criteria, f"{_CALL_SUMS}, {dialect.bucket_sums}", "daily_calls")


def turns(namespace: str, criteria: AggregateFilter, dialect: Dialect) -> Query:
    """Sum up turns by group, which is an agent or a day."""
    return _sum(namespace, criteria, f"{_TURN_SUMS}, {dialect.bucket_sums}", "daily_turns")


# By the name of the parameter.
_EVAL_COLUMNS = {
    "eval": "r.evaluation",
    "variant": "r.variant",
    "agent": "s.agent",
    "pack_version": "r.pack_version",
}
_OUTCOME_SUMS = ", ".join(
    f"CAST(sum(CASE WHEN r.outcome = '{outcome}' THEN 1 ELSE 0 END) AS bigint) AS {outcome}_count"
    for outcome in EvalOutcome
)


def evals(namespace: str, criteria: EvalFilter) -> Query:
    """Sum up results of evaluations by group."""
    where = Where(namespace)
    where.add("agent = {}", criteria.agent)
    where.add("at >= {}", criteria.since)
    groups = [f'{_EVAL_COLUMNS[each]} AS "{each}"' for each in criteria.by]
    numbers = ", ".join(str(number) for number in range(1, len(groups) + 1))
    select = (
        f"SELECT {', '.join(groups)}, {_OUTCOME_SUMS}, sum(r.score) AS score,"  # noqa: S608 - constants
        " sum(r.cost_usd) AS cost_usd"
        " FROM omnia.eval_results AS r JOIN omnia.sessions AS s ON s.key = r.session"
    )
    return f"{select} WHERE {where} GROUP BY {numbers} ORDER BY {numbers}", where.arguments


def _sum(namespace: str, criteria: AggregateFilter, sums: str, table: str) -> Query:
    where = Where(namespace)
    where.add("agent = {}", criteria.agent)
    where.add("day >= {}", criteria.first)
    where.add("day <= {}", criteria.last)
    select = f'SELECT {_GROUP_COLUMNS[criteria.group_by]} AS "group", {sums} AS buckets'
    return f"{select} FROM omnia.{table} WHERE {where} GROUP BY 1", where.arguments
