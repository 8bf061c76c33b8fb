"""The session store in an SQLite file: sessions survive restarts of the programs that share it.

Each operation is one transaction in a thread. Several programs may use one file on one machine;
several machines may not, because their write-ahead log needs shared memory.
"""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.feed import is_answered
from omnia_core.sessions.recorded import RecordedSession, with_trail
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.sqlite import feed, moments, rows, trails
from omnia_core.sessions.sqlite.connection import BUSY_SECONDS
from omnia_core.sessions.sqlite.file import SqliteFile
from omnia_core.sessions.sqlite.own import SqliteOwnSessions
from omnia_core.sessions.sqlite.retention import SqliteRetention
from omnia_core.sessions.sqlite.signals import SqliteSignals
from omnia_core.sessions.store import (
    SessionConflict,
    SessionSettings,
    SessionStore,
    StoreUnavailable,
)
from omnia_core.sessions.sweeping import (
    SWEEP_BATCH,
    SWEEP_SECONDS,
    RetentionWorker,
    report_effects,
    retention_terms,
)
from omnia_core.sessions.trail import SessionTrail

_RENAME = "UPDATE sessions SET name = ? WHERE key = ?"
_CHECKPOINT = "UPDATE sessions SET checkpoint = ? WHERE key = ?"


class SqliteTimings(Struct, frozen=True, kw_only=True):
    """Intervals of the store.

    Attributes:
        busy_seconds: limits the wait for other programs.
        sweep_seconds: between two batches of deletions.
        sweep_batch: how many sessions one batch deletes at most.
    """

    busy_seconds: float = BUSY_SECONDS
    sweep_seconds: float = SWEEP_SECONDS
    sweep_batch: int = SWEEP_BATCH


