"""Replies in the SQLite file of the sessions (`omnia_core/sessions/sqlite`)."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omnia_core.sessions.sqlite.file import SqliteFile
from omnia_core.sessions.sqlite.moments import moment
from omnia_core.sessions.sweeping import SWEEP_BATCH, SWEEP_SECONDS, BatchTask
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

_FIND = (
    "SELECT holder, expires_at, fingerprint, reply FROM replies"
    " WHERE namespace = ? AND agent = ? AND scope = ?"
)
_CLAIM = (
    "INSERT OR REPLACE INTO replies (namespace, agent, scope, fingerprint, holder, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_KEEP = (
    "UPDATE replies SET reply = ?, expires_at = ?"
    " WHERE namespace = ? AND agent = ? AND scope = ? AND holder = ?"
)
_RELEASE = (
    "DELETE FROM replies"
    " WHERE namespace = ? AND agent = ? AND scope = ? AND holder = ? AND reply IS NULL"
)
_SWEEP = (
    "DELETE FROM replies WHERE rowid IN"
    " (SELECT rowid FROM replies WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
)


class SqliteReplyStore(ReplyStore):
    """Keeps replies in a file, which it creates if necessary.

    Expired replies are deleted in the background after claims, as in PostgreSQL.
    """

    def __init__(
        self,
        path: Path,
        *,
        namespace: str,
        agent: str,
        sweep_seconds: float = SWEEP_SECONDS,
        sweep_batch: int = SWEEP_BATCH,
    ) -> None:
        """Open the file at the first use.

        Raises:
            ConfigurationError: the SQLite of this Python is too old.
        """
        self._file = SqliteFile(path)
        self._owner = (namespace, agent)
        self._batch = sweep_batch
        self._sweep = BatchTask(self._delete_expired, seconds=sweep_seconds)

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        place = (*self._owner, scope)

        def work(connection: sqlite3.Connection) -> ExistingClaim | None:
            now = datetime.now(UTC)
            found = connection.execute(_FIND, place).fetchone()
            if found:
                known_holder, expires_at, known_fingerprint, reply = found
                if known_holder == holder:
                    return None
                if expires_at > moment(now):
                    return ExistingClaim(known_fingerprint, reply)
            until = moment(now + timedelta(seconds=lease_seconds))
            connection.execute(_CLAIM, (*place, fingerprint, holder, until))
            return None

        existing = await self._file.run(work, durable=True)
        self._sweep.start_when_due()
        return existing

    async def find(self, scope: bytes) -> ExistingClaim | None:
        place = (*self._owner, scope)

        def work(connection: sqlite3.Connection) -> ExistingClaim | None:
            found = connection.execute(_FIND, place).fetchone()
            if found is None or found[1] <= moment(datetime.now(UTC)):
                return None
            return ExistingClaim(found[2], found[3])

        return await self._file.run(work, durable=False)

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        until = moment(datetime.now(UTC) + timedelta(seconds=ttl_seconds))
        values = (reply, until, *self._owner, scope, holder)
        await self._file.run(lambda connection: connection.execute(_KEEP, values), durable=True)

    async def release(self, scope: bytes, holder: str) -> None:
        values = (*self._owner, scope, holder)
        await self._file.run(lambda connection: connection.execute(_RELEASE, values), durable=True)

    async def close(self) -> None:
        await self._sweep.close()
        await self._file.close()

    async def _delete_expired(self) -> bool:
        def work(connection: sqlite3.Connection) -> int:
            now = moment(datetime.now(UTC))
            return connection.execute(_SWEEP, (now, self._batch)).rowcount

        return await self._file.run(work, durable=False) >= self._batch
