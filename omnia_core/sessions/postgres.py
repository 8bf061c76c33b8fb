"""Sessions in PostgreSQL: they outlive the pod and the database's restart, and every pod sees them.

Each operation is one call of a function of the database (`migrations/`), so one round trip and one
transaction.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from omnia_core.sessions.postgres_pool import COMMAND_SECONDS, PostgresPool
from omnia_core.sessions.postgres_sweep import SWEEP_BATCH, SWEEP_SECONDS, Sweep
from omnia_core.sessions.postgres_text import written
from omnia_core.sessions.postgres_trail import encoded
from omnia_core.sessions.records import Message, Session
from omnia_core.sessions.store import SessionConflict, SessionStore
from omnia_core.sessions.trail import Trail
from omnia_core.units import Duration

_APPEND = "SELECT * FROM omnia.append_turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_LOAD = "SELECT * FROM omnia.load($1, $2, $3, $4)"
_CHECKPOINT = "SELECT omnia.checkpoint($1, $2, $3, $4, $5, $6)"
_SWEEP = "SELECT omnia.sweep($1)"


class PostgresSessionStore(SessionStore):
    """Keeps sessions in the schema `omnia` of a database, which it makes when it is not there.

    Sessions that have expired are deleted in the background after appends, a batch a minute; while
    batches are full, one with each append.
    """

    keeps_trail = True

    def __init__(
        self,
        url: str,
        ttl: Duration,
        *,
        namespace: str,
        agent: str,
        command_seconds: float = COMMAND_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        sweep_batch: int = SWEEP_BATCH,
    ) -> None:
        """Connects when it is first used.

        Raises:
            ConfigurationError: `url` is no PostgreSQL URL; the message does not show it.
        """
        self._pool = PostgresPool(url, command_seconds)
        self._ttl = timedelta(seconds=ttl.seconds)
        self._owner = (namespace, agent)
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Message)
        self._sweep = Sweep(self._pool, _SWEEP, seconds=sweep_seconds, batch=sweep_batch)

    async def load(self, session_id: str) -> Session | None:
        rows = await self._pool.fetch(_LOAD, *self._whose(session_id))
        if not rows:
            return None
        *messages, checkpoint = (row[0] for row in rows)
        interrupted = map(self._decoder.decode, (checkpoint or b"").splitlines())
        return Session(session_id, tuple(map(self._decoder.decode, messages)), tuple(interrupted))

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: Trail | None = None,
    ) -> int:
        if not messages:
            session = await self.load(session_id)
            found = len(session.messages) if session else 0
            if found != expected_length:
                raise SessionConflict(session_id, expected_length, found)
            return found
        arguments: tuple[Any, ...] = (
            uuid.uuid4(),
            expected_length,
            [message.role for message in messages],
            [written(message.pack_version) for message in messages],
            [self._encoder.encode(message) for message in messages],
            written(messages[0].user_id),
            encoded(trail) if trail else None,
        )
        ((appended, length),) = await self._pool.fetch(
            _APPEND, *self._whose(session_id), *arguments
        )
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._sweep.when_due()
        return int(length)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = self._encoder.encode_lines(messages)
        await self._pool.fetch(_CHECKPOINT, *self._whose(session_id), expected_length, lines)

    async def close(self) -> None:
        await self._sweep.close()
        await self._pool.close()

    def _whose(self, session_id: str) -> tuple[Any, ...]:
        return (*self._owner, written(session_id), self._ttl)