class SqliteSessionStore(SessionStore):
    """Keeps sessions in a file, which it creates with its folder when it is missing.

    What is confirmed outlives the end of every program at once, and a loss of power within a
    second. Expired sessions are deleted in the background after appends, as in PostgreSQL.
    """

    keeps_audit = True

    def __init__(
        self, path: Path, settings: SessionSettings, timings: SqliteTimings | None = None
    ) -> None:
        """Create a store that opens the file when it is first used.

        Raises:
            ConfigurationError: the SQLite of this Python is too old.
        """
        timings = timings or SqliteTimings()
        retention, owner = settings.retention, (settings.namespace, settings.agent)
        self._file = SqliteFile(path, timings.busy_seconds)
        self._owner = owner
        self._signals = SqliteSignals(self._file, *owner)
        self._own = SqliteOwnSessions(self._file, owner)
        self._feed = feed.SqliteFeed(self._file, owner) if settings.evaluated else None
        self._terms = retention_terms(settings.ttl, retention)
        self._bounded = retention is not None and retention.bounds_anything
        self._on_retention = settings.on_retention
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Message)
        self._worker = RetentionWorker(
            SqliteRetention(self._file, owner, self._terms),
            self._terms,
            settings.on_retention,
            seconds=timings.sweep_seconds,
            batch=timings.sweep_batch,
        )

    @property
    def signals(self) -> SqliteSignals:
        return self._signals

    @property
    def feed(self) -> feed.SqliteFeed | None:
        return self._feed

    @property
    def own(self) -> SqliteOwnSessions:
        return self._own

    def start(self) -> None:
        if self._bounded:
            self._worker.start()

    async def load(self, session_id: str) -> Session | None:
        name = self._name(session_id)

        found = await self._file.read(partial(rows.load, name=name))
        now = moments.now()
        session = self._session(session_id, found, now)
        if session and found and rows.is_due(found[0], self._terms, now):
            await self._renew(name)
        return session

    async def read(self, session_id: str) -> RecordedSession | None:
        name = self._name(session_id)

        def work(connection: sqlite3.Connection) -> tuple[rows.Loaded, rows.Trail] | None:
            found = rows.load(connection, name)
            return (found, rows.trail(connection, found[0].key)) if found else None

        found = await self._file.run(work, durable=False)
        if found is None:
            return None
        session = self._session(session_id, found[0], moments.now())
        return with_trail(session, found[0][0].turns, *found[1]) if session else None

    async def trail(self, session_id: str, last: int) -> SessionTrail | None:
        name = self._name(session_id)

        def work(connection: sqlite3.Connection) -> SessionTrail | None:
            return trails.read_trail(connection, name, last)

        return await self._file.run(work, durable=False)

    def _session(
        self, session_id: str, found: rows.Loaded | None, now: moments.Now
    ) -> Session | None:
        """Return a session that was found, if it has not expired."""
        if found is None:
            return None
        row, records = found
        if row.expires_at <= now.text:
            return None
        return Session(
            session_id,
            self._decoded(records),
            self._decoded(row.checkpoint or ""),
            DeletedMessages(
                row.first_position,
                row.first_turn,
                unescape_nul(row.begun_with),
                unescape_nul(row.user_id),
            )
            if row.first_position
            else None,
            row.name,
            bool(row.name_given),
        )

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        if not messages:
            session = await self.load(session_id)
            found = session.length if session else 0
            if found != expected_length:
                raise SessionConflict(session_id, expected_length, found)
            return found
        name, terms = self._name(session_id), self._terms
        records = [(message, self._encoder.encode(message).decode()) for message in messages]
        trail = None if audit is None else (name, audit)

        def work(connection: sqlite3.Connection) -> tuple[bool, int, rows.Effects]:
            now = moments.now()
            row = rows.find(connection, name)
            ended = [0] * 6
            if row is not None and row.expires_at <= now.text:
                ended = rows.end(connection, row, now)
                row = None
            length = row.length if row else 0
            if length != expected_length:
                return False, length, ended
            row = row or rows.begin(connection, name, terms, now)
            effects = rows.extend(connection, row, records, trail, terms, now)
            if self._feed:
                feed.note(connection, name, now, answered=is_answered(messages))
            return (
                True,
                length + len(records),
                [sum(pair) for pair in zip(ended, effects, strict=True)],
            )

        appended, length, effects = await self._file.run(work, durable=True)
        # An append that is refused may have ended an expired session before.
        report_effects(self._on_retention, effects)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._worker.sweep.start_when_due()
        return length

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        name = self._name(session_id)
        lines = self._encoder.encode_lines(messages).decode()

        def work(connection: sqlite3.Connection) -> None:
            now = moments.now()
            row = rows.find(connection, name)
            if row and row.length == expected_length and row.expires_at > now.text:
                if rows.is_due(row, self._terms, now):
                    rows.use(connection, row, self._terms, now)
                connection.execute(_CHECKPOINT, (lines, row.key))

        await self._file.run(work, durable=False)

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        id_, given = self._name(session_id), (replace_nul(name), replace_nul(expected_name))

        def work(connection: sqlite3.Connection) -> bool:
            now, (fresh, expected) = moments.now(), given
            row = rows.find(connection, id_)
            if row is None or row.expires_at <= now.text:
                return False
            if audit is not None:
                rows.keep_trail(connection, id_, row, audit, now)
            if row.name != expected or row.name_given:
                return False
            connection.execute(_RENAME, (fresh, row.key))
            return True

        return await self._file.run(work, durable=False)

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return rows.add_eval_results(connection, self._owner, results, calls, moments.now())

        return await self._file.run(work, durable=False)

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        name = self._name(session_id)
        found = partial(rows.eval_results, name=name, session_id=session_id)
        return await self._file.read(found)

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        found = partial(rows.costs, owner=self._owner, first=first.isoformat())
        costs = await self._file.read(found)
        return sum(cost for provider, cost in costs if not providers or provider in providers)

    async def _renew(self, name: rows.Name) -> None:
        """Begin the time to live of a session anew, if it has not ended meanwhile."""

        def work(connection: sqlite3.Connection) -> rows.Effects | None:
            now = moments.now()
            row = rows.find(connection, name)
            if row is None or row.expires_at <= now.text:
                return None
            return rows.use(connection, row, self._terms, now)

        report_effects(self._on_retention, await self._file.run(work, durable=False))

    async def close(self) -> None:
        await self._worker.close()
        await self._file.close()

    def _decoded(self, lines: str) -> tuple[Message, ...]:
        # Not `splitlines`: JSON may contain other separators of lines, such as U+2028.
        records = filter(None, lines.split("\n"))
        try:
            return tuple(map(self._decoder.decode, records))
        except msgspec.MsgspecError as error:
            raise StoreUnavailable(
                "a record of the session is damaged, or of a newer version"
            ) from error

    def _name(self, session_id: str) -> rows.Name:
        return (*self._owner, escape_nul(session_id))
