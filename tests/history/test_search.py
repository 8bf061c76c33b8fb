"""The list of sessions, by what was said in them, over every database."""

import asyncio
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from aiohttp.test_utils import TestClient, TestServer

from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import Message, SessionSettings
from omnia_history.filters import PieceSize
from omnia_history.opening import open_database
from omnia_history.postgres import PostgresDatabase
from omnia_history.refusals import Refused
from omnia_history.routes import Routes
from omnia_history.sqlite import SqliteDatabase
from tests.history.history_bed import HOUR, api, database, file_in, get, ids, store_at
from tests.services import LIMIT, PostgresServer

CALL = ToolCall("c1", "find_shelf", '{"hidden": "argument"}')
SAID: dict[str, list[Message]] = {
    "plain": [Message("user", "Where is my Marmalade?"), Message("assistant", "On the roof.")],
    "quoted": [Message("user", 'She said "on\tthe\nroof" \\ maybe 100% of snake_case')],
    "nul": [Message("user", "before\0\0after, \\0 and \\u0000 in ÄRGER")],
    "tools": [
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", "a secret result", tool_call_id="c1"),
        Message("summary", "a hidden summary"),
    ],
    "empty": [Message("assistant", "")],
}


@pytest.fixture(scope="module")
def said(empty: str) -> str:
    """Return a database with a session for each of the above, the first one the oldest."""
    return asyncio.run(fill(empty))


async def fill(url: str) -> str:
    store = store_at(url, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    for session_id, messages in SAID.items():
        await store.append(session_id, messages, expected_length=0)
    await store.close()
    return url


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("marmalade", ["plain"]),
        ("ROOF", ["quoted", "plain"]),
        ("on the roof", ["plain"]),
        ("on\tthe\nroof", ["quoted"]),
        ('"on', ["quoted"]),
        ("\\", ["nul", "quoted"]),
        ("\\ maybe", ["quoted"]),
        ("100%", ["quoted"]),
        ("1%0", []),
        ("%", ["quoted"]),
        ("snake_case", ["quoted"]),
        ("snake-case", []),
        ("_", ["quoted"]),
        ("after", ["nul"]),
        ("\\0 and \\u0000", ["nul"]),
        ("Ärger", ["nul"]),
        ("n", ["nul", "quoted", "plain"]),
        ("content", []),
        ("user", []),
        ("tthe", []),
        ("find_shelf", []),
        ("hidden", []),
        ("secret", []),
    ],
)
async def test_sessions_are_found_by_what_was_said_and_by_nothing_else(
    said: str, text: str, found: list[str]
) -> None:
    async with api(said) as client:
        answer = await get(client, "sessions", q=text)
    assert [session_id for _, session_id in ids(answer)] == found
    assert answer["next"] is None


@pytest.mark.parametrize(
    "size", [PieceSize(1, 100), PieceSize(100, 1), PieceSize(2, 100), PieceSize(100, 4)]
)
async def test_a_search_goes_on_piece_by_piece_to_the_end(said: str, size: PieceSize) -> None:
    readable = open_database(said)
    application = Routes(readable, "default", None, size).application()
    found, pages, query = [], 0, {"q": "roof", "limit": "1"}
    async with TestClient(TestServer(application)) as client:
        while True:
            page = await get(client, "sessions", **query)
            found += [session_id for _, session_id in ids(page)]
            pages += 1
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    await readable.close()
    assert found == ["quoted", "plain"]
    assert pages > 2


async def test_a_search_is_one_filter_among_others(said: str) -> None:
    async with api(said) as client:
        assert ids(await get(client, "sessions", q="roof", agent="desk")) == []
        assert len(ids(await get(client, "sessions", q="roof", agent="shop", limit="1"))) == 1
        newest = (await get(client, "sessions", q="roof"))["sessions"][0]["begun_at"]
        assert ids(await get(client, "sessions", q="roof", to=newest)) == [("shop", "plain")]
        for text in ("x" * 201, "a\0b"):
            refused = await get(client, "sessions", q=text)
            assert (refused["error"], "200 characters" in refused["detail"]) == (
                "invalid_request",
                True,
            )


async def test_a_file_that_takes_too_long_is_told_and_left_alone(tmp_path: Path) -> None:
    url = await fill(file_in(tmp_path))
    readable = SqliteDatabase(url.removeprefix("sqlite://"), query_seconds=0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(Refused, match=r"within 0\.2 s: request less") as refused:
        await readable.fetch((endless, []))
    assert refused.value.reason == "timeout"
    async with asyncio.timeout(LIMIT):
        # The thread is free again as soon as the query is interrupted.
        while True:
            try:
                assert len(await readable.fetch(("SELECT key FROM omnia.sessions", []))) == 5
            except Refused:
                continue
            break
    await readable.close()


async def test_a_database_that_takes_too_long_is_told_and_left_alone(
    postgres: PostgresServer,
) -> None:
    said = await fill(await database(postgres, "late"))
    readable = PostgresDatabase(said, query_seconds=0.2)
    with pytest.raises(Refused, match=r"within 0\.2 s: request less") as refused:
        await readable.fetch(("SELECT pg_sleep(30)", []))
    assert refused.value.reason == "timeout"
    await readable.close()
    connection = await asyncpg.connect(said)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"
    async with asyncio.timeout(10):
        while await connection.fetchval(f"{asleep} AND state = 'active'"):  # noqa: ASYNC110 - PostgreSQL tells it in no other way
            await asyncio.sleep(0.01)
    await connection.close()
