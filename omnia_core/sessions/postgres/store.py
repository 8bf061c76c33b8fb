"""The session store in PostgreSQL: sessions survive restarts of pods and of the database.

Each operation calls one database function (`migrations/`): one round trip and one transaction.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from omnia_core.names import EvalOutcome
from omnia_core.sessions.audit import AuditTrail, ProviderCall, timestamp
from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.feed import UNANSWERED_SECONDS, is_answered
from omnia_core.sessions.postgres.encoding import encode_audit, encode_results
from omnia_core.sessions.postgres.feed import APPENDED, PostgresFeed
from omnia_core.sessions.postgres.own import PostgresOwnSessions
from omnia_core.sessions.postgres.pool import COMMAND_SECONDS, PostgresPool
from omnia_core.sessions.postgres.retention import PostgresRetention
from omnia_core.sessions.postgres.signals import PostgresSignals
from omnia_core.sessions.postgres.trails import READ_TRAIL, decode_trail
from omnia_core.sessions.recorded import TOLD_BY_EVENTS, RecordedSession, with_trail
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.store import SessionConflict, SessionSettings, SessionStore
from omnia_core.sessions.sweeping import (
    SWEEP_BATCH,
    SWEEP_SECONDS,
    RetentionWorker,
    report_effects,
    retention_terms,
)
from omnia_core.sessions.trail import MOST_RECORDS, SessionTrail

_PARAMETERS = ", ".join(f"${number}" for number in range(1, 17))
_APPEND = f"SELECT * FROM omnia.append_turn({_PARAMETERS})"  # noqa: S608 - placeholders only
_APPEND_NOTED = APPENDED.format(parameters=_PARAMETERS)
_LOAD = """
SELECT loaded.*, s.name, s.name_given
FROM omnia.load($1, $2, $3, $4, $5, $6, $7) AS loaded
LEFT JOIN omnia.sessions AS s
    ON s.namespace = $1 AND s.agent = $2 AND s.id = $3 AND NOT s.ended
"""
# One statement sees everything as it was at one moment.
_READ = """
SELECT s.first_position, s.first_turn, s.begun_with, s.user_id, s.name, s.name_given, s.turns,
    s.checkpoint,
    ARRAY(
        SELECT record FROM omnia.messages
        WHERE session = s.key AND position < s.length ORDER BY position
    ) AS records,
    ARRAY(
        SELECT (turn, input_tokens, output_tokens, cached_tokens, cost_usd, duration_ms)
        FROM omnia.provider_calls WHERE session = s.key AND attempt > 0
    ) AS models,
    ARRAY(SELECT (turn, duration_ms) FROM omnia.tool_calls WHERE session = s.key) AS tools,
    ARRAY(
        SELECT (turn, at, kind, detail) FROM omnia.runtime_events
        WHERE session = s.key AND kind = ANY ($4) ORDER BY number
    ) AS events
FROM omnia.sessions AS s
WHERE s.namespace = $1 AND s.agent = $2 AND s.id = $3 AND NOT s.ended
    AND s.expires_at > clock_timestamp()
"""
_UNANSWERED = timedelta(seconds=UNANSWERED_SECONDS)
_CHECKPOINT = "SELECT omnia.checkpoint($1, $2, $3, $4, $5, $6, $7)"
_ADD_EVAL_RESULTS = "SELECT omnia.add_eval_results($1, $2, $3, $4)"
_RESULT_FIELDS = EvalResult.__struct_fields__[1:]
_EVAL_RESULTS = f"""
SELECT {", ".join(f"r.{name}" for name in _RESULT_FIELDS)}
FROM omnia.eval_results AS r WHERE r.session = (
    SELECT key FROM omnia.sessions WHERE namespace = $1 AND agent = $2 AND id = $3
    ORDER BY ended, begun_at DESC LIMIT 1
) ORDER BY turn, at, evaluation, source
"""  # noqa: S608 - the names of fields
_SPENT = """
SELECT coalesce(sum(cost_usd), 0) FROM omnia.daily_calls
WHERE namespace = $1 AND agent = $2 AND day >= $3
    AND (cardinality($4::text[]) = 0 OR provider = ANY ($4))
