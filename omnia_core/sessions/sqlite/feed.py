"""The feed of evaluations in an SQLite file."""

import sqlite3
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from omnia_core.sessions.escaping import escape_nul, unescape_nul
from omnia_core.sessions.feed import (
    CLAIM_SECONDS,
    UNANSWERED_SECONDS,
    DueSession,
    FeedBacklog,
    Progress,
    SessionFeed,
)
from omnia_core.sessions.sqlite import moments
from omnia_core.sessions.sqlite.file import SqliteFile
from omnia_core.sessions.sqlite.moments import Now, moment
from omnia_core.sessions.sqlite.rows import Name

_NOTE = """
INSERT INTO eval_feed (namespace, agent, session, due_at, active_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (namespace, agent, session) DO UPDATE SET
    active_at = excluded.active_at, version = version + 1,
    due_at = iif(held, due_at, min(due_at, excluded.due_at))
"""
_DUE = "FROM eval_feed WHERE namespace = ? AND agent = ? AND due_at <= ?"
_FIND = f"""
SELECT session, progress, active_at, version {_DUE} AND claimed_until <= ?
ORDER BY due_at LIMIT ?
"""
_CLAIM = """
UPDATE eval_feed SET claim = ?, claimed_until = ?
WHERE namespace = ? AND agent = ? AND session = ?
"""
_ITS = "namespace = ? AND agent = ? AND session = ? AND claim = ?"
_RENEW = f"UPDATE eval_feed SET claimed_until = ? WHERE {_ITS}"  # noqa: S608 - constants
_DONE = f"""
UPDATE eval_feed SET claim = '', claimed_until = '', progress = ?, held = ?,
    due_at = iif(version = ? OR ?, ?, due_at)
WHERE {_ITS}
"""  # noqa: S608 - constants
_FORGET = f"DELETE FROM eval_feed WHERE {_ITS} AND version = ?"  # noqa: S608 - constants
_RELEASE = f"UPDATE eval_feed SET claim = '', claimed_until = '' WHERE {_ITS}"  # noqa: S608 - constants
_BACKLOG = f"SELECT count(*), min(due_at) {_DUE}"
_FORGET_SPEND = "DELETE FROM eval_spend WHERE namespace = ? AND agent = ? AND day < ?"
_SPEND = """
INSERT INTO eval_spend VALUES (?, ?, ?, ?)
ON CONFLICT (namespace, agent, day) DO UPDATE SET usd = usd + excluded.usd
RETURNING usd
"""


def note(connection: sqlite3.Connection, name: Name, now: Now, *, answered: bool) -> None:
    """Note an append, inside its transaction."""
    wait = timedelta(seconds=0 if answered else UNANSWERED_SECONDS)
    connection.execute(_NOTE, (*name, moment(now.time + wait), now.text))


class SqliteFeed(SessionFeed):
    """The feed of an agent, over the file of its session store."""

    def __init__(self, file: SqliteFile, owner: tuple[str, str]) -> None:
        self._file = file
        self._owner = owner

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        claim = uuid.uuid4().hex

        def find(connection: sqlite3.Connection) -> list[tuple[str, str, str, int]]:
            now = moments.now().text
            return connection.execute(_FIND, (*self._owner, now, now, limit)).fetchall()

        def work(connection: sqlite3.Connection) -> list[DueSession]:
            now = moments.now()
            until = moment(now.time + timedelta(seconds=seconds))
            found = find(connection)
            for session, *_ in found:
                connection.execute(_CLAIM, (claim, until, *self._owner, session))
            return [
                DueSession(
                    unescape_nul(session),
                    msgspec.json.decode(progress, type=Progress),
                    (now.time - datetime.fromisoformat(active_at)).total_seconds(),
                    version,
                    claim,
                )
                for session, progress, active_at, version in found
            ]

        # Mostly nothing is due: that needs no lock.
        if not await self._file.read(find):
            return []
        return await self._file.run(work, durable=False)

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        def work(connection: sqlite3.Connection) -> None:
            until = moment(moments.now().time + timedelta(seconds=seconds))
            connection.execute(_RENEW, (until, *self._its(due)))

        await self._file.run(work, durable=False)

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        text = msgspec.json.encode(progress).decode()

        def work(connection: sqlite3.Connection) -> None:
            at = moment(moments.now().time + timedelta(seconds=again))
            connection.execute(_DONE, (text, held, due.version, held, at, *self._its(due)))

        await self._file.run(work, durable=False)

    async def forget(self, due: DueSession) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET, (*self._its(due), due.version))
            connection.execute(_RELEASE, self._its(due))

        await self._file.run(work, durable=False)

    async def backlog(self) -> FeedBacklog:
        now = moments.now()

        def find(connection: sqlite3.Connection) -> tuple[int, str | None]:
            sessions, oldest = connection.execute(_BACKLOG, (*self._owner, now.text)).fetchone()
            return sessions, oldest

        sessions, oldest = await self._file.read(find)
        waited = (now.time - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0.0
        return FeedBacklog(sessions, waited)

    async def spend(self, day: str, usd: float) -> float:
        def work(connection: sqlite3.Connection) -> float:
            connection.execute(_FORGET_SPEND, (*self._owner, day))
            (total,) = connection.execute(_SPEND, (*self._owner, day, usd)).fetchone()
            return float(total)

        return await self._file.run(work, durable=True)

    def _its(self, due: DueSession) -> tuple[str, str, str, str]:
        return (*self._owner, escape_nul(due.session_id), due.claim)
