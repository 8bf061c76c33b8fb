"""Sessions in Redis: they outlive the pod, and every pod of an agent sees them.

Of one session there is a list of messages (JSON, in order), the number of the append that came
last, while a turn runs its checkpoint (JSON, one message a line), and once messages were deleted
what is still known of them: all under one hash tag, so that a cluster keeps them together. Nothing
else is kept, and no index grows. Every operation is one script, so one round trip.
"""

import uuid
from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec
from redis.exceptions import RedisError

from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.records import Beginning, Message, Session
from omnia_core.sessions.redis_client import TIMEOUT_SECONDS, redis_client, replicas_of
from omnia_core.sessions.redis_scripts import APPEND, APPEND_BOUNDED, CHECKPOINT, LOAD
from omnia_core.sessions.retention import Effects, Note, Retention, unnoted
from omnia_core.sessions.store import (
    SessionConflict,
    SessionStore,
    StoreUnavailable,
    WriteUnconfirmed,
)
from omnia_core.units import Duration

_Past: TypeAlias = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
_Loaded: TypeAlias = tuple[list[bytes], bytes | None, _Past, int]
_Appended: TypeAlias = tuple[int, int, int, int, int]

# Shorter than the wait for an answer, so that it is the server that gives up.
_REPLICA_MILLISECONDS = int(TIMEOUT_SECONDS * 500)


class RedisSessionStore(SessionStore):
    """Keeps sessions below `omnia:<namespace>:<agent>:`."""

    def __init__(
        self,
        url: str,
        ttl: Duration,
        *,
        namespace: str,
        agent: str,
        retention: Retention | None = None,
        note: Note = unnoted,
    ) -> None:
        """Connects when it is first used.

        Raises:
            ConfigurationError: `url` is no Redis URL; the message does not show it.
        """
        address, self._replicas = replicas_of(url)
        self._redis = redis_client(address)
        policy = retention or Retention()
        most = policy.max_messages or 0
        self._most, self._trial_most = (0, most) if policy.dry_run else (most, 0)
        self._trial_ttl = policy.bounded(ttl).milliseconds if policy.dry_run else 0
        self._appending = APPEND_BOUNDED if most else APPEND
        self._append = self._redis.register_script(self._appending)
        self._load = self._redis.register_script(LOAD)
        self._checkpoint = self._redis.register_script(CHECKPOINT)
        self._ttl = ttl.milliseconds
        self._note = note
        self._prefix = f"omnia:{namespace}:{agent}"
        self._decoder = msgspec.json.Decoder(Message)

    async def load(self, session_id: str) -> Session | None:
        try:
            arguments = [self._ttl, self._trial_ttl]
            answer = await self._load(keys=self._keys(session_id), args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        found, checkpoint, past, ended = cast("_Loaded", answer)
        if not found:
            return None
        self._count(Effects(ended, ended, dry_run=True))
        return Session(
            session_id,
            tuple(map(self._decoder.decode, found)),
            tuple(map(self._decoder.decode, (checkpoint or b"").splitlines())),
            _beginning(past),
        )

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: AuditTrail | None = None,  # noqa: ARG002 - only a database keeps it
    ) -> int:
        encoded = [msgspec.json.encode(message) for message in messages]
        arguments: list[int | str | bytes] = [
            self._ttl,
            self._trial_ttl,
            uuid.uuid4().hex,
            expected_length,
            self._most,
            self._trial_most,
            *encoded,
        ]
        try:
            if self._replicas:
                answer, having = await self._everywhere(self._appending, session_id, arguments)
            else:
                answer = await self._append(keys=self._keys(session_id), args=arguments)
                having = 0
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        appended, length, gone, would_end, would_go = cast("_Appended", answer)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._count(Effects(messages_deleted=gone))
        self._count(Effects(would_end, would_end, would_go, dry_run=True))
        self._require(having)
        return length

    def _count(self, effects: Effects) -> None:
        if effects:
            self._note(effects)

    async def _everywhere(
        self, script: str, session_id: str, arguments: list[int | str | bytes]
    ) -> tuple[object, int]:
        """Write, and return how many replicas have it; both in one round trip."""
        keys = self._keys(session_id)
        # WAIT counts the writes of its own connection, which a pipeline keeps to.
        async with self._redis.pipeline(transaction=False) as pipeline:
            _ = pipeline.eval(script, len(keys), *keys, *arguments)
            _ = pipeline.execute_command("WAIT", self._replicas, _REPLICA_MILLISECONDS)
            answer, having = await pipeline.execute()
        return answer, int(having)

    def _require(self, having: int) -> None:
        if having < self._replicas:
            raise WriteUnconfirmed(having, self._replicas)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = b"\n".join(map(msgspec.json.encode, messages))
        arguments: list[int | str | bytes] = [self._ttl, expected_length, lines]
        having = 0
        try:
            if self._replicas:
                _, having = await self._everywhere(CHECKPOINT, session_id, arguments)
            else:
                await self._checkpoint(keys=self._keys(session_id), args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        self._require(having)

    async def close(self) -> None:
        await self._redis.aclose()

    def _keys(self, session_id: str) -> list[str]:
        key = f"{self._prefix}:{{{session_id}}}"
        return [f"{key}:messages", f"{key}:last", f"{key}:checkpoint", f"{key}:past"]


def _beginning(past: _Past) -> Beginning | None:
    messages, turns, version, user = past
    if messages is None:
        return None
    return Beginning(
        int(messages), int(turns or 0), (version or b"").decode(), (user or b"").decode()
    )