"""
_RENAME = "SELECT omnia.rename($1, $2, $3, $4, $5, $6)"


class PostgresTimings(Struct, frozen=True, kw_only=True):
    """Timeouts and intervals of the store.

    Attributes:
        command_seconds: limits one attempt of a statement.
        sweep_seconds: between two batches of deletions.
        sweep_batch: how many sessions one batch deletes at most.
    """

    command_seconds: float = COMMAND_SECONDS
    sweep_seconds: float = SWEEP_SECONDS
    sweep_batch: int = SWEEP_BATCH


class PostgresSessionStore(SessionStore):
    """Keeps sessions in the schema `omnia` of a database, which it creates when it is missing.

    Expired sessions are deleted in the background after appends, one batch a minute; while batches
    are full, one with each append. With a retention policy also once an hour.
    """

    keeps_audit = True

    def __init__(
        self, url: str, settings: SessionSettings, timings: PostgresTimings | None = None
    ) -> None:
        """Create a store that connects when it is first used.

        Raises:
            ConfigurationError: `url` is not a PostgreSQL URL; the message does not contain it.
        """
        timings = timings or PostgresTimings()
        retention = settings.retention
        self._pool = PostgresPool(url, timings.command_seconds)
        self._terms = retention_terms(settings.ttl, retention)
        self._bounded = retention is not None and retention.bounds_anything
        self._on_retention = settings.on_retention
        self._owner = (settings.namespace, settings.agent)
        self._signals = PostgresSignals(self._pool, *self._owner)
        self._own = PostgresOwnSessions(self._pool, self._owner)
        self._feed = PostgresFeed(self._pool, self._owner) if settings.evaluated else None
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Message)
        self._worker = RetentionWorker(
            PostgresRetention(self._pool, self._owner, self._terms),
            self._terms,
            settings.on_retention,
            seconds=timings.sweep_seconds,
            batch=timings.sweep_batch,
        )

    @property
    def signals(self) -> PostgresSignals:
        return self._signals

    @property
    def feed(self) -> PostgresFeed | None:
        return self._feed

    @property
    def own(self) -> PostgresOwnSessions:
        return self._own

    def start(self) -> None:
        if self._bounded:
            self._worker.start()

    async def load(self, session_id: str) -> Session | None:
        trial = (self._terms.trial_ttl, self._terms.trial_keep)
        (found,) = await self._pool.fetch(_LOAD, *self._key(session_id), *trial)
        records, checkpoint, first, turns, version, user, effects, *naming = found
        if records is None:
            return None
        report_effects(self._on_retention, effects)
        deleted = _deleted(first, turns, version, user)
        return self._session(session_id, records, checkpoint, deleted, naming)

    async def read(self, session_id: str) -> RecordedSession | None:
        name = (*self._owner, escape_nul(session_id))
        found = await self._pool.fetch(_READ, *name, list(TOLD_BY_EVENTS))
        if not found:
            return None
        (row,) = found
        first, turns, version, user, name, given, counted, checkpoint, records, *trail = row
        deleted = _deleted(first, turns, version, user)
        session = self._session(session_id, records, checkpoint, deleted, (name, given))
        return with_trail(session, counted, *trail)

    async def trail(self, session_id: str, last: int) -> SessionTrail | None:
        name = (*self._owner, escape_nul(session_id))
        found = await self._pool.fetch(READ_TRAIL, *name, last, MOST_RECORDS)
        return decode_trail(found[0]) if found else None

    def _session(
        self,
        session_id: str,
        records: Sequence[bytes],
        checkpoint: bytes | None,
        deleted: DeletedMessages | None,
        naming: Sequence[Any],
    ) -> Session:
        """Return a session; `naming` is its name, and whether a person chose it."""
        name, given = naming
        return Session(
            session_id,
            tuple(map(self._decoder.decode, records)),
            tuple(map(self._decoder.decode, (checkpoint or b"").splitlines())),
            deleted,
            name or "",
            bool(given),
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
        terms = self._terms
        arguments: tuple[Any, ...] = (
            *(terms.most, terms.trial_ttl, terms.trial_keep, terms.trial_most),
            uuid.uuid4(),
            expected_length,
            [message.role for message in messages],
            [escape_nul(message.pack_version) for message in messages],
            [self._encoder.encode(message) for message in messages],
            escape_nul(messages[0].user_id),
            encode_audit(audit) if audit else None,
        )
        statement = _APPEND
        if self._feed:
            statement = _APPEND_NOTED
            arguments = (*arguments, is_answered(messages), _UNANSWERED)
        ((appended, length, effects),) = await self._pool.fetch(
            statement, *self._key(session_id), *arguments
        )
        # An append that is refused may have ended an expired session before.
        report_effects(self._on_retention, effects)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._worker.sweep.start_when_due()
        return int(length)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = self._encoder.encode_lines(messages)
        await self._pool.fetch(_CHECKPOINT, *self._key(session_id), expected_length, lines)

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        ((named,),) = await self._pool.fetch(
            _RENAME,
            *self._owner,
            escape_nul(session_id),
            replace_nul(name),
            replace_nul(expected_name),
            encode_audit(audit) if audit else None,
        )
        return bool(named)

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        ((added,),) = await self._pool.fetch(
            _ADD_EVAL_RESULTS, *self._owner, *encode_results(results, calls)
        )
        return int(added)

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        found = await self._pool.fetch(_EVAL_RESULTS, *self._owner, escape_nul(session_id))
        return [
            EvalResult(
                **dict(row)
                | {
                    "session": session_id,
                    "at": timestamp(row["at"]),
                    "outcome": EvalOutcome(row["outcome"]),
                }
            )
            for row in found
        ]

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        ((cost,),) = await self._pool.fetch(_SPENT, *self._owner, first, list(providers))
        return float(cost)

    async def close(self) -> None:
        await self._worker.close()
        await self._pool.close()

    def _key(self, session_id: str) -> tuple[Any, ...]:
        return (*self._owner, escape_nul(session_id), self._terms.ttl, self._terms.keep)


def _deleted(first: int, turns: int, version: str, user: str) -> DeletedMessages | None:
    if not first:
        return None
    return DeletedMessages(first, turns, unescape_nul(version), unescape_nul(user))
