"""The worker as a process that dies, over databases that restart: no result is lost or doubled."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from redis.asyncio import Redis

from omnia_core.env import RuntimeEnv, SessionType
from omnia_core.sessions import SessionSettings, SessionStore
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.units import Duration
from omnia_runtime.evals.worker import SESSIONS
from tests.core.session_beds import connected
from tests.runtime.judging import JUDGED, WHOLE, JudgeServer, environment, results, turn
from tests.runtime.servers import serving
from tests.runtime.test_eval_program import Start, start
from tests.services import LIMIT, PostgresServer, RedisServer, free_port, postgres_server

__all__ = ["start"]

NAMES = [f"s{number}" for number in range(60)]
SETTINGS = SessionSettings(ttl=Duration.parse("1h"), namespace="default", agent="a", evaluated=True)
_STATE, _DUE = "{omnia:default:a:evals}:state", "{omnia:default:a:evals}:due"


class Database(Protocol):
    """A server of sessions that can be restarted."""

    type: SessionType
    url: str

    def restart(self) -> None:
        """Cut all connections, and begin anew with what was confirmed."""

    def store(self) -> SessionStore: ...

    async def end_claims(self) -> None:
        """Let the time of all claims be over, as it is after two minutes."""


class Postgres:
    """PostgreSQL, of which each result is a row."""

    type = SessionType.POSTGRES

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.url

    def restart(self) -> None:
        self._server.stop()
        self._server.start()

    def store(self) -> SessionStore:
        return PostgresSessionStore(self.url, SETTINGS)

    async def end_claims(self) -> None:
        async with connected(self.url) as connection:
            await connection.execute("UPDATE omnia.eval_feed SET claimed_until = now()")


class RedisDatabase:
    """Redis, which writes everything to its folder and dies as in a power cut."""

    type = SessionType.REDIS

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.url = server.url

    def restart(self) -> None:
        self._server.kill()
        self._server.start()

    def store(self) -> SessionStore:
        return RedisSessionStore(self.url, SETTINGS)

    async def end_claims(self) -> None:
        async with Redis.from_url(self.url) as redis:
            for name, text in (await redis.hgetall(_STATE)).items():
                state = json.loads(text)
                if state["claimed"]:
                    await redis.hset(_STATE, name, json.dumps({**state, "claimed": 0}))
                    session = name.decode() if isinstance(name, bytes) else name
                    await redis.zadd(_DUE, {session: state["due"]})


@pytest.fixture(params=["postgres", "redis"])
def database(
    request: pytest.FixtureRequest,
    need_program: Callable[[str, str], str],
    tmp_path: Path,
) -> Iterator[Database]:
    """A server that no other test has."""
    if request.param == "postgres":
        with postgres_server(request.getfixturevalue("postgres_programs")) as postgres:
            yield Postgres(postgres)
    else:
        program = need_program("redis-server", "apt-get install redis-server")
        redis = RedisServer(program, tmp_path)
        redis.start()
        yield RedisDatabase(redis)
        redis.kill()


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[SessionStore]:
    store = database.store()
    try:
        yield store
    finally:
        await store.close()


def of_program(folder: Path, judge: str, database: Database, **more: object) -> RuntimeEnv:
    return environment(
        folder,
        [JUDGED, {**JUDGED, "id": "again"}],
        judge,
        session_type=database.type,
        health_port=free_port(),
        bind_address="127.0.0.1",
        **more,
    )


async def until_asked(judge: JudgeServer, number: int) -> None:
    """Wait until so many judges are being asked."""
    async with asyncio.timeout(LIMIT):
        while judge.now < number:  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.01)


async def test_a_killed_worker_and_a_database_that_restarts_lose_nothing_and_double_nothing(
    database: Database, start: Start, tmp_path: Path
) -> None:
    judge = JudgeServer()
    async with opened(database) as store:
        for name in NAMES:
            await turn(store, name)
    async with serving(judge) as url:
        env = of_program(tmp_path, url, database)
        judge.gate.clear()
        first = start(env, database.url)
        await until_asked(judge, 5)
        # It dies in mid-work, and the database restarts under its claims.
        first.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.wait)
        judge.gate.set()
        async with asyncio.timeout(LIMIT):
            while judge.now:  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.01)
        await asyncio.to_thread(database.restart)
        await database.end_claims()
        judge.gate.clear()
        second = start(env, database.url)
        await until_asked(judge, 5)
        # The database restarts under the next one, which has answers to keep meanwhile.
        await asyncio.to_thread(database.restart)
        judge.gate.set()
        async with opened(database) as store:
            for name in NAMES:
                await ended(store, name, database)
            found = [each for name in NAMES for each in await store.eval_results(name)]
        second.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(second.wait, LIMIT) == 0
    assert judge.most == 5
    assert len(found) == len({(each.session, each.key) for each in found}) == 2 * len(NAMES)
    assert {each.outcome for each in found} == {"passed"}
    # Only sessions in work are asked about again, each time that something breaks.
    assert len(judge.bodies) <= 2 * len(NAMES) + 2 * (2 * SESSIONS)


async def ended(store: SessionStore, name: str, database: Database) -> None:
    """Wait until a session has its results; nobody waits two minutes for a claim."""
    async with asyncio.timeout(LIMIT):
        while len(await store.eval_results(name)) < 2:
            await database.end_claims()
            await asyncio.sleep(0.5)


async def test_a_worker_that_was_away_catches_up(
    database: Database, start: Start, tmp_path: Path
) -> None:
    judge = JudgeServer()
    async with serving(judge) as url, opened(database) as store:
        env = environment(
            tmp_path,
            [JUDGED, WHOLE],
            url,
            session_type=database.type,
            health_port=free_port(),
            bind_address="127.0.0.1",
            evals_inactivity_timeout=Duration(1000),
        )
        await turn(store, "before")
        first = start(env, database.url)
        await results(store, "before", 2)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, LIMIT) == 0
        for name in NAMES[:20]:
            length = await turn(store, name)
            await turn(store, name, known=length)
        asked = len(judge.bodies)
        start(env, database.url)
        for name in NAMES[:20]:
            found = {(each.evaluation, each.turn) for each in await results(store, name, 3)}
            assert found == {("kind", 1), ("kind", 2), ("whole", 2)}
    assert len(judge.bodies) == asked + 3 * 20
