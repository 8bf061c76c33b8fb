"""A Redis that dies, and the replica that takes its place: nothing confirmed is lost."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message, SessionConflict, SessionSettings, StoreUnavailable
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.units import Duration
from tests.loopback_proxy import Proxy
from tests.services import free_port, wait_listening

TTL = Duration.parse("60s")
LIMIT = 100.0
WRITERS = 10


@dataclass
class Server:
    port: int
    process: "subprocess.Popen[bytes]"

    async def ask(self, *command: object) -> object:
        async with Redis(port=self.port) as redis:
            answer: object = await redis.execute_command(*map(str, command))  # type: ignore[no-untyped-call]
            return answer


@pytest.fixture
def servers(redis_url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """A master and its replica; `redis_url` is asked for because it says where Redis is missing."""
    program = shutil.which("redis-server") or ""
    with contextlib.ExitStack() as stack:
        made = []
        for role in ("master", "replica"):
            (tmp_path / role).mkdir()
            port = free_port()
            command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
            more = ["--dir", str(tmp_path / role), "--repl-diskless-sync-delay", "0"]
            process = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL)
            stack.callback(process.wait, LIMIT)
            stack.callback(process.terminate)
            wait_listening(port)
            made.append(Server(port, process))
        yield made[0], made[1]


async def replicating(master: Server, replica: Server) -> None:
    await replica.ask("REPLICAOF", "127.0.0.1", master.port)
    async with asyncio.timeout(LIMIT), Redis(port=replica.port) as redis:
        while (await redis.info("replication"))["master_link_status"] != "up":  # noqa: ASYNC110 - another program's
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def store_at(port: int, query: str = "?replicas=1") -> AsyncIterator[RedisSessionStore]:
    url = f"redis://127.0.0.1:{port}/0{query}"
    store = RedisSessionStore(url, SessionSettings(ttl=TTL, namespace="default", agent="failover"))
    try:
        yield store
    finally:
        await store.close()


class Writer:
    """Appends numbered messages to a session of its own, and remembers which were confirmed."""

    def __init__(self, store: RedisSessionStore, name: str) -> None:
        self.store = store
        self.name = name
        self.confirmed: list[str] = []
        self.failed = 0

    async def write(self, until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            number += 1
            try:
                session = await self.store.load(self.name)
                known = len(session.messages) if session else 0
                message = Message("user", f"{self.name}-{number}")
                await self.store.append(self.name, [message], expected_length=known)
            except (StoreUnavailable, SessionConflict):
                self.failed += 1
            else:
                self.confirmed.append(message.content)


async def test_what_was_confirmed_outlives_the_master(servers: tuple[Server, Server]) -> None:
    master, replica = servers
    await replicating(master, replica)
    proxy = Proxy(master.port)
    over = asyncio.Event()
    async with proxy.serving() as port, store_at(port) as store:
        writers = [Writer(store, f"w{number}") for number in range(WRITERS)]
        writing = [asyncio.create_task(each.write(over)) for each in writers]
        async with asyncio.timeout(LIMIT):
            await _until(lambda: all(len(each.confirmed) >= 20 for each in writers))
            master.process.kill()
            proxy.target = replica.port
            await replica.ask("REPLICAOF", "NO", "ONE")
            # A new replica stands in before anything is confirmed again.
            await _until(lambda: all(each.failed for each in writers))
        over.set()
        await asyncio.gather(*writing)
    async with store_at(replica.port, "") as store:
        for writer in writers:
            session = await store.load(writer.name)
            assert session is not None
            kept = [message.content for message in session.messages]
            assert len(kept) == len(set(kept))
            assert [each for each in kept if each in writer.confirmed] == writer.confirmed


async def test_a_write_that_no_replica_has_is_told(servers: tuple[Server, Server]) -> None:
    master, _ = servers
    said = [Message("user", "hello")]
    async with store_at(master.port) as store:
        for told in await asyncio.gather(
            store.append("a", said, expected_length=0),
            store.checkpoint("b", said, expected_length=0),
            return_exceptions=True,
        ):
            assert isinstance(told, StoreUnavailable)
            assert "has not confirmed the write (0 of 1 replicas have it)" in told.message
            assert "may be stored twice" in told.message


@pytest.mark.parametrize("query", ["?replicas=many", "?replicas=-1", "?replicas="])
def test_a_number_of_replicas_that_is_none_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a digit"):
        RedisSessionStore(
            f"redis://127.0.0.1:1/0{query}",
            SessionSettings(ttl=TTL, namespace="default", agent="a"),
        )


@pytest.mark.parametrize("url", ["redis://:s3cret@[::1/0", "redis://:s3cret\u2100@localhost/0"])
def test_a_url_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected redis://") as refused:
        RedisSessionStore(url, SessionSettings(ttl=TTL, namespace="default", agent="a"))
    assert "s3cret" not in str(refused.value)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - several tasks bring it about
        await asyncio.sleep(0.01)
