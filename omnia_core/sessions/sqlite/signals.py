"""Signals in an SQLite file, which listeners poll."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.signals import KEPT_SECONDS, Signal, StoredSignals
from omnia_core.sessions.sqlite.file import SqliteFile
from omnia_core.sessions.sqlite.moments import moment

_FORGET = "DELETE FROM signals WHERE sent_at < ?"
_SEND = "INSERT OR REPLACE INTO signals VALUES (?, ?, ?, ?, ?, ?, ?)"
_RECENT = (
    "SELECT session, kind, sender, length FROM signals"
    " WHERE namespace = ? AND agent = ? AND sent_at >= ?"
)
_KEPT = timedelta(seconds=KEPT_SECONDS)


class SqliteSignals(StoredSignals):
    """The signals of an agent, over the file of a session store."""

    def __init__(self, file: SqliteFile, namespace: str, agent: str) -> None:
        self._file = file
        self._owner = (namespace, agent)

    async def send(self, signal: Signal) -> None:
        session, sender = escape_nul(signal.session_id), replace_nul(signal.by)

        def work(connection: sqlite3.Connection) -> None:
            now = datetime.now(UTC)
            connection.execute(_FORGET, (moment(now - _KEPT),))
            row = (*self._owner, session, signal.kind, sender, signal.length, moment(now))
            connection.execute(_SEND, row)

        await self._file.run(work, durable=False)

    async def recent(self) -> Sequence[Signal]:
        def work(connection: sqlite3.Connection) -> list[tuple[str, str, str, int]]:
            oldest = moment(datetime.now(UTC) - _KEPT)
            return connection.execute(_RECENT, (*self._owner, oldest)).fetchall()

        return [
            Signal(unescape_nul(session), kind, sender, length)
            for session, kind, sender, length in await self._file.run(work, durable=False)
        ]
