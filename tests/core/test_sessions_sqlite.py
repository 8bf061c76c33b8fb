"""What only sessions in an SQLite file have."""

import asyncio
import contextlib
import os
import random
import sqlite3
import stat
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnia_core.env import FacadeEnv, RuntimeEnv, SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import (
    AuditTrail,
    Message,
    Session,
    SessionConflict,
    SessionSettings,
    StoreUnavailable,
)
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent
from omnia_core.sessions.factory import open_sessions
from omnia_core.sessions.sqlite.connection import connect, prepare
from omnia_core.sessions.sqlite.file import (
    LOG_BYTES,
    SLOW_PAUSE_SECONDS,
    SLOW_SECONDS,
    SqliteFile,
)
from omnia_core.sessions.sqlite.migrations import APPLICATION_ID, migrations
from omnia_core.sessions.sqlite.store import SqliteSessionStore, SqliteTimings
from omnia_core.units import Duration
from tests.core.session_beds import TTL, sqlite_store, sqlite_time
from tests.programs import PYTHON
from tests.services import LIMIT

HELLO = Message("user", "hello", user_id="mia", pack_version="1.0.0")
ANSWER = Message("assistant", "hi", finish_reason="stop")
AT = "2026-01-01T00:00:00.000000Z"


BEGIN = (
    "INSERT INTO sessions (namespace, agent, id, begun_at, active_at, used_at, expires_at)"
    " VALUES ('n', 'a', hex(randomblob(9)), '', '', '', '9') RETURNING key"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions.db"


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteSessionStore]:
    store = sqlite_store(path)
    try:
        yield store
    finally:
        await store.close()


