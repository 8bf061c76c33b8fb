"""What the database is asked; pure. Each returns a statement and its arguments."""

from typing import Any, TypeAlias

from omnia_core.sessions.latency import BUCKETS
from omnia_core.sessions.postgres.encoding import escape_nul
from omnia_history.filters import AggregateFilter, Page, SessionFilter

Query: TypeAlias = tuple[str, list[Any]]

# Names in statements are this file's own; every value is an argument.
OF_SESSIONS = (
    "SELECT key, id, agent, tag, user_id, status, begun_at, active_at, expires_at,"
    " greatest(expires_at, kept_until) AS kept_until, expires_at <= now() AS ended,"
    " length AS messages, first_position AS messages_deleted, turns, tool_calls,"
    " provider_calls, provider_errors, input_tokens, output_tokens, cached_tokens, cost_usd"
    " FROM omnia.sessions"
)
# By the last part of the address: the table, its number, and what is shown.
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
            " cached_tokens, cost_usd, duration_ms"
        ),
    ),
    "events": ("runtime_events", "number", "turn, at, kind, detail"),
    "eval-results": (
        "eval_results",
        "number",
        "turn, at, evaluation, source, score, passed, explanation",
    ),
}
_SUM_OF_BUCKETS = f"ARRAY[{', '.join(f'sum(buckets[{each + 1}])' for each in range(BUCKETS))}]"


class Where:
    """Conditions, each with its argument."""

    def __init__(self, namespace: str) -> None:
        self.arguments: list[Any] = [namespace]
        self._conditions = ["namespace = $1"]

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition with `{}` for each of its values, unless a value is empty."""
        if any(value is None or value == "" for value in values):
            return
        first = len(self.arguments) + 1
        places = (f"${first + index}" for index in range(len(values)))
        self._conditions.append(condition.format(*places))
        self.arguments += values

    def __str__(self) -> str:
        return " AND ".join(self._conditions)


def listed(namespace: str, wanted: SessionFilter) -> Where:
    """Return the conditions of a list of sessions."""
    where = Where(namespace)
    where.add("agent = {}", wanted.agent)
    where.add("tag = {}", wanted.tag)
    where.add("user_id = {}", wanted.user and escape_nul(wanted.user))
    where.add("status = {}", wanted.status)
    if wanted.status and wanted.status != "completed":
        where.add("status <> 'completed'")  # says that the partial index has them all
    if wanted.user:
        where.add("user_id <> ''")
    where.add("begun_at >= {}", wanted.begun_from)
    where.add("begun_at < {}", wanted.begun_to)
    if wanted.after:
        where.add("(begun_at, key) < ({}, {})", wanted.after.begun_at, wanted.after.key)
    return where


def sessions(namespace: str, wanted: SessionFilter) -> Query:
    """List sessions, and one more than wanted if there is one."""
    where = listed(namespace, wanted)
    order = f"ORDER BY begun_at DESC, key DESC LIMIT {wanted.limit + 1}"
    return f"{OF_SESSIONS} WHERE {where} {order}", where.arguments


def session(namespace: str, session_id: str, wanted: Page) -> Query:
    """Find one session; of several of one id, of several agents or in turn, the newest."""
    where = Where(namespace)
    where.add("id = {}", escape_nul(session_id))
    where.add("agent = {}", wanted.agent)
    where.add("begun_at = {}", wanted.begun_at)
    return f"{OF_SESSIONS} WHERE {where} ORDER BY begun_at DESC, key DESC LIMIT 1", where.arguments


def records(kind: str, key: int, wanted: Page) -> Query:
    """List records of a session in order, and one more than wanted if there is one."""
    table, number, columns = RECORDS[kind]
    found = f"SELECT {number} AS number, {columns} FROM omnia.{table}"  # noqa: S608 - our names
    limit = f"ORDER BY {number} LIMIT {wanted.limit + 1}"
    return f"{found} WHERE session = $1 AND {number} > $2 {limit}", [key, wanted.after]


_GROUPS = {"agent": "agent", "provider": "provider", "model": "model", "day": "day::text"}
_OF_CALLS = (
    "sum(calls)::bigint AS calls, sum(errors)::bigint AS errors,"
    " sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,"
    " sum(cached_tokens)::bigint AS cached_tokens, sum(cost_usd) AS cost_usd"
)
_OF_TURNS = "sum(turns)::bigint AS turns, sum(errors)::bigint AS errors"


def calls(namespace: str, wanted: AggregateFilter) -> Query:
    """Sum up calls of models."""
    return _summed(namespace, wanted, _OF_CALLS, "daily_calls")


def turns(namespace: str, wanted: AggregateFilter) -> Query:
    """Sum up turns, for an agent or a day."""
    return _summed(namespace, wanted, _OF_TURNS, "daily_turns")


def _summed(namespace: str, wanted: AggregateFilter, sums: str, table: str) -> Query:
    where = Where(namespace)
    where.add("agent = {}", wanted.agent)
    where.add("day >= {}", wanted.first)
    where.add("day <= {}", wanted.last)
    found = f'SELECT {_GROUPS[wanted.group_by]} AS "group", {sums}, {_SUM_OF_BUCKETS} AS buckets'
    return f"{found} FROM omnia.{table} WHERE {where} GROUP BY 1", where.arguments
