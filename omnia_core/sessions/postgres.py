"""Sessions in PostgreSQL: they outlive the pod and the database's restart, and every pod sees them.

Each operation is one call of a function of the database (`migrations/`), so one round trip and one
transaction.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.postgres_audit import encoded
from omnia_core.sessions.postgres_policy import note_counts, terms
from omnia_core.sessions.postgres_pool import COMMAND_SECONDS, PostgresPool
from omnia_core.sessions.postgres_sweep import SWEEP_BATCH, SWEEP_SECONDS
from omnia_core.sessions.postgres_text import read, written
from omnia_core.sessions.postgres_upkeep import Upkeep
from omnia_core.sessions.records import Beginning, Message, Session
from omnia_core.sessions.retention import Note, Retention, unnoted
from omnia_core.sessions.store import SessionConflict, SessionStore
from omnia_core.units import Duration

_PLACES = ", ".join(f"${each}" for each in range(1, 17))
_APPEND = f"SELECT * FROM omnia.append_turn({_PLACES})"  # noqa: S608 - no value is in it
_LOAD = "SELECT * FROM omnia.load($1, $2, $3, $4, $5, $6, $7)"
_CHECKPOINT = "SELECT omnia.checkpoint($1, $2, $3, $4, $5, $6, $7)"


class PostgresSessionStore(SessionStore):
    """Keeps sessions in the schema `omnia` of a database, which it makes when it is not there.

    What is over is deleted in the background after appends, a batch a minute; while batches are
    full, one with each append. With a policy once an hour too.
    """

    keeps_trail = True

    def __init__(
        self,
        url: str,
        ttl: Duration,
        *,
        namespace: str,
        agent: str,
        retention: Retention | None = None,
        note: Note = unnoted,
        command_seconds: float = COMMAND_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        sweep_batch: int = SWEEP_BATCH,
    ) -> None:
        """Connects when it is first used.

        `retention` is None for who knows no policy: how long a session is kept stays as it is.

        Raises:
            ConfigurationError: `url` is no PostgreSQL URL; the message does not show it.
        """
        self._pool = PostgresPool(url, command_seconds)
        self._terms = terms(ttl, retention)
        self._bounded = retention is not None and retention.bounds_anything
        self._note = note
        self._owner = (namespace, agent)
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Message)
        self._upkeep = Upkeep(
            self._pool, self._owner, self._terms, note, seconds=sweep_seconds, batch=sweep_batch
        )

    def start(self) -> None:
        if self._bounded:
            self._upkeep.start()

    async def load(self, session_id: str) -> Session | None:
        trial = (self._terms.trial_ttl, self._terms.trial_keep)
        (found,) = await self._pool.fetch(_LOAD, *self._whose(session_id), *trial)
        records, checkpoint, first, turns, version, user, effects = found
        if records is None:
            return None
        note_counts(self._note, effects)
        return Session(
            session_id,
            tuple(map(self._decoder.decode, records)),
            tuple(map(self._decoder.decode, (checkpoint or b"").splitlines())),
            Beginning(first, turns, read(version), read(user)) if first else None,
        )

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: AuditTrail | None = None,
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
            [written(message.pack_version) for message in messages],
            [self._encoder.encode(message) for message in messages],
            written(messages[0].user_id),
            encoded(trail) if trail else None,
        )
        ((appended, length, effects),) = await self._pool.fetch(
            _APPEND, *self._whose(session_id), *arguments
        )
        # an append that is refused may have ended the session before it
        note_counts(self._note, effects)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._upkeep.sweep.when_due()
        return int(length)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = self._encoder.encode_lines(messages)
        await self._pool.fetch(_CHECKPOINT, *self._whose(session_id), expected_length, lines)

    async def close(self) -> None:
        await self._upkeep.close()
        await self._pool.close()

    def _whose(self, session_id: str) -> tuple[Any, ...]:
        return (*self._owner, written(session_id), self._terms.ttl, self._terms.keep)
