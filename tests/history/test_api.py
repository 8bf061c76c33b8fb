"""The history API over the databases that have a history."""

import contextlib
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import asyncpg  # type: ignore[import-untyped]
import pytest
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from omnia_core.errors import ConfigurationError
from omnia_core.names import EvalOutcome
from omnia_core.sessions import AuditTrail, Message, SessionSettings
from omnia_core.sessions.audit import EventKind, RuntimeEvent
from omnia_core.sessions.retention import Retention
from omnia_history.filters import ALL_NAMESPACES
from omnia_history.opening import open_database
from omnia_history.refusals import Refused
from omnia_history.routes import Routes
from omnia_history.sql import SqlDatabase
from tests.core.session_beds import mongo_client, mongo_time, sqlite_time
from tests.history.history_bed import (
    ANSWER,
    AT,
    HELLO,
    HOUR,
    api,
    audit,
    database,
    file_in,
    get,
    ids,
    keep,
    result,
    store_at,
)
from tests.services import PostgresServer, free_port

COST = audit("default", 0.25)


async def test_sessions_are_listed_newest_first_and_filtered(filled: str) -> None:
    async with api(filled) as client:
        everything = await get(client, "sessions")
        assert ids(everything) == [
            ("sum", "call-1"),
            ("desk", "a\0 odd/id"),
            ("desk", "s1"),
            ("shop", "s2"),
            ("shop", "s1"),
        ]
        assert everything["next"] is None
        assert ids(await get(client, "sessions", agent="shop", status="error")) == [("shop", "s2")]
        assert ids(await get(client, "sessions", tag="function")) == [("sum", "call-1")]
        assert len(ids(await get(client, "sessions", user="mia"))) == 5
        assert ids(await get(client, "sessions", user="ben")) == []
        middle = everything["sessions"][2]["begun_at"]
        assert len(ids(await get(client, "sessions", **{"from": middle}))) == 3
        assert len(ids(await get(client, "sessions", to=middle))) == 2


async def test_pages_follow_each_other_without_gap_or_double(filled: str) -> None:
    async with api(filled) as client:
        found, query = [], {"limit": "2"}
        for _ in range(3):
            page = await get(client, "sessions", **query)
            found += ids(page)
            query["cursor"] = page["next"] or ""
        assert found == ids(await get(client, "sessions"))
        first = await get(client, "sessions/s2/messages", limit="1")
        second = await get(client, "sessions/s2/messages", limit="1", cursor=first["next"])
        both = [item["message"]["content"] for page in (first, second) for item in page["items"]]
        assert (both, second["next"]) == (["hello", "hi"], None)


