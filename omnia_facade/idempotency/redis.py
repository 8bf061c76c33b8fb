"""Replies in Redis: one hash for each scope, which expires. Every operation is one script."""

from collections.abc import Awaitable
from typing import cast

from redis.exceptions import RedisError

from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.redis.client import redis_client, split_replicas
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

# KEYS: the hash. ARGV: holder, fingerprint, lease in ms.
# Returns {} if the scope is the holder's, else {fingerprint, reply or nil}.
_CLAIM = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder == ARGV[1] then return {} end
if holder then return redis.call('HMGET', KEYS[1], 'fingerprint', 'reply') end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'fingerprint', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}
"""

# ARGV: holder, reply, time to live in ms.
_KEEP = """
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'reply', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""

# ARGV: holder.
_RELEASE = """
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[1], 'reply') == 1 then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisReplyStore(ReplyStore):
    """Keeps replies below `omnia:<namespace>:<agent>:reply:`."""

    def __init__(self, url: str, *, namespace: str, agent: str) -> None:
        """Connect at the first use.

        Raises:
            ConfigurationError: `url` is not a Redis URL; the message does not show it.
        """
        # Writes do not wait for replicas: a call whose reply is lost with the master is run again.
        address, _ = split_replicas(url)
        self._redis = redis_client(address)
        self._claim = self._redis.register_script(_CLAIM)
        self._keep = self._redis.register_script(_KEEP)
        self._release = self._redis.register_script(_RELEASE)
        self._prefix = f"omnia:{namespace}:{agent}:reply:"

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        lease = round(lease_seconds * 1000)
        answer = await _run(self._claim(keys=self._keys(scope), args=[holder, fingerprint, lease]))
        if not answer:
            return None
        claimed, reply = cast("tuple[bytes, bytes | None]", answer)
        return ExistingClaim(claimed, reply)

    async def find(self, scope: bytes) -> ExistingClaim | None:
        (key,) = self._keys(scope)
        found = await _run(
            cast("Awaitable[object]", self._redis.hmget(key, ["fingerprint", "reply"]))
        )
        fingerprint, reply = cast("tuple[bytes | None, bytes | None]", found)
        return None if fingerprint is None else ExistingClaim(fingerprint, reply)

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        ttl = round(ttl_seconds * 1000)
        await _run(self._keep(keys=self._keys(scope), args=[holder, reply, ttl]))

    async def release(self, scope: bytes, holder: str) -> None:
        await _run(self._release(keys=self._keys(scope), args=[holder]))

    async def close(self) -> None:
        await self._redis.aclose()

    def _keys(self, scope: bytes) -> list[str]:
        return [f"{self._prefix}{{{scope.hex()}}}"]


async def _run(call: Awaitable[object]) -> object:
    try:
        return await call
    except (RedisError, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
