"""What a session of 200 messages costs in each store, over the loopback address.

Run with `python -m benchmarks.sessions`. Needs redis-server and Debian's postgresql; both are
started here, in memory or without fsync: it measures the drivers, not disks.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from omnia_core.sessions import Message, SessionSettings, SessionStore
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration
from tests.services import postgres_server, redis_server

TTL = Duration.parse("1h")
LENGTH, ROUNDS = 200, 500
TEXT = "A sentence of an answer, as long as sentences are. " * 8


async def measure(name: str, store: SessionStore) -> None:
    """Print median and 99th percentile of each operation."""
    messages = [Message("user", TEXT) for _ in range(LENGTH)]
    await store.append("load", messages, expected_length=0)
    await store.append("grow", messages, expected_length=0)
    length = LENGTH

    async def load() -> None:
        await store.load("load")

    async def append() -> None:
        nonlocal length
        length = await store.append("grow", messages[:2], expected_length=length)

    async def checkpoint() -> None:
        await store.checkpoint("load", messages[:1], expected_length=LENGTH)

    for what in (load, append, checkpoint):
        print(f"{name:10} {what.__name__:11} {await _times(what)}")
    await store.close()


async def _times(operation: Callable[[], Awaitable[None]]) -> str:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await operation()
        taken.append((time.perf_counter() - began) * 1000)
    p99 = statistics.quantiles(taken, n=100)[-1]
    return f"median {statistics.median(taken):6.2f} ms   99 % {p99:6.2f} ms"


def main() -> None:
    """Measure the stores."""
    asyncio.run(measure("memory", MemorySessionStore(TTL)))
    programs = max(each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    redis = shutil.which("redis-server")
    if redis is None:
        raise SystemExit("redis-server is not on this machine: apt-get install redis-server")
    namespace, agent = "default", "bench"
    with tempfile.TemporaryDirectory() as folder, redis_server(redis, folder) as url:
        redis_store = RedisSessionStore(
            url, SessionSettings(ttl=TTL, namespace=namespace, agent=agent)
        )
        asyncio.run(measure("redis", redis_store))
    with tempfile.TemporaryDirectory() as folder:
        file = SqliteSessionStore(
            Path(folder) / "sessions.db", SessionSettings(ttl=TTL, namespace=namespace, agent=agent)
        )
        asyncio.run(measure("sqlite", file))
    with postgres_server(programs) as server:
        postgres = PostgresSessionStore(
            server.url, SessionSettings(ttl=TTL, namespace=namespace, agent=agent)
        )
        asyncio.run(measure("postgres", postgres))


if __name__ == "__main__":
    main()
