"""Signals in Redis: a sorted set with the last ones by time, and a channel that wakes listeners."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError, ResponseError

from omnia_core.sessions.redis.client import TIMEOUT_SECONDS
from omnia_core.sessions.signals import (
    CHECK_SECONDS,
    CONNECTED_SECONDS,
    KEPT_SECONDS,
    Signal,
    StoredSignals,
    Wakeups,
)
from omnia_core.sessions.store import StoreUnavailable

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = now - tonumber(ARGV[1])
"""
# KEYS: the sorted set, whose name is that of the channel. ARGV: how long signals are kept in ms,
# signal. A user without permission for the channel still reaches listeners that poll.
_SEND = f"""
{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', oldest)
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.pcall('PUBLISH', KEYS[1], '')
"""
_RECENT = f"""
{_NOW}
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. oldest, '+inf')
"""


class RedisSignals(StoredSignals):
    """The signals below a key, over the client of a session store."""

    idle_seconds = CONNECTED_SECONDS

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key
        self._send = redis.register_script(_SEND)
        self._recent = redis.register_script(_RECENT)
        self._decoder = msgspec.json.Decoder(Signal)

    async def send(self, signal: Signal) -> None:
        arguments: list[int | bytes] = [int(KEPT_SECONDS * 1000), msgspec.json.encode(signal)]
        try:
            await self._send(keys=[self._key], args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    async def recent(self) -> Sequence[Signal]:
        try:
            found = await self._recent(keys=[self._key], args=[int(KEPT_SECONDS * 1000)])
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return [self._decoder.decode(signal) for signal in cast("list[bytes]", found)]

    @asynccontextmanager
    async def wakeups(self) -> AsyncGenerator[Wakeups | None]:
        async with self._redis.pubsub() as pubsub:
            try:
                await pubsub.subscribe(self._key)
                # The confirmation, or the error of a user without permission for channels.
                await pubsub.get_message(timeout=TIMEOUT_SECONDS)
            except ResponseError:
                polled = True
            except (RedisError, OSError) as error:
                raise StoreUnavailable(type(error).__name__) from error
            else:
                polled = False
            yield None if polled else _Subscription(pubsub)


class _Subscription:
    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    async def wait(self) -> None:
        try:
            if await self._pubsub.get_message(timeout=CHECK_SECONDS) is None:
                await self._pubsub.ping()
                if await self._pubsub.get_message(timeout=TIMEOUT_SECONDS) is None:
                    raise StoreUnavailable("the subscription does not answer")
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