async def test_sessions_are_found_by_a_part_of_their_names(own: str) -> None:
    store = store_at(own, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    names = {"s1": "Lost Parcel", "s2": "100% wool_socks", "s3": "", "s4": "parcels to Rome"}
    for session_id, name in names.items():
        await store.append(session_id, [HELLO, ANSWER], expected_length=0)
        await store.rename(session_id, name, expected_name="")
    await store.close()
    async with api(own) as client:
        listed = (await get(client, "sessions"))["sessions"]
        assert {each["id"]: each["name"] for each in listed} == names
        # A search finds names beside what was said.
        assert ids(await get(client, "sessions", q="PARCEL")) == [("shop", "s4"), ("shop", "s1")]
        assert len(ids(await get(client, "sessions", q="hello"))) == 4
        for part, found in (
            ("parcel", ["s4", "s1"]),
            ("PARCELS", ["s4"]),
            ("0% w", ["s2"]),
            ("l_s", ["s2"]),
            ("l%s", []),
            ("\\", []),
        ):
            answer = await get(client, "sessions", name=part)
            assert [each["id"] for each in answer["sessions"]] == found
            answer = await get(client, "sessions", name=part, q="hello", user="mia")
            assert [each["id"] for each in answer["sessions"]] == found
        assert (await get(client, "sessions/s1"))["name"] == "Lost Parcel"


@pytest.mark.covers("history.md#first-message")
async def test_sessions_have_the_first_words_of_their_users(own: str) -> None:
    settings = SessionSettings(ttl=HOUR, namespace="default", agent="shop")
    store = store_at(own, settings)
    said = {"s1": "Where is\r\nmy \0 parcel?", "s2": "ü" * 5000, "s3": ""}
    for session_id, content in said.items():
        await store.append(session_id, [Message("user", content), ANSWER], expected_length=0)
    await store.close()
    limited = structs.replace(settings, retention=Retention(max_messages=2))
    bounded = store_at(own, limited)
    for number in range(2):
        question = Message("user", f"question {number}")
        await bounded.append("s4", [question, ANSWER], expected_length=2 * number)
    await bounded.close()
    words = {"s1": "Where is my parcel?", "s2": "ü" * 80, "s3": None, "s4": None}
    async with api(own) as client:
        for path in ("sessions", "sessions?limit=4", "sessions?q=?", "sessions?q=ü"):
            for each in (await get(client, path))["sessions"]:
                assert each.get("first_message") == words[each["id"]]
        assert len((await get(client, "sessions"))["sessions"]) == 4
        assert ids(await get(client, "sessions?q=ü")) == [("shop", "s2")]
        assert (await get(client, "sessions/s1"))["first_message"] == words["s1"]
        assert "first_message" not in await get(client, "sessions/s4")


async def test_users_are_listed_by_their_last_use_with_their_sessions(own: str) -> None:
    store = store_at(own, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    other = store_at(own, SessionSettings(ttl=HOUR, namespace="default", agent="desk"))
    theirs = store_at(own, SessionSettings(ttl=HOUR, namespace="other", agent="shop"))
    users = ["mia", "ben", "a\0\\é/ odd", "", "zoe"]
    for number, user in enumerate(users):
        message = Message("user", "hello", user_id=user)
        for where in (store, other) if user == "mia" else (store,):
            await where.append(f"s{number}", [message], expected_length=0, audit=COST)
    await store.append("s0", [ANSWER], expected_length=1)
    await theirs.append("x", [Message("user", "hello", user_id="tom")], expected_length=0)
    for each in (store, other, theirs):
        await each.close()
    async with api(own) as client:
        listed = (await get(client, "users"))["users"]
        assert [each["id"] for each in listed] == ["mia", "zoe", "a\0\\é/ odd", "ben"]
        mia = listed[0]
        assert (mia["sessions"], mia["turns"], mia["cost_usd"]) == (2, 2, 0.5)
        assert mia["first_begun_at"] < mia["active_at"]
        found, query = list[str](), {"limit": "1"}
        for _ in range(4):
            page = await get(client, "users", **query)
            found += [each["id"] for each in page["users"]]
            query["cursor"] = page["next"] or ""
        assert found == [each["id"] for each in listed]
        assert query["cursor"] == ""
        (desk,) = (await get(client, "users", agent="desk"))["users"]
        assert (desk["id"], desk["sessions"]) == ("mia", 1)

        assert ids(await get(client, "users/mia/sessions")) == [("desk", "s0"), ("shop", "s0")]
        assert ids(await get(client, "users/mia/sessions", agent="shop")) == [("shop", "s0")]
        odd = await get(client, f"users/{quote(users[2], safe='')}/sessions")
        assert ids(odd) == [("shop", "s2")]
        assert await get(client, "users/tom/sessions") == {"sessions": [], "next": None}


async def test_a_session_shows_what_happened_in_it(filled: str) -> None:
    async with api(filled) as client:
        session = await get(client, "sessions/s2")
        assert (session["agent"], session["status"], session["cost_usd"]) == ("shop", "error", 0.5)
        assert (session["turns"], session["messages"], session["tool_calls"]) == (1, 2, 1)
        assert (await get(client, "sessions/s1"))["agent"] == "desk"
        assert (await get(client, "sessions/s1", agent="shop"))["cost_usd"] == 0.25
        assert (await get(client, "sessions/a%00%20odd%2Fid"))["cost_usd"] == 2.0
        (call,) = (await get(client, "sessions/s2/provider-calls"))["items"]
        assert (call["provider"], call["input_tokens"], call["turn"]) == ("default", 10, 1)
        assert call["first_word_ms"] == 412.5
        (tool,) = (await get(client, "sessions/s2/tool-calls"))["items"]
        assert (tool["name"], tool["handler"], tool["status"]) == ("look_up", "crm", "success")
        events = (await get(client, "sessions/s2/events"))["items"]
        assert [event["kind"] for event in events] == ["turn_began", "turn_ended"]
        results = await get(client, "sessions/s2/eval-results")
        assert (results["items"], results["next"]) == ([], None)


@pytest.mark.covers("history.md#turns", "history.md#turns-page", "history.md#turns-polled")
async def test_the_turns_of_a_session_have_everything_that_is_recorded_of_them(own: str) -> None:
    store = store_at(own, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    call, tool = (audit("default", 0.25).provider_calls, audit("default", 0.25).tool_calls)
    ended = {
        2: RuntimeEvent(AT, EventKind.TURN_ENDED, "stop"),
        3: RuntimeEvent(AT, EventKind.TURN_FAILED, "overloaded"),
    }
    began = RuntimeEvent(AT, EventKind.TURN_BEGAN)
    seed = [Message("user", "elsewhere"), Message("assistant", "said", finish_reason="imported")]
    length = 0
    for turn in (1, 2, 3, 4):
        asked = Message(
            "user",
            f"q{turn}",
            pack_version=f"{turn}.0.0",
            variant="candidate",
            variables={"plan": "gold"} if turn == 2 else None,
        )
        # The second turn begins with what the first one left behind.
        rest = [Message("assistant", "cut", finish_reason="interrupted")] if turn == 2 else []
        beginning = [*(seed if turn == 1 else rest), asked]
        length = await store.append(
            "s1",
            beginning,
            expected_length=length,
            audit=AuditTrail("active", turns=1, events=(began,)),
        )
        if turn in ended:
            answer = Message("assistant", f"a{turn}")
            done = AuditTrail(
                "completed", turn_ms=5.0, provider_calls=call, tool_calls=tool,
                events=(ended[turn],),
            )  # fmt: skip
            length = await store.append("s1", [answer], expected_length=length, audit=done)
    naming = AuditTrail(provider_calls=(structs.replace(call[0], attempt=0),))
    await store.rename("s1", "Named", expected_name="", audit=naming)
    await store.add_eval_results(
        [structs.replace(result("polite", EvalOutcome.PASSED, 1.0, turn=2), session="s1")]
    )
    await store.close()
    async with api(own) as client:
        first = await get(client, "sessions/s1/turns", limit="2")
        rest_of_it = await get(client, "sessions/s1/turns", limit="2", cursor=first["next"])
        polled = await get(client, "sessions/s1/turns", cursor=rest_of_it["last"])
        whole = await get(client, "sessions/s1/turns")
    items = first["items"] + rest_of_it["items"]
    assert whole["items"] == items
    assert (rest_of_it["next"], whole["next"]) == (None, None)
    said = [[item["message"]["content"] for item in each["messages"]] for each in items]
    assert [each["turn"] for each in items] == [0, 1, 2, 3, 4]
    assert said == [["elsewhere", "said"], ["q1", "cut"], ["q2", "a2"], ["q3", "a3"], ["q4"]]
    assert [each["finish_reason"] for each in items] == ["", "", "stop", "error", ""]
    assert [each["pack_version"] for each in items] == ["", "1.0.0", "2.0.0", "3.0.0", "4.0.0"]
    assert [each["variant"] for each in items[1:]] == ["candidate"] * 4
    assert [len(each["provider_calls"]) for each in items] == [0, 0, 1, 1, 1]
    assert [len(each["tool_calls"]) for each in items] == [0, 0, 1, 1, 0]
    assert [len(each["events"]) for each in items] == [0, 1, 2, 2, 1]
    assert [len(each["eval_results"]) for each in items] == [0, 0, 1, 0, 0]
    assert items[2]["began_at"] == items[2]["ended_at"] == AT
    assert [each["variables"] for each in items] == [None, None, {"plan": "gold"}, None, None]
    assert [each["first_word_ms"] for each in items] == [None, None, 412.5, 412.5, None]
    assert items[4]["ended_at"] is None
    # The fourth turn runs: whoever asks again gets it again.
    assert [each["turn"] for each in polled["items"]] == [4]
    assert polled["last"] == rest_of_it["last"]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("ALTER TABLE omnia.provider_calls DROP COLUMN first_word_ms", id="postgres"),
        pytest.param(
            "ALTER TABLE provider_calls DROP COLUMN first_word_ms; PRAGMA user_version = 6",
            id="sqlite",
        ),
    ],
)
async def test_a_history_reads_what_no_agent_of_its_version_has_migrated(
    before: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if "user_version" in before:
        url = file_in(tmp_path)
    else:
        url = await database(request.getfixturevalue("postgres"), "older")
    await keep(url, "shop", "s1", audit("default", 0.25))
    if "user_version" in before:
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite://"))) as connection:
            connection.executescript(before)
    else:
        connected = await asyncpg.connect(url)
        await connected.execute(before)
        await connected.close()
    async with api(url) as client:
        (call,) = (await get(client, "sessions/s1/provider-calls"))["items"]
        (turn,) = (await get(client, "sessions/s1/turns"))["items"]
    assert (call["first_word_ms"], call["duration_ms"]) == (None, 600)
    assert turn["provider_calls"] == [call]


@pytest.mark.covers("history.md#turns-limit")
@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=%22", "q=a"])
async def test_turns_are_read_a_hundred_at_a_time(filled: str, query: str) -> None:
    async with api(filled) as client:
        assert (await client.get(f"/api/v1/sessions/s2/turns?{query}")).status == 400
        assert (await client.get("/api/v1/sessions/none/turns")).status == 404
        read = await get(client, "sessions/s2/turns")
        assert (await get(client, "sessions/s2/turns", cursor=read["last"]))["items"] == []
        highest = await client.get("/api/v1/sessions/s2/turns?limit=100&cursor=OTk5OTk5OTk5OTk5")
        assert (await highest.json())["items"] == []


@pytest.mark.covers("history.md#sums")
async def test_a_list_tells_what_all_of_its_pages_add_up_to(filled: str) -> None:
    async with api(filled) as client:
        one = await get(client, "sessions", sums="true", limit="1")
        page = await get(client, "sessions", sums="true", limit="1", cursor=one["next"])
        shop = await get(client, "sessions", sums="true", agent="shop")
        none = await get(client, "sessions", sums="true", user="ben")
        searched = await get(client, "sessions", sums="true", q="hello")
        assert (await client.get("/api/v1/sessions?sums=yes")).status == 400
    tokens = {"output_tokens": 0, "cached_tokens": 0}
    assert one["sums"] == {"sessions": 5, "turns": 5, "input_tokens": 50, "cost_usd": 7.75} | tokens
    assert page["sums"] == one["sums"]
    assert (
        shop["sums"] == {"sessions": 2, "turns": 2, "input_tokens": 20, "cost_usd": 0.75} | tokens
    )
    assert none["sums"] == {"sessions": 0, "turns": 0, "input_tokens": 0, "cost_usd": 0.0} | tokens
    assert "sums" not in searched


async def test_a_session_shows_what_evaluations_found(filled: str) -> None:
    async with api(filled) as client:
        first = await get(client, "sessions/s1/eval-results", agent="shop", limit="2")
        query = {"agent": "shop", "cursor": first["next"]}
        rest = await get(client, "sessions/s1/eval-results", **query)
        found = first["items"] + rest["items"]
        (away,) = (await get(client, "sessions/s1/eval-results", agent="desk"))["items"]
    assert [(each["turn"], each["evaluation"], each["score"]) for each in found] == [
        (1, "polite", 1.0),
        (2, "polite", 0.25),
        (1, "long", 0.5),
    ]
    assert found[0]["at"] == "2026-03-01T12:00:00Z"
    assert (away["outcome"], away["score"], away["error"]) == ("error", None, "the judge is away")
    assert {name: away[name] for name in ("type", "trigger", "source", "judge_model")} == {
        "type": "llm_judge",
        "trigger": "every_turn",
        "source": "worker",
        "judge_model": "m-2",
    }


async def test_results_add_up_by_evaluation_and_variant(filled: str) -> None:
    async with api(filled) as client:
        by_eval = await get(client, "evals/summary")
        split = await get(client, "evals/summary", by="eval,variant", agent="shop")
        since = {"since": "2026-03-01T12:00:00Z", "by": "agent"}
        by_agent = await get(client, "evals/summary", **since)
        later = await get(client, "evals/summary", since="2026-03-01T12:00:01Z")
        assert later["groups"] == []
        assert (await get(client, "evals/summary", since="1h"))["groups"] == []
        wrong = await get(client, "evals/summary", by="eval,colour")
        assert wrong["error"] == "invalid_request"
        assert "eval,colour" in wrong["detail"]
    assert by_eval["groups"] == [
        {
            "eval": "long",
            "results": 1,
            "passed": 0,
            "failed": 0,
            "scored": 1,
            "skipped": 0,
            "errors": 0,
            "pass_rate": None,
            "mean_score": 0.5,
            "cost_usd": 0.125,
        },
        {
            "eval": "polite",
            "results": 3,
            "passed": 1,
            "failed": 1,
            "scored": 0,
            "skipped": 0,
            "errors": 1,
            "pass_rate": 0.5,
            "mean_score": 0.625,
            "cost_usd": 0.375,
        },
    ]
    assert [(each["eval"], each["variant"], each["results"]) for each in split["groups"]] == [
        ("long", "canary", 1),
        ("polite", "", 2),
    ]
    assert [(each["agent"], each["results"]) for each in by_agent["groups"]] == [
        ("desk", 1),
        ("shop", 3),
    ]


@pytest.mark.parametrize(
    ("group_by", "costs"),
    [
        ("agent", {"desk": 3.0, "shop": 0.75, "sum": 4.0}),
        ("provider", {"default": 6.75, "fallback": 1.0}),
        ("model", {"m-1": 7.75}),
    ],
)
async def test_costs_add_up_by_group(filled: str, group_by: str, costs: dict[str, float]) -> None:
    async with api(filled) as client:
        answer = await get(client, "aggregates", group_by=group_by)
    found = {group["group"]: group["provider_calls"]["cost_usd"] for group in answer["groups"]}
    assert found == costs


async def test_turns_of_a_day_have_errors_and_latencies(filled: str) -> None:
    async with api(filled) as client:
        (day,) = (await get(client, "aggregates", group_by="day", agent="shop"))["groups"]
        assert (day["turns"]["count"], day["turns"]["errors"]) == (2, 1)
        assert 750 <= day["turns"]["latency_ms"]["p50"] <= day["turns"]["latency_ms"]["p95"] <= 1000
        assert await get(client, "aggregates", to="2020-01-01") == {
            "group_by": "agent",
            "groups": [],
        }


async def two_hours_ago(url: str) -> None:
    """Let two hours pass in a database."""
    if url.startswith("sqlite://"):
        sqlite_time(Path(url.removeprefix("sqlite://")), 7200)
        return
    if url.startswith("mongodb://"):
        async with mongo_client(url) as client:
            await mongo_time(client)(7200)
        return
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE omnia.sessions SET begun_at = begun_at - interval '2h',"
        " expires_at = expires_at - interval '2h', used_at = used_at - interval '2h',"
        " kept_until = kept_until - interval '2h'"
    )
    await connection.close()


async def test_a_session_that_ended_is_shown_while_it_is_kept(empty: str) -> None:
    policy, url = Retention(days=30, max_messages=2), empty
    store = store_at(
        url, SessionSettings(ttl=HOUR, namespace="default", agent="shop", retention=policy)
    )
    for length in (0, 2, 4):
        await store.append("s", [HELLO, ANSWER], expected_length=length)
    await two_hours_ago(url)
    await store.append("s", [HELLO], expected_length=0)
    await store.close()
    async with api(url) as client:
        live, ended = (await get(client, "sessions"))["sessions"]
        assert (live["ended"], live["messages"], live["messages_deleted"]) == (False, 1, 0)
        assert (ended["ended"], ended["messages"], ended["messages_deleted"]) == (True, 6, 4)
        until = datetime.fromisoformat(ended["kept_until"])
        kept = until - datetime.fromisoformat(ended["expires_at"])
        assert kept == timedelta(days=30) - timedelta(hours=1)
        assert await get(client, "sessions/s") == live
        assert await get(client, "sessions/s", begun_at=ended["begun_at"]) == ended
        answer = await get(client, "sessions/s/messages", begun_at=ended["begun_at"])
        assert [message["position"] for message in answer["items"]] == [4, 5]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("sessions?limit=0", 400, "from 1 to 500"),
        ("sessions?status=sad", 400, "expected one of active, completed"),
        ("sessions?agnet=shop", 400, "unknown parameter agnet"),
        ("sessions?cursor=abc", 400, "the `next` or `last` of a previous answer"),
        ("sessions?from=yesterday", 400, "RFC 3339"),
        ("sessions/s1?begun_at=yesterday", 400, "begun_at: expected a day or a time"),
        ("sessions?agent=%00", 400, "without the character NUL"),
        ("sessions/s1/events?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5", 400, "as an answer returned it"),
        ("sessions/nobody", 404, 'no session "nobody"'),
        ("sessions/theirs", 404, 'no session "theirs"'),
        ("aggregates?group_by=mood", 400, "expected one of agent"),
        ("moods", 404, "/api/v1/moods"),
    ],
)
async def test_what_cannot_be_answered_says_why(
    filled: str, path: str, status: int, says: str
) -> None:
    async with api(filled) as client, client.get(f"/api/v1/{path}") as response:
        assert response.status == status
        assert says in (await response.json())["detail"]


