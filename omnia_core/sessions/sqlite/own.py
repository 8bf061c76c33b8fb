"""What users may do with sessions of their own, in an SQLite file."""

import sqlite3
from datetime import datetime
from functools import partial

from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.first_message import RECORD_PREFIX, recorded_first_words
from omnia_core.sessions.own import ListedSession, ListPlace, OwnSessions
from omnia_core.sessions.sqlite import moments, rows
from omnia_core.sessions.sqlite.file import SqliteFile

_OPEN = "namespace = ? AND agent = ? AND id = ? AND NOT ended AND expires_at > ?"
_NAME = f"UPDATE sessions SET name = ?, name_given = 1 WHERE {_OPEN}"  # noqa: S608 - constants
# A policy keeps those whose time is longer than their time to live.
_KEPT = "coalesce(kept_until > expires_at, 0)"
_NOTE = (
    "INSERT INTO runtime_events (session, number, turn, at, kind, detail) SELECT key,"  # noqa: S608 - likewise
    " (SELECT coalesce(max(number), 0) + 1 FROM runtime_events WHERE session = key), turns, ?,"
    f" '{EventKind.SESSION_DELETED}', '' FROM sessions WHERE {_OPEN} AND {_KEPT}"
)
_END = f"UPDATE sessions SET ended = 1, expires_at = ?, checkpoint = NULL WHERE {_OPEN} AND {_KEPT}"  # noqa: S608 - likewise
_DELETE = f"DELETE FROM sessions WHERE {_OPEN}"  # noqa: S608 - likewise
_LIST = (
    "SELECT id, name, begun_at, active_at, expires_at, turns, status,"  # noqa: S608 - likewise
    " input_tokens + output_tokens, cost_usd,"
    f" (SELECT substr(record, 1, {RECORD_PREFIX}) FROM messages WHERE session = key"
    " AND role = 'user' AND first_position = 0 ORDER BY position LIMIT 1) FROM sessions"
    " WHERE namespace = ? AND agent = ? AND user_id = ? AND tag = 'agent' AND NOT ended"
    " AND expires_at > ? AND (begun_at, id) < (?, ?) ORDER BY begun_at DESC, id DESC LIMIT ?"
)


class SqliteOwnSessions(OwnSessions):
    """The sessions of one agent."""

    def __init__(self, file: SqliteFile, owner: rows.Owner) -> None:
        self._file = file
        self._owner = owner

    async def give_name(self, session_id: str, name: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            values = (replace_nul(name), *self._open(session_id))
            return connection.execute(_NAME, values).rowcount > 0

        return await self._file.run(work, durable=True)

    async def end(self, session_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            session = self._open(session_id)
            connection.execute(_NOTE, (session[-1], *session))
            kept = connection.execute(_END, (session[-1], *session)).rowcount > 0
            return kept or connection.execute(_DELETE, session).rowcount > 0

        return await self._file.run(work, durable=True)

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> list[ListedSession]:
        place = (moments.moment(after.begun_at), escape_nul(after.session_id))
        values = (*self._owner, escape_nul(user_id), moments.now().text, *place, limit)
        return await self._file.read(partial(_list, values=values))

    def _open(self, session_id: str) -> tuple[str, ...]:
        """Return the values of `_OPEN`."""
        return (*self._owner, escape_nul(session_id), moments.now().text)


def _list(connection: sqlite3.Connection, values: tuple[object, ...]) -> list[ListedSession]:
    return [
        ListedSession(
            id=unescape_nul(id_),
            name=name,
            begun_at=datetime.fromisoformat(begun_at),
            active_at=datetime.fromisoformat(active_at),
            ends_at=datetime.fromisoformat(expires_at),
            turns=turns,
            status=status,
            tokens=tokens,
            cost_usd=cost,
            first_message=recorded_first_words(record),
        )
        for id_, name, begun_at, active_at, expires_at, turns, status, tokens, cost, record in (
            connection.execute(_LIST, values)
        )
    ]
