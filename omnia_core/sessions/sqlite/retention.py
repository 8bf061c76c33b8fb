"""The background work of retention in an SQLite file."""

import sqlite3
from datetime import datetime

from omnia_core.sessions.sqlite import moments
from omnia_core.sessions.sqlite.file import SqliteFile
from omnia_core.sessions.sqlite.moments import moment
from omnia_core.sessions.sqlite.rows import trial_stage
from omnia_core.sessions.sweeping import PAGE_SIZE, RetentionDatabase, RetentionTerms, VisitedPage

_EXPIRED = (
    "SELECT key, max(expires_at, coalesce(kept_until, '')) <= ?1 FROM sessions"
    " WHERE NOT ended AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2"
)
_LATE = (
    "SELECT key FROM sessions WHERE ended AND max(expires_at, coalesce(kept_until, '')) <= ?"
    " ORDER BY max(expires_at, coalesce(kept_until, '')) LIMIT ?"
)
_PAGE = (
    "SELECT key, begun_at, used_at, expires_at, ended, trial_stage FROM sessions"
    " WHERE namespace = ? AND agent = ? AND (begun_at, key) > (?, ?)"
    " ORDER BY begun_at, key LIMIT ?"
)
_RESTAMP = "UPDATE sessions SET expires_at = ?, kept_until = ? WHERE key = ?"


class SqliteRetention(RetentionDatabase):
    """Sweeps the sessions of all agents of a file, and applies the terms of one."""

    def __init__(self, file: SqliteFile, owner: tuple[str, str], terms: RetentionTerms) -> None:
        """`owner` is namespace and name of the agent."""
        self._file = file
        self._owner = owner
        self._terms = terms

    async def sweep(self, batch: int) -> tuple[int, int]:
        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            now = moments.now().text
            expired = connection.execute(_EXPIRED, (now, batch)).fetchall()
            late = connection.execute(_LATE, (now, batch)).fetchall()
            due = [(key,) for key, is_due in expired if is_due] + late
            kept = [(key,) for key, is_due in expired if not is_due]
            connection.executemany("UPDATE sessions SET ended = 1 WHERE key = ?", kept)
            connection.executemany("DELETE FROM sessions WHERE key = ?", due)
            return len(expired), len(due)

        return await self._file.run(work, durable=False, is_long=True)

    async def restamp(self, after: VisitedPage | None) -> VisitedPage:
        terms = self._terms

        def work(connection: sqlite3.Connection) -> VisitedPage:
            now, page = moments.now().text, self._page(connection, after)
            for key, _, used_at, expires_at, ended, _ in page:
                used = datetime.fromisoformat(used_at)
                is_over = ended or expires_at <= now
                expires = expires_at if is_over else moment(used + terms.ttl)
                kept = moment(used + terms.keep) if terms.keep else None
                connection.execute(_RESTAMP, (expires, kept, key))
            return _visited(page)

        return await self._file.run(work, durable=False, is_long=True)

    async def try_policy(self, after: VisitedPage | None) -> VisitedPage:
        def work(connection: sqlite3.Connection) -> VisitedPage:
            now, page = moments.now(), self._page(connection, after)
            ended = deleted = 0
            for key, _, used_at, expires_at, is_ended, before in page:
                stage = trial_stage(used_at, self._terms, now)
                if is_ended or expires_at <= now.text or stage <= before:
                    continue
                connection.execute(
                    "UPDATE sessions SET trial_stage = ? WHERE key = ?", (stage, key)
                )
                ended += before == 0
                deleted += stage == 2  # noqa: PLR2004 - a stage
            return _visited(page, ended, deleted)

        return await self._file.run(work, durable=False, is_long=True)

    def _page(
        self, connection: sqlite3.Connection, after: VisitedPage | None
    ) -> list[tuple[int, str, str, str, int, int]]:
        place = (after.begun_at, after.key) if after else ("", 0)
        return connection.execute(_PAGE, (*self._owner, *place, PAGE_SIZE)).fetchall()


def _visited(
    page: list[tuple[int, str, str, str, int, int]], ended: int = 0, deleted: int = 0
) -> VisitedPage:
    key, begun_at = page[-1][:2] if page else (0, "")
    return VisitedPage(len(page), begun_at, key, ended, deleted)
