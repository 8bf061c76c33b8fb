"""The feed of evaluations in Redis: a sorted set of sessions by when they are due, and a hash.

The hash has the state of each session as JSON. Both have the name of the agent as hash tag, so a
cluster keeps them together. A session stays in them until it has ended.
"""

import uuid
from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from omnia_core.sessions.feed import (
    CLAIM_SECONDS,
    UNANSWERED_SECONDS,
    DueSession,
    FeedBacklog,
    Progress,
    SessionFeed,
)
from omnia_core.sessions.store import StoreUnavailable

# KEYS of each: sorted set, hash. The score of a session that is claimed is the end of its claim.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_KEEP = """
local function keep(session, state)
  redis.call('HSET', KEYS[2], session, cjson.encode(state))
  redis.call('ZADD', KEYS[1], math.max(state.due, state.claimed), session)
end
"""
# The state of a session if the claim ARGV[2] is still its own.
_ITS = f"""
{_NOW}
{_KEEP}
local found = redis.call('HGET', KEYS[2], ARGV[1])
if not found then return 0 end
local state = cjson.decode(found)
if state.claim ~= ARGV[2] then return 0 end
"""
# ARGV: session, when it is due in ms, at the latest.
_NOTE = f"""
{_NOW}
{_KEEP}
local found, due = redis.call('HGET', KEYS[2], ARGV[1]), now + tonumber(ARGV[2])
local state
if found then
  state = cjson.decode(found)
  state.version = state.version + 1
  if not state.held then state.due = math.min(state.due, due) end
else
  state = {{due = due, version = 1, claim = '', claimed = 0, held = false, progress = '{{}}'}}
end
state.active = now
keep(ARGV[1], state)
"""
# ARGV: limit, time of the claim in ms, claim. Returns session, progress, idle ms, version; of each.
_CLAIM = f"""
{_NOW}
{_KEEP}
local claimed = {{}}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, session in ipairs(due) do
  local found = redis.call('HGET', KEYS[2], session)
  if found then
    local state = cjson.decode(found)
    state.claim, state.claimed = ARGV[3], now + tonumber(ARGV[2])
    keep(session, state)
    table.insert(claimed, {{session, state.progress, now - state.active, state.version}})
  else
    redis.call('ZREM', KEYS[1], session)
  end
end
return claimed
"""
# ARGV: session, claim, time of the claim in ms.
_RENEW = f"""
{_ITS}
state.claimed = now + tonumber(ARGV[3])
keep(ARGV[1], state)
"""
# ARGV: session, claim, version, progress, when it is due again in ms, held.
_DONE = f"""
{_ITS}
state.claim, state.claimed, state.progress, state.held = '', 0, ARGV[4], ARGV[6] == '1'
if state.held or state.version == tonumber(ARGV[3]) then state.due = now + tonumber(ARGV[5]) end
keep(ARGV[1], state)
"""
# ARGV: session, claim, version.
_FORGET = f"""
{_ITS}
if state.version == tonumber(ARGV[3]) then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  state.claim, state.claimed = '', 0
  keep(ARGV[1], state)
end
"""
_BACKLOG = f"""
{_NOW}
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local waited = oldest[2] and now - tonumber(oldest[2]) or 0
return {{redis.call('ZCOUNT', KEYS[1], '-inf', now), math.max(math.floor(waited), 0)}}
"""
_SPEND_SECONDS = 2 * 24 * 3600

_Claimed: TypeAlias = tuple[bytes, bytes, int, int]


class RedisFeed(SessionFeed):
    """The feed below a key, over the client of a session store."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        key = f"{{{prefix}:evals}}"
        self._key = key
        self._keys = [f"{key}:due", f"{key}:state"]

    async def note(self, session_id: str, *, answered: bool) -> None:
        """Note an append."""
        due = 0 if answered else round(UNANSWERED_SECONDS * 1000)
        await self._run(_NOTE, session_id, due)

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        claim = uuid.uuid4().hex
        answer = await self._run(_CLAIM, limit, round(seconds * 1000), claim)
        return [
            DueSession(
                session.decode(),
                msgspec.json.decode(progress, type=Progress),
                idle / 1000,
                version,
                claim,
            )
            for session, progress, idle, version in cast("list[_Claimed]", answer)
        ]

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        await self._run(_RENEW, due.session_id, due.claim, round(seconds * 1000))

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        text, wait = msgspec.json.encode(progress), round(again * 1000)
        await self._run(_DONE, due.session_id, due.claim, due.version, text, wait, int(held))

    async def forget(self, due: DueSession) -> None:
        await self._run(_FORGET, due.session_id, due.claim, due.version)

    async def backlog(self) -> FeedBacklog:
        sessions, waited = cast("tuple[int, int]", await self._run(_BACKLOG))
        return FeedBacklog(sessions, waited / 1000)

    async def spend(self, day: str, usd: float) -> float:
        key = f"{self._key}:usd:{day}"
        try:
            async with self._redis.pipeline() as pipeline:
                _ = pipeline.incrbyfloat(key, usd)
                _ = pipeline.expire(key, _SPEND_SECONDS)
                total, _ = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return float(total)

    async def _run(self, script: str, *arguments: str | bytes | float) -> object:
        try:
            registered = self._redis.register_script(script)
            return await registered(keys=self._keys, args=list(arguments))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