async def test_an_empty_or_absent_database_is_told(postgres: PostgresServer) -> None:
    async with (
        api(await database(postgres, "empty")) as client,
        client.get("/api/v1/sessions") as response,
    ):
        assert (response.status, (await response.json())["error"]) == (503, "unavailable")
    async with api(f"postgresql://x:s3cret@127.0.0.1:{free_port()}/x") as client:
        async with client.get("/api/v1/sessions") as response:
            said = await response.text()
        assert response.status == 503
        assert "s3cret" not in said
        async with client.get("/healthz") as response:
            assert response.status == 200
        async with client.get("/metrics") as response:
            assert response.status == 200
            assert 'omnia_build_info{component="history"' in await response.text()


async def test_a_file_that_no_agent_has_used_yet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    for exists in (False, True):
        if exists:
            path.touch()
        async with (
            api(f"sqlite://{path}") as client,
            client.get("/api/v1/sessions") as response,
        ):
            assert response.status == 503
            assert "no agent has stored one yet" in (await response.json())["detail"]
    path.write_text("no database " * 100)
    async with api(f"sqlite://{path}") as client, client.get("/api/v1/sessions") as response:
        assert (await response.json())["detail"] == (
            "the file of the sessions cannot be read: SQLITE_NOTADB: it is not an SQLite file"
        )


