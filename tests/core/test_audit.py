"""Audit records in the databases, and the arithmetic of latencies."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import orjson
import pytest
from msgspec import structs

from omnia_core.conversation.usage import Usage
from omnia_core.sessions import AuditTrail, Message, SessionSettings, SessionStore
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.escaping import escape_nul, unescape_nul
from omnia_core.sessions.latency import BOUNDS, histogram, quantile
from omnia_core.sessions.mongodb.store import MongoSessionStore, MongoTimings
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.recorded import RecordedTurn
from omnia_core.sessions.retention import Retention
from omnia_core.sessions.sqlite.connection import connect
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration
from tests.core.kept_beds import KEEPING
from tests.core.session_beds import bed_of, empty, mongo_client, mongo_rows, mongo_time, sqlite_time
from tests.loopback_proxy import Proxy
from tests.services import LIMIT, MongoServer, PostgresServer

AT = "2026-03-01T12:00:00Z"
HELLO = Message("user", "hello", user_id="mia")
ANSWER = Message("assistant", "hi", finish_reason="stop")
CALL = ProviderCall(
    AT, "default", "m-1", "success", "", 1, input_tokens=10, output_tokens=5, cost_usd=0.5
)
FAILED = ProviderCall(AT, "default", "m-1", "error", "overloaded", 1, duration_ms=20)
TOOL = ToolExecution(AT, "1", "look_up", "crm", '{"a": "\\u0000"}', "success", 3.5)
BEGAN = RuntimeEvent(AT, EventKind.TURN_BEGAN)
ENDED = RuntimeEvent(AT, EventKind.TURN_ENDED, "stop\0")
FIRST = AuditTrail("active", turns=1, events=(BEGAN,))
LAST = AuditTrail("completed", "agent", 0, 40.0, (FAILED, CALL), (TOOL,), (ENDED,))


@pytest.fixture
async def connection(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(postgres.url)
    await empty(opened)
    yield opened
    await opened.close()


def store_at(url: str, agent: str = "a") -> PostgresSessionStore:
    return PostgresSessionStore(
        url, SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent=agent)
    )


@dataclass
class Audited:
    """A database that keeps audit records."""

    store: Callable[[], SessionStore]
    rows: Callable[[str], Awaitable[list[dict[str, Any]]]]
    """Returns the rows of a table."""
    end_sessions: Callable[[], Awaitable[None]]


@pytest.fixture(params=KEEPING)
def audited(request: pytest.FixtureRequest) -> Audited:
    if request.param == "sqlite":
        return _sqlite(request.getfixturevalue("tmp_path") / "sessions.db")
    if request.param == "mongodb":
        made: Audited = request.getfixturevalue("mongo_audited")
        return made
    connection = request.getfixturevalue("connection")

    async def rows(table: str) -> list[dict[str, Any]]:
        statement = f"SELECT * FROM omnia.{table} ORDER BY 1, 2"  # noqa: S608 - a constant
        found = await connection.fetch(statement)
        return [dict(row) for row in found]

    async def end_sessions() -> None:
        await connection.execute("UPDATE omnia.sessions SET expires_at = clock_timestamp()")

    url = request.getfixturevalue("postgres").url
    return Audited(lambda: store_at(url), rows, end_sessions)


@pytest.fixture
async def mongo_audited(mongo: MongoServer) -> AsyncIterator[Audited]:
    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="a")
    async with mongo_client(mongo.url) as client:
        await client.drop_database("omnia")
        pass_time = mongo_time(client)
        yield Audited(
            lambda: MongoSessionStore(mongo.url, settings, MongoTimings(command_seconds=LIMIT)),
            lambda table: mongo_rows(client, table),
            lambda: pass_time(60),
        )


@pytest.fixture(params=KEEPING)
def kept_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def _sqlite(path: Path) -> Audited:
    async def rows(table: str) -> list[dict[str, Any]]:
        with contextlib.closing(connect(path)) as opened:
            opened.row_factory = sqlite3.Row
            statement = f"SELECT * FROM {table} ORDER BY 1, 2"  # noqa: S608 - a constant
            found = [dict(row) for row in opened.execute(statement)]
        for row in found:
            if "buckets" in row:
                row["buckets"] = orjson.loads(row["buckets"])
        return found

    async def end_sessions() -> None:
        sqlite_time(path, 60)

    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="a")
    return Audited(lambda: SqliteSessionStore(path, settings), rows, end_sessions)


async def test_what_happened_is_in_rows_and_added_up(audited: Audited) -> None:
    store = audited.store()
    for length in (0, 2):
        await store.append("s", [HELLO], expected_length=length, audit=FIRST)
        await store.append("s", [ANSWER], expected_length=length + 1, audit=LAST)
    await store.close()

    (session,) = await audited.rows("sessions")
    assert (session["tag"], session["user_id"], session["status"]) == ("agent", "mia", "completed")
    assert (session["turns"], session["tool_calls"], session["length"]) == (2, 2, 4)
    assert (session["provider_calls"], session["provider_errors"]) == (4, 2)
    assert (session["input_tokens"], session["output_tokens"], session["cost_usd"]) == (20, 10, 1.0)
    calls = await audited.rows("provider_calls")
    assert [(each["turn"], each["status"], each["fault"]) for each in calls] == [
        (turn, *how) for turn in (1, 2) for how in (("error", "overloaded"), ("success", ""))
    ]
    tools = await audited.rows("tool_calls")
    assert {(each["name"], each["handler"], each["arguments"]) for each in tools} == {
        ("look_up", "crm", '{"a": "\\u0000"}')
    }
    events = await audited.rows("runtime_events")
    assert [(each["turn"], each["kind"], each["detail"]) for each in events] == [
        (turn, *what)
        for turn in (1, 2)
        for what in (("turn_began", ""), ("turn_ended", "stop\ufffd"))
    ]
    (day,) = await audited.rows("daily_calls")
    assert (day["calls"], day["errors"], day["cost_usd"]) == (4, 2, 1.0)
    assert day["buckets"] == histogram([0, 20, 0, 20])
    (turns,) = await audited.rows("daily_turns")
    assert (turns["turns"], turns["errors"], turns["buckets"]) == (2, 0, histogram([40, 40]))


async def test_a_session_is_read_with_what_is_recorded_of_its_turns(audited: Audited) -> None:
    store = audited.store()
    blocked = RuntimeEvent("2026-03-01T12:00:00.750Z", EventKind.OUTPUT_BLOCKED, "max_length")
    ended = structs.replace(ENDED, at="2026-03-01T12:00:01.500Z")
    last = structs.replace(LAST, events=(blocked, ended))
    # What was said elsewhere is in no audit record: the turn of this session is the second.
    elsewhere = [Message("user", "hi"), Message("assistant", "hello", finish_reason="imported")]
    length = await store.append("s", [*elsewhere, HELLO], expected_length=0, audit=FIRST)
    length = await store.append("s", [ANSWER], expected_length=length, audit=last)
    failed = AuditTrail("error", turns=1, provider_calls=(FAILED,), events=(BEGAN,))
    await store.append("s", [HELLO], expected_length=length, audit=failed)
    found = await store.read("s")
    loaded = await store.load("s")
    await store.close()
    assert found
    assert found.session == loaded
    assert found.turns == {
        2: RecordedTurn(Usage(10, 5, 0, 0.5), 1500.0, 20.0, "max_length"),
        3: RecordedTurn(Usage(), 20.0, 20.0),
    }


async def test_recorded_turns_keep_their_numbers_when_messages_are_deleted(
    request: pytest.FixtureRequest, kept_kind: str
) -> None:
    policy = Retention(max_messages=2)
    async with bed_of(kept_kind, request, policy) as bed:
        for length in (0, 2, 4):
            await bed.store.append("s", [HELLO], expected_length=length, audit=FIRST)
            await bed.store.append("s", [ANSWER], expected_length=length + 1, audit=LAST)
        found = await bed.other.read("s")
    assert found
    assert (found.session.first, found.session.turns) == (4, 3)
    assert found.turns[3] == RecordedTurn(Usage(10, 5, 0, 0.5), 0.0, 20.0)


async def test_an_append_that_is_sent_again_leaves_its_audit_records_once(
    postgres: PostgresServer, connection: asyncpg.Connection
) -> None:
    proxy = Proxy(postgres.port)
    async with proxy.serving() as port:
        store = store_at(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        await store.append("s", [HELLO], expected_length=0, audit=FIRST)
        proxy.lose_answer = True
        await store.append("s", [ANSWER], expected_length=1, audit=LAST)
        await store.close()
    assert proxy.lost == 1
    assert await connection.fetchval("SELECT count(*) FROM omnia.provider_calls") == 2
    assert await connection.fetchval("SELECT sum(calls) FROM omnia.daily_calls") == 2
    assert await connection.fetchval("SELECT sum(turns) FROM omnia.daily_turns") == 1


async def test_turns_that_end_at_once_are_all_counted(audited: Audited) -> None:
    stores = [audited.store(), audited.store()]
    other = ProviderCall(AT, "fallback", "m-2", "success")
    audit = AuditTrail("completed", turns=1, turn_ms=1.0, provider_calls=(CALL, other))
    await stores[0].load("made")
    await asyncio.gather(
        *(
            stores[number % 2].append(f"{number}", [HELLO], expected_length=0, audit=audit)
            for number in range(40)
        )
    )
    for store in stores:
        await store.close()
    assert sum(row["turns"] for row in await audited.rows("daily_turns")) == 40
    assert sum(row["calls"] for row in await audited.rows("daily_calls")) == 80


async def test_a_pod_of_the_version_before_still_appends(
    postgres: PostgresServer, connection: asyncpg.Connection
) -> None:
    store = store_at(postgres.url)
    await store.append("s", [HELLO], expected_length=0, audit=FIRST)
    appended = await connection.fetchrow(
        "SELECT * FROM omnia.append('default', 'a', 's', '60 s', gen_random_uuid(), 1,"
        " ARRAY['assistant'], ARRAY[''], ARRAY[$1::bytea])",
        b'{"role":"assistant","content":"old"}',
    )
    session = await store.load("s")
    await store.close()
    assert tuple(appended) == (True, 2)
    assert session
    assert session.messages[1].content == "old"


async def test_a_session_that_ended_takes_its_audit_records_with_it(audited: Audited) -> None:
    store = audited.store()
    await store.append("s", [HELLO, ANSWER], expected_length=0, audit=LAST)
    await audited.end_sessions()
    await store.append("s", [HELLO], expected_length=0, audit=FIRST)
    await store.close()
    kinds = await audited.rows("runtime_events")
    assert [each["kind"] for each in kinds] == ["turn_began"]
    # what it cost was spent all the same
    assert sum(row["cost_usd"] for row in await audited.rows("daily_calls")) == 0.5


@pytest.mark.parametrize("text", ["a\0", "a\\0", "a\\\0", "\\\\", "0\0\0\\", "plain"])
def test_a_text_comes_back_from_the_form_in_which_it_is_kept(text: str) -> None:
    assert "\0" not in escape_nul(text)
    assert unescape_nul(escape_nul(text)) == text


def test_quantiles_are_within_the_bucket_of_the_true_one() -> None:
    times = [float(each) for each in range(1, 2001)]
    buckets = histogram(times)
    assert sum(buckets) == len(times)
    assert quantile(buckets, 0.5) == pytest.approx(1000, rel=0.05)
    assert quantile(buckets, 0.95) == pytest.approx(1900, rel=0.05)
    assert quantile(histogram([1e9]), 0.5) == BOUNDS[-1]
    assert quantile(histogram([]), 0.5) is None


async def test_what_a_name_has_cost_is_kept_once_with_the_session(
    postgres: PostgresServer, connection: asyncpg.Connection
) -> None:
    store = store_at(postgres.url)
    await store.append("s", [HELLO], expected_length=0, audit=AuditTrail(turns=1))
    call = ProviderCall("2026-11-29T10:00:00.000Z", "default", "m", "success", cost_usd=0.25)
    audit = AuditTrail(provider_calls=(call,))
    named = [
        await store.rename("s", name, expected_name="", audit=audit)
        # As when the first answer was lost; then as another pod that made a name too.
        for name in ("parcels", "parcels", "orders")
    ]
    await store.close()
    row = await connection.fetchrow("SELECT name, turns, cost_usd FROM omnia.sessions")
    assert named == [True, True, False]
    assert tuple(row) == ("parcels", 1, 0.5)