def writer(path: Path, name: str, count: int, session: str, size: int) -> "subprocess.Popen[str]":
    arguments = (str(path), name, str(count), session, str(size))
    return subprocess.Popen(
        [PYTHON, "-m", "tests.core.sqlite_writer", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


async def contents(path: Path, session: str) -> list[str]:
    async with opened(path) as store:
        found = await store.load(session)
    return [message.content.split()[0] for message in found.messages] if found else []


def intact(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        checked = connection.execute("PRAGMA integrity_check").fetchall()
        return (
            checked == [("ok",)] and not connection.execute("PRAGMA foreign_key_check").fetchall()
        )


@pytest.mark.timeout(240)
async def test_of_four_programs_that_append_at_once_each_append_is_stored_once(
    path: Path,
) -> None:
    programs = [writer(path, f"w{number}", 50, "s", 1) for number in range(4)]
    printed = await asyncio.gather(
        *(asyncio.to_thread(program.communicate, timeout=200) for program in programs)
    )
    assert [program.returncode for program in programs] == [0] * 4
    confirmed = [line for out, _ in printed for line in out.split()]
    kept = await contents(path, "s")
    assert len(kept) == 200
    assert sorted(kept) == sorted(confirmed)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (row,) = connection.execute("SELECT turns, provider_calls, cost_usd FROM sessions")
        assert row == (200, 200, 200.0)
        assert [*connection.execute("SELECT calls FROM daily_calls")] == [(200,)]
    assert intact(path)


@pytest.mark.timeout(240)
async def test_a_program_that_is_killed_loses_nothing_that_it_confirmed(path: Path) -> None:
    drawn = random.Random(7)  # noqa: S311 - where to kill
    for number in range(4):
        # Large messages, so that the log is copied into the file every few appends.
        name, size = f"s{number}", 200_000 if number % 2 else 100
        program = writer(path, "w", 10_000, name, size)
        assert program.stdout
        confirmed = [program.stdout.readline().strip() for _ in range(drawn.randrange(1, 60))]
        program.kill()
        confirmed += program.stdout.read().split()
        program.wait(LIMIT)
        program.stdout.close()
        kept = await contents(path, name)
        # The last append may have been stored without being confirmed.
        assert kept[: len(confirmed)] == confirmed
        assert len(kept) <= len(confirmed) + 1
    assert intact(path)


async def test_only_the_user_may_read_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(path) as store:
            await store.append("s", [HELLO], expected_length=0)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    names = ("sessions.db", "sessions.db-wal", "sessions.db-shm")
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    log = path.with_name("sessions.db-wal")
    async with opened(path) as store:
        sizes = []
        for length in range(30):
            await store.append("s", [Message("user", "x" * 2_000_000)], expected_length=length)
            sizes.append(log.stat().st_size)
        assert max(sizes) < LOG_BYTES
        assert sizes.count(0) >= 2
        # A reader keeps the log from being emptied, and no writer from writing.
        with contextlib.closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            (seen,) = reader.execute("SELECT count(*) FROM messages").fetchone()
            for length in range(30, 42):
                await store.append("s", [Message("user", "x" * 2_000_000)], expected_length=length)
            assert reader.execute("SELECT count(*) FROM messages").fetchone() == (seen,)
        length = 42
        while log.stat().st_size:
            length = await store.append(
                "s", [Message("user", "x" * 2_000_000)], expected_length=length
            )
        session = await store.load("s")
    assert session
    assert session.length == length


async def test_a_file_that_was_deleted_or_replaced_is_not_written_to_any_more(path: Path) -> None:
    other = path.with_name("other.db")
    async with opened(other) as store:
        await store.append("s", [HELLO, ANSWER], expected_length=0)
    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
        for file in path.parent.glob("sessions.db*"):
            file.unlink()
        assert await store.load("s") is None
        await store.append("s", [HELLO], expected_length=0)
        for file in path.parent.glob("sessions.db*"):
            file.unlink()
        other.rename(path)
        assert await store.load("s") == Session("s", (HELLO, ANSWER))


async def test_the_disk_gets_what_was_written_together_and_soon(path: Path) -> None:
    synced: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def sync(descriptor: int) -> None:
        loop.call_soon_threadsafe(synced.put_nowait, os.fstat(descriptor).st_size)

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(BEGIN).fetchall()

    file = SqliteFile(path, sync=sync)
    for number in range(3):
        for _ in range(5):
            await file.run(work, durable=number < 2)
        if number < 2:
            async with asyncio.timeout(LIMIT):
                assert await synced.get() > 0
    assert synced.empty()
    await file.run(work, durable=True)
    await file.close()
    await asyncio.sleep(0)
    assert synced.qsize() == 1


def thread_of(connection: sqlite3.Connection) -> int:
    connection.execute("SELECT 1").fetchall()
    return threading.get_ident()


async def test_a_transaction_waits_for_another_program_in_the_thread_and_else_for_nothing(
    path: Path,
) -> None:
    file, here = SqliteFile(path), threading.get_ident()
    # The file is made in the thread.
    assert await file.run(thread_of, durable=False) != here
    assert await file.run(thread_of, durable=False) == here
    assert await file.run(thread_of, durable=False, is_long=True) != here
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(file.run(thread_of, durable=False))
        await asyncio.sleep(0.05)
        # Who only reads does not wait for a writer, but for the connection.
        reading = asyncio.create_task(file.read(thread_of))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.execute("COMMIT")
    assert await waiting != here
    assert await reading != here
    assert await file.run(thread_of, durable=False) == here
    await file.close()


async def test_a_disk_that_is_slow_does_not_hold_up_the_event_loop_again(path: Path) -> None:
    time, here = 0.0, threading.get_ident()
    file = SqliteFile(path, clock=lambda: time)

    def slow(connection: sqlite3.Connection) -> int:
        nonlocal time
        time += SLOW_SECONDS * 1.5
        return thread_of(connection)

    await file.run(thread_of, durable=False)
    assert await file.run(slow, durable=False) == here
    assert await file.run(thread_of, durable=False) != here
    time += SLOW_PAUSE_SECONDS
    assert await file.run(thread_of, durable=False) == here
    await file.close()


async def test_a_load_writes_nothing_while_the_time_to_live_is_fresh(path: Path) -> None:
    log = path.with_name("sessions.db-wal")
    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
        size = log.stat().st_size
        for _ in range(3):
            assert await store.load("s")
        assert log.stat().st_size == size
        sqlite_time(path, TTL.seconds / 50)
        size = log.stat().st_size
        assert await store.load("s")
        assert log.stat().st_size > size


async def test_a_file_of_an_earlier_version_keeps_its_trails(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for migration in migrations()[:2]:
            connection.executescript(migration.statements)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
        for name in ("a", "b"):
            (key,) = connection.execute(
                "INSERT INTO sessions (namespace, agent, id, begun_at, active_at, used_at,"
                " expires_at) VALUES ('default', 'a', ?, ?, ?, ?, '9') RETURNING key",
                (name, AT, AT, AT),
            ).fetchone()
            for turn in (1, 2):
                connection.execute(
                    "INSERT INTO runtime_events (session, turn, at, kind, detail)"
                    " VALUES (?, ?, ?, 'turn_began', ?)",
                    (key, turn, AT, f"{name}{turn}"),
                )
                connection.execute(
                    "INSERT INTO provider_calls VALUES (NULL, ?, ?, ?, ?, 'm', 'success', '', 1,"
                    " 1, 2, 3, 0.5, 6.5)",
                    (key, turn, AT, f"{name}{turn}"),
                )
    trail = AuditTrail(
        "completed",
        turns=1,
        provider_calls=(ProviderCall(AT, "new", "m", "success"),) * 2,
        events=(RuntimeEvent(AT, EventKind.TURN_ENDED, "new"),),
    )
    async with opened(path) as store:
        await store.append("b", [HELLO], expected_length=0, audit=trail)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table, column, added in (
            ("runtime_events", "detail", ["new"]),
            ("provider_calls", "provider", ["new", "new"]),
        ):
            found = connection.execute(
                f"SELECT id, {column} FROM {table} JOIN sessions ON session = key"  # noqa: S608
                " ORDER BY session, number"
            ).fetchall()
            expected = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")]
            assert found == expected + [("b", each) for each in added]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
    assert intact(path)


async def test_a_full_disk_is_told_and_nothing_is_half_stored(path: Path) -> None:
    def full(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
        await store._file.run(full, durable=False)
        large = Message("assistant", "x" * 100_000)
        with pytest.raises(StoreUnavailable, match=r"SQLITE_FULL: the disk is full; free some"):
            await store.append("s", [large], expected_length=1)
        assert await store.load("s") == Session("s", (HELLO,))
        assert await store.append("s", [large], expected_length=1) == 2


async def test_a_file_that_another_program_locks_is_unavailable_until_it_is_free(
    path: Path,
) -> None:
    settings = SessionSettings(ttl=Duration.parse("1h"), namespace="default", agent="a")
    store = SqliteSessionStore(path, settings, SqliteTimings(busy_seconds=0.1))
    await store.append("s", [HELLO], expected_length=0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY: another program has locked it"):
            await store.append("s", [ANSWER], expected_length=1)
        other.execute("COMMIT")
        assert await store.append("s", [ANSWER], expected_length=1) == 2
    await store.close()


def data(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def make_newer(path: Path) -> None:
    connect(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations()) + 1}")


def make_foreign(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (a)")


def make_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("sessions " * 100)


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


def make_file_above(path: Path) -> None:
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            make_newer,
            f"expected schema {len(migrations())} or older, found {len(migrations()) + 1}",
        ),
        (make_foreign, "an SQLite file of another program"),
        (make_text, "SQLITE_NOTADB: it is not an SQLite file"),
        (make_folder, "SQLITE_CANTOPEN: the file cannot be opened or created"),
        (make_file_above, "FileExistsError"),
    ],
)
async def test_a_file_that_cannot_be_used_says_why_and_stays_as_it_is(
    path: Path, make: object, says: str
) -> None:
    assert callable(make)
    make(path)
    before = data(path)
    with pytest.raises(ConfigurationError, match=says) as refused:
        prepare(path)
    assert str(path) in refused.value.message
    async with opened(path) as store:
        with pytest.raises(StoreUnavailable, match=says):
            await store.load("s")
    assert data(path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_read_only_folder_says_so(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match="PermissionError: Permission denied"):
        prepare(path)


async def test_a_file_is_prepared_once_and_nothing_is_lost(path: Path) -> None:
    prepare(path)
    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
        prepare(path)
        assert await store.load("s") == Session("s", (HELLO,))


async def test_programs_that_are_away_are_no_longer_waited_for(path: Path) -> None:
    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
    with pytest.raises(StoreUnavailable, match="it is closed"):
        await store.load("s")
    await store.close()


async def test_the_environment_names_the_file(path: Path) -> None:
    runtime = open_sessions(
        RuntimeEnv(agent_name="a", session_type=SessionType.SQLITE, session_path=str(path))
    )
    facade = open_sessions(
        FacadeEnv(agent_name="a", session_type=SessionType.SQLITE, session_path=str(path))
    )
    await runtime.append("s", [HELLO], expected_length=0)
    assert await facade.load("s") == Session("s", (HELLO,))
    await runtime.close()
    await facade.close()


async def test_a_damaged_record_is_told(path: Path) -> None:
    async with opened(path) as store:
        await store.append("s", [HELLO], expected_length=0)
        for record in ("{", '{"role": "of a newer version"}'):
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE messages SET record = ?", (record,))
            with pytest.raises(StoreUnavailable, match="a record of the session is damaged"):
                await store.load("s")


@given(damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_unavailable_at_the_worst(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[float, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "sessions.db"

    async def use() -> None:
        async with opened(path) as store:
            await store.append("s", [HELLO, ANSWER], expected_length=0)
            await store.checkpoint("s", [ANSWER], expected_length=2)
        data = bytearray(path.read_bytes())
        for place, changed in damage:
            at = int(place * (len(data) - len(changed)))
            data[at : at + len(changed)] = changed
        path.write_bytes(data)
        async with opened(path) as store:
            with contextlib.suppress(StoreUnavailable):
                await store.load("s")
            with contextlib.suppress(StoreUnavailable, SessionConflict):
                await store.append("s", [HELLO], expected_length=2)

    asyncio.run(use())