@pytest.mark.parametrize("filled", ["postgres", "sqlite"], indirect=True)
async def test_nothing_can_be_written(filled: str) -> None:
    readable = open_database(filled)
    assert isinstance(readable, SqlDatabase)
    with pytest.raises(Refused, match=r"ReadOnly|SQLITE_READONLY"):
        await readable.fetch(("DELETE FROM omnia.sessions RETURNING key", []))
    await readable.close()


async def test_every_namespace_is_shown_where_it_is_asked_for(filled: str) -> None:
    readable = open_database(filled)
    application = Routes(readable, ALL_NAMESPACES, None).application()
    async with TestClient(TestServer(application)) as client:
        found = ids(await get(client, "sessions"))
        assert (len(found), found[0]) == (6, ("shop", "theirs"))
        assert (await get(client, "sessions/theirs"))["cost_usd"] == 8.0
        assert len((await get(client, "aggregates"))["groups"]) == 3
    await readable.close()


@pytest.mark.covers("history.md#namespace")
async def test_of_every_namespace_one_is_asked_for(filled: str) -> None:
    readable = open_database(filled)
    application = Routes(readable, ALL_NAMESPACES, None).application()
    async with TestClient(TestServer(application)) as client:
        theirs = await get(client, "sessions", namespace="other", agent="shop", sums="true")
        assert ids(theirs) == [("shop", "theirs")]
        assert (theirs["sessions"][0]["namespace"], theirs["sums"]["cost_usd"]) == ("other", 8.0)
        assert ids(await get(client, "sessions", namespace="other", q="hello")) == ids(theirs)
        ours = await get(client, "sessions", namespace="default", agent="shop")
        assert ids(ours) == [("shop", "s2"), ("shop", "s1")]
        assert {each["namespace"] for each in ours["sessions"]} == {"default"}
        for path in ("sessions/theirs", "sessions/theirs/messages", "sessions/theirs/turns"):
            assert "error" not in await get(client, path, namespace="other")
            refused = await get(client, path, namespace="default")
            assert refused["error"] == "not_found"
            assert 'no session "theirs" in the namespace "default"' in refused["detail"]
        (user,) = (await get(client, "users", namespace="other"))["users"]
        assert user["sessions"] == 1
        assert len(ids(await get(client, "users/mia/sessions", namespace="other"))) == 1
        (sums,) = (await get(client, "aggregates", namespace="other"))["groups"]
        assert sums["provider_calls"]["cost_usd"] == 8.0
        (judged,) = (await get(client, "evals/summary", namespace="other"))["groups"]
        assert judged["results"] == 1
    await readable.close()


@pytest.mark.covers("history.md#namespace")
@pytest.mark.parametrize("other", ["other", ALL_NAMESPACES])
async def test_a_history_of_one_namespace_shows_no_other(filled: str, other: str) -> None:
    async with api(filled) as client:
        assert await get(client, "sessions", namespace="default") == await get(client, "sessions")
        for path in ("sessions", "sessions/s1", "sessions/s1/events", "users", "aggregates"):
            refused = await get(client, path, namespace=other)
            assert refused == {
                "error": "invalid_request",
                "detail": f'namespace: expected "default", whose history this is, found "{other}"',
            }


def test_only_databases_have_a_history() -> None:
    for url in ("redis://localhost", "sqlite://relative.db", "sessions.db"):
        with pytest.raises(ConfigurationError, match="in Redis or in memory have no history"):
            open_database(url)
