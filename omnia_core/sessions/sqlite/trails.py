"""The audit trail of the last turns of a session; every function runs inside a transaction."""

import sqlite3

from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.sqlite.rows import Name, find
from omnia_core.sessions.trail import MOST_RECORDS, SessionTrail, TrailRow, session_trail

_NEWEST_CALLS = (
    f"SELECT turn, {', '.join(ProviderCall.__struct_fields__)} FROM provider_calls"  # noqa: S608 - constants
    " WHERE session = ? AND turn > ? ORDER BY number DESC LIMIT ?"
)
_NEWEST_TOOLS = (
    "SELECT turn, began_at, call_id, name, handler, '', status, duration_ms FROM tool_calls"
    " WHERE session = ? AND turn > ? ORDER BY number DESC LIMIT ?"
)
_NEWEST_EVENTS = (
    "SELECT turn, at, kind, detail FROM runtime_events"
    " WHERE session = ? AND turn > ? ORDER BY number DESC LIMIT ?"
)


def read_trail(connection: sqlite3.Connection, name: Name, last: int) -> SessionTrail | None:
    """Return the trail of the last turns of the session that has not ended."""
    row = find(connection, name)
    if row is None:
        return None
    wanted = (row.key, row.turns - last, MOST_RECORDS)
    calls: list[TrailRow] = [
        (turn, ProviderCall(*fields)) for turn, *fields in connection.execute(_NEWEST_CALLS, wanted)
    ]
    tools: list[TrailRow] = [
        (turn, ToolExecution(*fields))
        for turn, *fields in connection.execute(_NEWEST_TOOLS, wanted)
    ]
    events: list[TrailRow] = [
        (turn, RuntimeEvent(at, EventKind(kind), detail))
        for turn, at, kind, detail in connection.execute(_NEWEST_EVENTS, wanted)
    ]
    return session_trail(row.length, row.turns, (calls, tools, events))
