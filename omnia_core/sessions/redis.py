"""Sessions in Redis: they outlive the pod, and every pod of an agent sees them.

Of one session there is a list of messages (JSON, in order), the number of the append that came
last, and while a turn runs its checkpoint (JSON, one message a line): all under one hash tag, so
that a cluster keeps them together. Nothing else is kept, and no index grows. Every operation is one
script, so one round trip.
"""

import uuid
from collections.abc import Sequence
from typing import cast

import msgspec
from redis.exceptions import RedisError

from omnia_core.sessions.records import Message, Session
from omnia_core.sessions.redis_client import TIMEOUT_SECONDS, redis_client, replicas_of
from omnia_core.sessions.store import SessionConflict, SessionStore, StoreUnavailable
from omnia_core.sessions.trail import Trail
from omnia_core.units import Duration

# Appends all or nothing. An append that is sent again because its answer was lost changes nothing.
# KEYS: messages, last append, checkpoint.
# ARGV: time to live in ms, append id, expected length, messages…
# Answers {1, length} or, when the length is another one, {0, length}.
_APPEND = """
local length = redis.call('LLEN', KEYS[1])
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  if length ~= tonumber(ARGV[3]) then return {0, length} end
  for i = 4, #ARGV do length = redis.call('RPUSH', KEYS[1], ARGV[i]) end
  redis.call('SET', KEYS[2], ARGV[2])
  redis.call('DEL', KEYS[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return {1, length}
"""


# KEYS and ARGV[1] as above. Answers {messages, checkpoint or nil}.
_LOAD = """
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return {redis.call('LRANGE', KEYS[1], 0, -1), redis.call('GET', KEYS[3])}
"""

# KEYS as above. ARGV: time to live in ms, expected length, checkpoint.
_CHECKPOINT = """
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
"""


# Shorter than the wait for an answer, so that it is the server that gives up.
_REPLICA_MILLISECONDS = int(TIMEOUT_SECONDS * 500)


class RedisSessionStore(SessionStore):
    """Keeps sessions below `omnia:<namespace>:<agent>:`."""

    def __init__(self, url: str, ttl: Duration, *, namespace: str, agent: str) -> None:
        """Connects when it is first used.

        Raises:
            ConfigurationError: `url` is no Redis URL; the message does not show it.
        """
        address, self._replicas = replicas_of(url)
        self._redis = redis_client(address)
        self._append = self._redis.register_script(_APPEND)
        self._load = self._redis.register_script(_LOAD)
        self._checkpoint = self._redis.register_script(_CHECKPOINT)
        self._ttl = ttl.milliseconds
        self._prefix = f"omnia:{namespace}:{agent}"
        self._decoder = msgspec.json.Decoder(Message)

    async def load(self, session_id: str) -> Session | None:
        try:
            answer = await self._load(keys=self._keys(session_id), args=[self._ttl])
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        found, checkpoint = cast("tuple[list[bytes], bytes | None]", answer)
        if not found:
            return None
        interrupted = tuple(map(self._decoder.decode, (checkpoint or b"").splitlines()))
        return Session(session_id, tuple(map(self._decoder.decode, found)), interrupted)

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: Trail | None = None,  # noqa: ARG002 - only a database keeps it
    ) -> int:
        encoded = [msgspec.json.encode(message) for message in messages]
        arguments: list[int | str | bytes] = [
            self._ttl,
            uuid.uuid4().hex,
            expected_length,
            *encoded,
        ]
        try:
            if self._replicas:
                answer, having = await self._everywhere(_APPEND, session_id, arguments)
            else:
                answer = await self._append(keys=self._keys(session_id), args=arguments)
                having = 0
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        appended, length = cast("tuple[int, int]", answer)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        self._require(having)
        return length

    async def _everywhere(
        self, script: str, session_id: str, arguments: list[int | str | bytes]
    ) -> tuple[object, int]:
        """Write, and return how many replicas have it; both in one round trip."""
        # WAIT counts the writes of its own connection, which a pipeline keeps to.
        async with self._redis.pipeline(transaction=False) as pipeline:
            _ = pipeline.eval(script, 3, *self._keys(session_id), *arguments)
            _ = pipeline.execute_command("WAIT", self._replicas, _REPLICA_MILLISECONDS)
            answer, having = await pipeline.execute()
        return answer, int(having)

    def _require(self, having: int) -> None:
        if having < self._replicas:
            raise StoreUnavailable(f"{having} of {self._replicas} replicas have the write")

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = b"\n".join(map(msgspec.json.encode, messages))
        arguments: list[int | str | bytes] = [self._ttl, expected_length, lines]
        having = 0
        try:
            if self._replicas:
                _, having = await self._everywhere(_CHECKPOINT, session_id, arguments)
            else:
                await self._checkpoint(keys=self._keys(session_id), args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        self._require(having)

    async def close(self) -> None:
        await self._redis.aclose()

    def _keys(self, session_id: str) -> list[str]:
        key = f"{self._prefix}:{{{session_id}}}"
        return [f"{key}:messages", f"{key}:last", f"{key}:checkpoint"]
