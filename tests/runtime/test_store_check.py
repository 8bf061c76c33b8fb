"""The check of the health port that the session store answers."""

import asyncio

import orjson

from omnia_core.health import Readiness
from omnia_core.sessions import Session, StoreUnavailable
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.store import SessionSettings
from omnia_core.telemetry.program import release
from omnia_core.units import Duration
from omnia_runtime.observe.store_check import FRESH_SECONDS, StoreCheck
from tests.runtime.conftest import Start
from tests.runtime.program import client
from tests.runtime.scripted import Mounted
from tests.runtime.test_program import get
from tests.services import PostgresServer, free_port

SETTINGS = SessionSettings(ttl=Duration.parse("1h"), namespace="default", agent="agent")


class Counted(MemorySessionStore):
    """A store that counts what it is asked, and can be away."""

    def __init__(self) -> None:
        super().__init__(SETTINGS.ttl)
        self.loads = 0
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def load(self, session_id: str) -> Session | None:
        assert session_id
        self.loads += 1
        await self.answers.wait()
        if self.away:
            raise StoreUnavailable("ConnectionError")
        return None


async def test_many_requests_of_the_health_port_are_few_of_the_store() -> None:
    store, now = Counted(), 100.0
    check = StoreCheck(store, lambda: now)

    assert {await check() for _ in range(50)} == {Readiness(ready=True)}
    assert store.loads == 1

    store.away = True
    now += FRESH_SECONDS
    failed = await check()
    assert (failed.ready, store.loads) == (False, 2)
    assert "ConnectionError" in failed.detail


async def test_requests_at_the_same_time_wait_for_one_answer_of_the_store() -> None:
    store = Counted()
    store.answers.clear()
    check = StoreCheck(store)

    asking = [asyncio.create_task(check()) for _ in range(20)]
    await asyncio.sleep(0)
    store.answers.set()

    assert {each.ready for each in await asyncio.gather(*asking)} == {True}
    assert store.loads == 1


async def test_each_shared_store_is_found_and_missed(
    redis_url: str, postgres: PostgresServer
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    for store, ready in (
        (RedisSessionStore(redis_url, SETTINGS), True),
        (RedisSessionStore(f"redis://:s3cret@{nowhere}/0", SETTINGS), False),
        (PostgresSessionStore(postgres.url, SETTINGS), True),
        (PostgresSessionStore(f"postgresql://u:s3cret@{nowhere}/db", SETTINGS), False),
    ):
        found = await StoreCheck(store)()
        await store.close()
        assert found.ready is ready, found
        assert "s3cret" not in found.detail


async def test_the_runtime_has_the_check_where_its_store_is_shared(
    mounted: Mounted, start: Start, redis_url: str
) -> None:
    program = start(OMNIA_SESSION_TYPE="redis", OMNIA_SESSION_URL=redis_url)
    async with client(mounted):
        first = orjson.loads(program.errors.read_text().splitlines()[0])
        assert (first["event"], first["component"], first["version"]) == (
            "starting",
            "runtime",
            release(),
        )
        assert await asyncio.to_thread(get, mounted, "/healthz/session-store") == (
            "[+]session-store ok\n"
        )
        assert "omnia_build_info" in await asyncio.to_thread(get, mounted, "/metrics")
