"""What only sessions in PostgreSQL have."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message, Session, SessionConflict, SessionSettings, StoreUnavailable
from omnia_core.sessions.postgres.migrations import migrations
from omnia_core.sessions.postgres.store import PostgresSessionStore, PostgresTimings
from omnia_core.units import Duration
from tests.loopback_proxy import Proxy
from tests.services import PostgresServer, free_port, postgres_server

TTL = Duration.parse("60s")
HELLO = Message(role="user", content="hello", pack_version="1.2.0")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")


def store_at(url: str, agent: str = "a", **timing: Any) -> PostgresSessionStore:
    return PostgresSessionStore(
        url, SessionSettings(ttl=TTL, namespace="default", agent=agent), PostgresTimings(**timing)
    )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def own_postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with postgres_server(postgres_programs) as server:
        yield server


async def test_an_append_whose_answer_was_lost_is_sent_again_and_changes_nothing(
    postgres: PostgresServer,
) -> None:
    proxy = Proxy(postgres.port)
    async with proxy.serving() as port:
        store = store_at(f"postgresql://postgres@127.0.0.1:{port}/postgres", "cut")
        # prepares the statement, so that the next answer is the append's
        await store.append("a", [HELLO], expected_length=0)
        proxy.lose_answer = True
        assert await store.append("a", [ANSWER, HELLO], expected_length=1) == 3
        session = await store.load("a")
        await store.close()
    assert proxy.lost == 1
    assert session == Session("a", (HELLO, ANSWER, HELLO))


async def test_a_server_that_falls_silent_is_given_up_and_used_when_it_speaks_again(
    postgres: PostgresServer,
) -> None:
    proxy = Proxy(postgres.port)
    async with proxy.serving() as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        store = store_at(url, "silent", command_seconds=0.3)
        await store_ready(store)
        proxy.silent = True
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable, match="TimeoutError"):
                await store.append("a", [ANSWER], expected_length=0)
        proxy.silent = False
        # A busy machine may need longer than the short limit of a command.
        await store_ready(store)
        await store.close()
    direct = store_at(postgres.url, "silent")
    session = await direct.load("b")
    await direct.close()
    assert session == Session("b", (HELLO,))


async def store_ready(store: PostgresSessionStore) -> None:
    """Append to session b; the first time the tables are made, which may take a while."""
    async with asyncio.timeout(20):
        while True:
            try:
                await store.append("b", [HELLO], expected_length=0)
            except StoreUnavailable:
                continue
            except SessionConflict:
                return
            return


async def test_an_append_that_another_one_followed_is_still_known_when_it_is_sent_again(
    postgres: PostgresServer,
) -> None:
    again = (
        "SELECT appended, new_length FROM omnia.append('default', 'again', 'a', '1h', "
        "'00000000-0000-0000-0000-000000000001', 0, '{user,user}', '{1,1}', '{x,y}')"
    )
    store = store_at(postgres.url, "again")
    await store.load("a")
    async with connected(postgres.url) as connection:
        first = await connection.fetchrow(again)
        await connection.execute(
            "SELECT omnia.append('default', 'again', 'a', '1h', gen_random_uuid(), 2, "
            "'{user}', '{1}', '{z}')"
        )
        second = await connection.fetchrow(again)
        kept = await connection.fetchval(
            "SELECT string_agg(convert_from(record, 'UTF8'), '' ORDER BY position) "
            "FROM omnia.messages m JOIN omnia.sessions s ON s.key = m.session "
            "WHERE s.agent = 'again'"
        )
    await store.close()
    assert tuple(first) == tuple(second) == (True, 2)
    assert kept == "xyz"


async def test_a_server_that_was_stopped_is_unavailable_and_then_used_again(
    own_postgres: PostgresServer,
) -> None:
    store = store_at(own_postgres.url)
    await store.append("a", [HELLO], expected_length=0)
    await asyncio.to_thread(own_postgres.stop)
    with pytest.raises(StoreUnavailable):
        await store.append("a", [ANSWER], expected_length=1)
    with pytest.raises(StoreUnavailable):
        await store.load("a")
    await asyncio.to_thread(own_postgres.start)
    assert await store.append("a", [ANSWER], expected_length=1) == 2
    assert await store.load("a") == Session("a", (HELLO, ANSWER))
    await store.close()


async def test_many_pods_that_start_at_once_make_the_tables_once(postgres: PostgresServer) -> None:
    async with connected(postgres.url) as connection:
        await connection.execute("DROP SCHEMA IF EXISTS omnia CASCADE")
        stores = [store_at(postgres.url) for _ in range(12)]
        lengths = await asyncio.gather(
            *(
                each.append(str(number), [HELLO], expected_length=0)
                for number, each in enumerate(stores)
            )
        )
        applied = await connection.fetch("SELECT number FROM omnia.migrations ORDER BY number")
        for each in stores:
            await each.close()
    assert lengths == [1] * 12
    assert [row["number"] for row in applied] == [each.number for each in migrations()]


async def test_expired_sessions_are_deleted_a_batch_at_a_time(
    postgres: PostgresServer,
) -> None:
    async with connected(postgres.url) as connection:
        store = store_at(postgres.url, "swept", sweep_seconds=0, sweep_batch=3)
        await store.append("kept", [HELLO], expected_length=0)
        await connection.execute("TRUNCATE omnia.sessions CASCADE")
        for number in range(7):
            await connection.execute(
                "SELECT omnia.append('n', 'old', $1, '-1s', gen_random_uuid(), 0, "
                "'{user}', '{1}', '{x}')",
                str(number),
            )
        left = [7]
        async with asyncio.timeout(20):
            while left[-1]:
                length = len(left) - 1
                await store.append("kept", [HELLO], expected_length=length)
                if store._worker.sweep.running:
                    await asyncio.wait({store._worker.sweep.running})
                left.append(
                    await connection.fetchval(
                        "SELECT count(*) FROM omnia.sessions WHERE agent = 'old'"
                    )
                )
        messages = await connection.fetchval("SELECT count(*) FROM omnia.messages")
        await store.close()
    assert left == [7, 4, 1, 0]
    assert messages == 3


async def test_what_an_audit_asks_for_is_in_columns(postgres: PostgresServer) -> None:
    store = store_at(postgres.url, "audit")
    await store.append("a", [HELLO, ANSWER], expected_length=0)
    async with connected(postgres.url) as connection:
        rows = await connection.fetch(
            "SELECT m.role, m.pack_version, m.created_at <= now() AS past, "
            "convert_from(m.record, 'UTF8')::json->>'content' AS content "
            "FROM omnia.messages m JOIN omnia.sessions s ON s.key = m.session "
            "WHERE s.agent = 'audit' ORDER BY m.position"
        )
    await store.close()
    assert [tuple(row) for row in rows] == [
        ("user", "1.2.0", True, "hello"),
        ("assistant", "", True, "hi"),
    ]


async def test_an_error_shows_nothing_of_the_address() -> None:
    store = store_at(f"postgresql://user:secret@127.0.0.1:{free_port()}/hidden")
    with pytest.raises(StoreUnavailable) as caught:
        await store.load("a")
    await store.close()
    assert "secret" not in caught.value.message
    assert "hidden" not in caught.value.message


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = store_at(f"postgresql://user@127.0.0.1:{port}/x?sslmode=disable")
    with pytest.raises(StoreUnavailable, match="TimeoutError"):
        await store.load("a")
    await store.close()
    server.close()


@pytest.mark.parametrize(
    "url", ["http://:secret@x/db", "secret", "postgresql://secret:x:y@h:port/db", "postgresql:///"]
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        store_at(url)
    assert "postgresql://" in caught.value.message
    assert "secret" not in caught.value.message
