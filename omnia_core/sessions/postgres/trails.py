"""The audit trail of the last turns of a session in PostgreSQL: the statement and its row."""

from collections.abc import Mapping, Sequence
from typing import Any

from omnia_core.sessions.audit import (
    EventKind,
    ProviderCall,
    RuntimeEvent,
    ToolExecution,
    timestamp,
)
from omnia_core.sessions.trail import SessionTrail, session_trail

_CALL_FIELDS = ", ".join(ProviderCall.__struct_fields__)
# One statement sees everything as it was at one moment.
READ_TRAIL = f"""
SELECT s.length, s.turns,
    ARRAY(
        SELECT (turn, {_CALL_FIELDS}) FROM omnia.provider_calls
        WHERE session = s.key AND turn > s.turns - $4 ORDER BY number DESC LIMIT $5
    ) AS calls,
    ARRAY(
        SELECT (turn, began_at, call_id, name, handler, ''::text, status, duration_ms)
        FROM omnia.tool_calls
        WHERE session = s.key AND turn > s.turns - $4 ORDER BY number DESC LIMIT $5
    ) AS tools,
    ARRAY(
        SELECT (turn, at, kind, detail) FROM omnia.runtime_events
        WHERE session = s.key AND turn > s.turns - $4 ORDER BY number DESC LIMIT $5
    ) AS events
FROM omnia.sessions AS s
WHERE s.namespace = $1 AND s.agent = $2 AND s.id = $3 AND NOT s.ended
"""  # noqa: S608 - the names of fields


def decode_trail(row: Mapping[str, Any]) -> SessionTrail:
    """Return the trail in a row of `READ_TRAIL`."""
    return session_trail(
        row["length"],
        row["turns"],
        (
            [(each[0], ProviderCall(timestamp(each[1]), *each[2:])) for each in row["calls"]],
            [(each[0], ToolExecution(timestamp(each[1]), *each[2:])) for each in row["tools"]],
            _events(row["events"]),
        ),
    )


def _events(rows: Sequence[Sequence[Any]]) -> list[tuple[int, RuntimeEvent]]:
    return [
        (turn, RuntimeEvent(timestamp(at), EventKind(kind), detail))
        for turn, at, kind, detail in rows
    ]
