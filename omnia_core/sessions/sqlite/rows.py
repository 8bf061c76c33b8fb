"""The rows of sessions and their audit trails; every function runs inside a transaction."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec

from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.daily import DailyCalls, daily_calls
from omnia_core.sessions.escaping import escape_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.latency import histogram
from omnia_core.sessions.recorded import TOLD_BY_EVENTS, EventRow, ModelRow, ToolRow
from omnia_core.sessions.records import Message
from omnia_core.sessions.sqlite.moments import Now, moment
from omnia_core.sessions.sweeping import RetentionTerms

# Sessions that ended, sessions and messages that were deleted; the same three of a dry run.
Effects: TypeAlias = list[int]
# Namespace and agent; these and the id of a session.
Owner: TypeAlias = tuple[str, str]
Name: TypeAlias = tuple[str, str, str]


class Row(NamedTuple):
    """A session that has not ended, in the order of `_COLUMNS`."""

    key: int
    length: int
    first_position: int
    first_turn: int
    begun_with: str
    user_id: str
    turns: int
    status: str
    expires_at: str
    used_at: str
    kept_until: str | None
    trial_stage: int
    trial_position: int
    checkpoint: str | None
    name: str
    name_given: int


# A session, and the records of its messages, one a line.
Loaded: TypeAlias = tuple[Row, str]
Trail: TypeAlias = tuple[list[ModelRow], list[ToolRow], list[EventRow]]

_COLUMNS = ", ".join(Row._fields)
_OPEN = "FROM sessions WHERE namespace = ? AND agent = ? AND id = ? AND NOT ended"
_FIND = f"SELECT {_COLUMNS} {_OPEN}"
# One statement needs no transaction.
_LOAD = (
    f"SELECT {_COLUMNS}, (SELECT group_concat(record, char(10)) FROM"  # noqa: S608 - constants
    f" (SELECT record FROM messages WHERE session = key ORDER BY position)) {_OPEN}"
)
_BEGIN = (
    "INSERT INTO sessions (namespace, agent, id, begun_at, active_at, used_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
# The assignments of an UPDATE of a session.
_USED = "expires_at = ?, used_at = ?, kept_until = ?, trial_stage = 0"
_APPENDED = (
    "length = ?, first_position = ?, first_turn = ?, begun_with = ?, user_id = ?, active_at = ?,"
    " trial_position = ?, checkpoint = NULL"
)
_COUNTED = (
    "tag = ?, status = coalesce(?, status), turns = ?, tool_calls = tool_calls + ?,"
    " provider_calls = provider_calls + ?, provider_errors = provider_errors + ?,"
    " input_tokens = input_tokens + ?, output_tokens = output_tokens + ?,"
    " cached_tokens = cached_tokens + ?, cost_usd = cost_usd + ?"
)
_MESSAGE = (
    "INSERT INTO messages (session, position, created_at, role, pack_version, record)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_FIRST_WITHIN = (
    "SELECT position FROM messages WHERE session = ? AND position >= ? AND role = 'user'"
    " ORDER BY position LIMIT 1"
)
_LAST_TURN = (
    "SELECT position FROM messages WHERE session = ? AND role = 'user'"
    " ORDER BY position DESC LIMIT 1"
)
_DAILY_CALLS = (
    "INSERT INTO daily_calls AS d (namespace, day, agent, provider, model, calls, errors,"
    " input_tokens, output_tokens, cached_tokens, cost_usd, buckets)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (namespace, day, agent, provider, model) DO UPDATE"
    " SET calls = d.calls + excluded.calls, errors = d.errors + excluded.errors,"
    " input_tokens = d.input_tokens + excluded.input_tokens,"
    " output_tokens = d.output_tokens + excluded.output_tokens,"
    " cached_tokens = d.cached_tokens + excluded.cached_tokens,"
    " cost_usd = d.cost_usd + excluded.cost_usd, buckets = added(d.buckets, excluded.buckets)"
)
_DAILY_TURNS = (
    "INSERT INTO daily_turns AS d (namespace, day, agent, turns, errors, buckets)"
    " VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (namespace, day, agent) DO UPDATE"
    " SET turns = d.turns + 1, errors = d.errors + excluded.errors,"
    " buckets = added(d.buckets, excluded.buckets)"
)
_TOOL_CALL = (
    "INSERT INTO tool_calls (session, turn, began_at, call_id, name, handler, arguments, status,"
    " duration_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PROVIDER_CALL = (
    "INSERT INTO provider_calls (session, number, turn, began_at, provider, model, status, fault,"
    " attempt, input_tokens, output_tokens, cached_tokens, cost_usd, duration_ms, first_word_ms)"
    " VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM provider_calls WHERE session = ?1),"
    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_EVENT = (
    "INSERT INTO runtime_events (session, number, turn, at, kind, detail)"
    " VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM runtime_events WHERE session = ?1),"
    " ?, ?, ?, ?)"
)
_NEWEST = (
    "SELECT key FROM sessions WHERE namespace = ? AND agent = ? AND id = ?"
    " ORDER BY ended, begun_at DESC LIMIT 1"
)
_RESULT_COLUMNS = ", ".join(EvalResult.__struct_fields__[1:])
_ADD_RESULT = (
    f"INSERT INTO eval_results (session, {_RESULT_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_RESULTS = (
    f"SELECT {_RESULT_COLUMNS} FROM eval_results WHERE session = ({_NEWEST})"  # noqa: S608 - likewise
    " ORDER BY turn, at, evaluation, source"
)
_MODEL_ROWS = (
    "SELECT turn, input_tokens, output_tokens, cached_tokens, cost_usd, duration_ms"
    " FROM provider_calls WHERE session = ? AND attempt > 0"
)
_TOOL_ROWS = "SELECT turn, duration_ms FROM tool_calls WHERE session = ?"
_EVENTS = (
    "SELECT turn, at, kind, detail FROM runtime_events WHERE session = ?"  # noqa: S608 - placeholders
    f" AND kind IN ({', '.join('?' * len(TOLD_BY_EVENTS))}) ORDER BY number"
)
_COSTS = (
    "SELECT provider, sum(cost_usd) FROM daily_calls WHERE namespace = ? AND agent = ?"
    " AND day >= ? GROUP BY provider"
)
# A time to live begins anew when so much of it is over, or a minute, so that few loads write.
_UNUSED_SHARE, _UNUSED = 0.01, timedelta(minutes=1)


def find(connection: sqlite3.Connection, name: Name) -> Row | None:
    """Return the session of this name that has not ended, which may have expired."""
    found = connection.execute(_FIND, name).fetchone()
    return Row(*found) if found else None


def load(connection: sqlite3.Connection, name: Name) -> Loaded | None:
    """Return a session as `find`, and the records of its messages, one a line."""
    found = connection.execute(_LOAD, name).fetchone()
    return (Row(*found[:-1]), found[-1] or "") if found else None


def trail(connection: sqlite3.Connection, key: int) -> Trail:
    """Return what is kept of the audit trail of a session about its turns."""
    events = connection.execute(_EVENTS, (key, *TOLD_BY_EVENTS)).fetchall()
    return (
        connection.execute(_MODEL_ROWS, (key,)).fetchall(),
        connection.execute(_TOOL_ROWS, (key,)).fetchall(),
        [(turn, datetime.fromisoformat(at), kind, detail) for turn, at, kind, detail in events],
    )


def is_due(row: Row, terms: RetentionTerms, now: Now) -> bool:
    """Whether the time to live is to begin anew; a dry-run policy counts each use."""
    unused = now.time - datetime.fromisoformat(row.used_at)
    return terms.trial_ttl is not None or unused >= min(terms.ttl * _UNUSED_SHARE, _UNUSED)


def use(connection: sqlite3.Connection, row: Row, terms: RetentionTerms, now: Now) -> Effects:
    """Begin the time to live anew; return what a dry-run policy would have done until now."""
    connection.execute(_update(_USED), (*_times(row, terms, now), row.key))
    return trial_effects(row, terms, now)


def begin(connection: sqlite3.Connection, name: Name, terms: RetentionTerms, now: Now) -> Row:
    """Insert a session without messages."""
    at, expires_at = now.text, moment(now.time + terms.ttl)
    key = connection.execute(_BEGIN, (*name, at, at, at, expires_at)).lastrowid
    assert key is not None  # noqa: S101 - it was inserted
    return Row(key, 0, 0, 0, "", "", 0, "completed", expires_at, at, None, 0, 0, None, "", 0)


def end(connection: sqlite3.Connection, row: Row, now: Now) -> Effects:
    """End an expired session: what is kept of it stays, else it is deleted."""
    if row.kept_until is not None and row.kept_until > now.text:
        connection.execute("UPDATE sessions SET ended = 1 WHERE key = ?", (row.key,))
        return [1, 0, 0, 0, 0, 0]
    connection.execute("DELETE FROM sessions WHERE key = ?", (row.key,))
    return [1, 1, 0, 0, 0, 0]


def extend(
    connection: sqlite3.Connection,
    row: Row,
    messages: Sequence[tuple[Message, str]],
    trail: tuple[Name, AuditTrail] | None,
    terms: RetentionTerms,
    now: Now,
) -> Effects:
    """Append messages with their records and trail, and delete the oldest above the limit."""
    at, length = now.text, row.length + len(messages)
    connection.executemany(
        _MESSAGE,
        [
            (
                row.key,
                row.length + number,
                at,
                message.role,
                escape_nul(message.pack_version),
                record,
            )
            for number, (message, record) in enumerate(messages)
        ],
    )
    start, turns, begun_with = row.first_position, row.first_turn, row.begun_with
    user_id = row.user_id if row.length else escape_nul(messages[0][0].user_id)
    trial, effects = row.trial_position, trial_effects(row, terms, now)
    # The first append is one turn, even if a function called its model twice: it stays whole.
    if row.length and terms.most is not None and length - start > terms.most:
        begun = max(_first_kept(connection, row.key, length, terms.most), start)
        if start == 0 and begun > 0:
            begun_with = _pack_version(connection, row.key)
        effects[2], turns_gone = _delete_before(connection, row.key, begun)
        start, turns = begun, turns + turns_gone
    if (
        row.length
        and terms.trial_most is not None
        and length - max(trial, start) > terms.trial_most
    ):
        kept_from = _first_kept(connection, row.key, length, terms.trial_most)
        effects[5] = max(kept_from - max(trial, start), 0)
        trial = kept_from
    assignments = [_APPENDED]
    values: list[Any] = [length, start, turns, begun_with, user_id, at, trial]
    if not row.length or is_due(row, terms, now):
        assignments.append(_USED)
        values += _times(row, terms, now)
    if trail is not None:
        assignments.append(_COUNTED)
        values += _insert_trail(connection, row, *trail, at)
    connection.execute(_update(*assignments), (*values, row.key))
    return effects


def keep_trail(
    connection: sqlite3.Connection, name: Name, row: Row, trail: AuditTrail, now: Now
) -> None:
    """Write audit records that come without messages, and add them up."""
    counted = _insert_trail(connection, row, name, trail, now.text)
    connection.execute(_update(_COUNTED), (*counted, row.key))


def _insert_trail(
    connection: sqlite3.Connection, row: Row, name: Name, trail: AuditTrail, at: str
) -> Sequence[Any]:
    """Insert audit records, and add up those of the day; return the values of `_COUNTED`."""
    turn, day = row.turns + trail.turns, at[:10]
    place = (row.key, turn)
    connection.executemany(_EVENT, [place + _values(event) for event in trail.events])
    if trail.tool_calls:
        connection.executemany(_TOOL_CALL, [place + _values(call) for call in trail.tool_calls])
    if trail.provider_calls:
        calls = [place + _values(call) for call in trail.provider_calls]
        connection.executemany(_PROVIDER_CALL, calls)
    sums = daily_calls(trail.provider_calls)
    namespace, agent, _ = name
    _add_daily(connection, (namespace, agent), day, sums)
    if trail.turn_ms is not None:
        errors, buckets = int(trail.status == "error"), histogram((trail.turn_ms,))
        connection.execute(_DAILY_TURNS, (namespace, day, agent, errors, _json(buckets)))
    return (
        trail.tag,
        trail.status,
        turn,
        len(trail.tool_calls),
        len(trail.provider_calls),
        sum(each.errors for each in sums),
        sum(each.input_tokens for each in sums),
        sum(each.output_tokens for each in sums),
        sum(each.cached_tokens for each in sums),
        sum(each.cost_usd for each in sums),
    )


def _add_daily(
    connection: sqlite3.Connection, owner: Owner, day: str, sums: Sequence[DailyCalls]
) -> None:
    namespace, agent = owner
    for each in sums:
        *values, buckets = _values(each)
        connection.execute(_DAILY_CALLS, (namespace, day, agent, *values, _json(buckets)))


def add_eval_results(
    connection: sqlite3.Connection,
    owner: Owner,
    results: Sequence[EvalResult],
    calls: Sequence[ProviderCall],
    now: Now,
) -> int:
    """Insert the results that are new, and return how many; if any is, add up the calls."""
    added = 0
    for result in results:
        found = connection.execute(_NEWEST, (*owner, escape_nul(result.session))).fetchone()
        if found:
            values = found + _values(result)[1:]
            added += connection.execute(_ADD_RESULT, values).rowcount
    if added:
        _add_daily(connection, owner, now.text[:10], daily_calls(calls))
    return added


def eval_results(connection: sqlite3.Connection, name: Name, session_id: str) -> list[EvalResult]:
    """Return the results of the newest session of a name, in order."""
    fields = EvalResult.__struct_fields__[1:]
    return [
        msgspec.convert(
            {"session": session_id, **dict(zip(fields, row, strict=True))}, EvalResult, strict=False
        )
        for row in connection.execute(_RESULTS, name)
    ]


def costs(connection: sqlite3.Connection, owner: Owner, first: str) -> list[tuple[str, float]]:
    """Return each provider, and what requests to it cost since a day."""
    return connection.execute(_COSTS, (*owner, first)).fetchall()


def _update(*assignments: str) -> str:
    return f"UPDATE sessions SET {', '.join(assignments)} WHERE key = ?"  # noqa: S608 - constants


def _times(row: Row, terms: RetentionTerms, now: Now) -> tuple[str, str, str | None]:
    """Return the values of `_USED`."""
    return moment(now.time + terms.ttl), now.text, kept(row, terms, now)


def kept(row: Row, terms: RetentionTerms, now: Now) -> str | None:
    """Return until when a session is kept that is used now; its own time without a policy."""
    keep = terms.keep
    if keep is None and row.kept_until is not None:
        keep = datetime.fromisoformat(row.kept_until) - datetime.fromisoformat(row.used_at)
    return moment(now.time + keep) if keep else None


def trial_effects(row: Row, terms: RetentionTerms, now: Now) -> Effects:
    """Return what a dry-run policy would have done to a session until now."""
    if terms.trial_ttl is None:
        return [0] * 6
    stage = trial_stage(row.used_at, terms, now)
    return [0, 0, 0, int(stage > 0 and row.trial_stage == 0), int(stage == 2 > row.trial_stage), 0]  # noqa: PLR2004 - a stage


def trial_stage(used_at: str, terms: RetentionTerms, now: Now) -> int:
    """Return 1 if a dry-run policy would have ended a session by now, 2 if deleted, else 0."""
    unused = now.time - datetime.fromisoformat(used_at)
    return int(_reached(terms.trial_ttl, unused)) + int(_reached(terms.trial_keep, unused))


def _reached(limit: timedelta | None, unused: timedelta) -> bool:
    return limit is not None and unused >= limit


def _first_kept(connection: sqlite3.Connection, key: int, length: int, most: int) -> int:
    """Return the position from which on messages are kept: as `retention.first_kept` does."""
    found = connection.execute(_FIRST_WITHIN, (key, length - most)).fetchone()
    found = found or connection.execute(_LAST_TURN, (key,)).fetchone()
    return int(found[0]) if found else 0


def _pack_version(connection: sqlite3.Connection, key: int) -> str:
    (version,) = connection.execute(
        "SELECT pack_version FROM messages WHERE session = ? AND position = 0", (key,)
    ).fetchone()
    return str(version)


def _delete_before(connection: sqlite3.Connection, key: int, position: int) -> tuple[int, int]:
    """Delete messages; return how many there were, and how many of them began a turn."""
    roles = connection.execute(
        "DELETE FROM messages WHERE session = ? AND position < ? RETURNING role", (key, position)
    ).fetchall()
    return len(roles), sum(role == "user" for (role,) in roles)


def _values(record: msgspec.Struct) -> tuple[Any, ...]:
    values = msgspec.structs.astuple(record)
    return (*[_without_surrogates(value) if type(value) is str else value for value in values],)


def _without_surrogates(value: str) -> str:
    """Half of a surrogate pair is not text; NUL would end it for other programs."""
    if value.isascii() and "\0" not in value:
        return value
    return value.encode(errors="replace").decode().replace("\0", "\ufffd")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
