"""What only the history in MongoDB has."""

import asyncio
import uuid
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message, SessionSettings
from omnia_history.filters import PIECE_SIZE, SessionFilter
from omnia_history.mongodb import MongoDatabase
from omnia_history.opening import open_database
from omnia_history.refusals import Refused
from tests.history.history_bed import ANSWER, HELLO, HOUR, api, audit, fill, get, ids, store_at
from tests.mongo_proxy import MongoProxy
from tests.services import MongoServer, free_port


async def test_the_history_sends_no_command_that_writes(mongo: MongoServer) -> None:
    name = f"history_{uuid.uuid4().hex[:8]}"
    await fill(mongo.url.replace("/omnia", f"/{name}"))
    proxy = MongoProxy(mongo.port)
    async with proxy.serving() as url, api(url.replace("/omnia", f"/{name}")) as client:
        for path in (
            *("sessions", "sessions?q=hello", "sessions/s2", "users", "users/mia/sessions"),
            *(f"sessions/s2/{kind}" for kind in ("messages", "events", "tool-calls")),
            *("aggregates", "aggregates?group_by=day"),
        ):
            assert "error" not in await get(client, path)
    assert set(proxy.commands) == {"find"}


async def test_users_are_found_without_a_look_at_the_sessions_of_others(
    mongo: MongoServer,
) -> None:
    name = f"history_{uuid.uuid4().hex[:8]}"
    url = mongo.url.replace("/omnia", f"/{name}")
    store = store_at(url, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    for number in range(6):
        user = Message("user", "hello", user_id=f"u{number}")
        await store.append(f"s{number}", [user], expected_length=0)
    await store.close()
    async with AsyncMongoClient[Any](url) as client:
        # The index of a user goes when the sessions of the user have gone.
        await client[name]["sessions"].delete_many({"user_id": {"$in": ["u4", "u5"]}})
        indexes = {
            (each, *(await client[name][each].index_information())[index]["key"])
            for each in ("sessions", "users")
            for index in await client[name][each].index_information()
        }
    proxy = MongoProxy(mongo.port)
    async with proxy.serving() as through, api(through.replace("/omnia", f"/{name}")) as client:
        page = await get(client, "users", limit="2")
        assert [each["id"] for each in page["users"]] == ["u3", "u2"]
        rest = await get(client, "users", limit="2", cursor=page["next"])
        assert [each["id"] for each in rest["users"]] == ["u1", "u0"]
        assert rest["next"] is None
        assert ids(await get(client, "users/u1/sessions")) == [("shop", "s1")]
    finds = [each for each in proxy.found if each["find"] in ("sessions", "users")]
    for find in finds:
        assert "user_id" in find["filter"] or find["limit"] == 3
    assert ("sessions", ("user_id", 1), ("begun_at", 1), ("_id", 1)) in indexes
    assert ("users", ("namespace", 1), ("last_seen", 1), ("user_id", 1)) in indexes
    assert ("users", ("user_id", 1)) in indexes


async def test_an_empty_or_absent_database_is_told(mongo: MongoServer) -> None:
    async with api(mongo.url.replace("/omnia", f"/h_{uuid.uuid4().hex[:8]}")) as client:
        said = await get(client, "sessions")
    assert "no agent has stored one yet" in said["detail"]
    async with api(f"mongodb://user:s3cret@127.0.0.1:{free_port()}/x") as client:
        said = await get(client, "sessions")
    assert said["detail"] == "the database cannot be reached: ServerSelectionTimeoutError"


async def test_a_database_that_takes_too_long_is_told_and_left_alone(mongo: MongoServer) -> None:
    name = f"history_{uuid.uuid4().hex[:8]}"
    await fill(mongo.url.replace("/omnia", f"/{name}"))
    proxy = MongoProxy(mongo.port)
    async with proxy.serving() as url:
        readable = MongoDatabase(url.replace("/omnia", f"/{name}"), query_seconds=1)
        await readable.sessions("default", SessionFilter())
        proxy.left = 0
        with pytest.raises(Refused, match=r"within 1 s: request less") as refused:
            await readable.search("default", SessionFilter(text="hello"), PIECE_SIZE)
        assert refused.value.reason == "timeout"
        await readable.close()


async def test_records_of_one_kind_come_in_pages(mongo: MongoServer) -> None:
    url = mongo.url.replace("/omnia", f"/history_{uuid.uuid4().hex[:8]}")
    store = store_at(url, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    for length in range(0, 6, 2):
        what = audit(f"p{length}", 0.25) if length != 2 else None
        await store.append("s", [HELLO, ANSWER], expected_length=length, audit=what)
        # Records are ordered by the millisecond in which they were written.
        await asyncio.sleep(0.002)
    await store.close()
    async with api(url) as client:
        found, query = list[str](), {"limit": "1"}
        for _ in range(2):
            page = await get(client, "sessions/s/provider-calls", **query)
            found += [item["provider"] for item in page["items"]]
            query["cursor"] = page["next"] or page["last"]
        assert found == ["p0", "p4"]
        last = await get(client, "sessions/s/provider-calls", **query)
        assert (last["items"], last["next"], last["last"]) == ([], None, query["cursor"])
        positions = await get(client, "sessions/s/messages", limit="3")
        more = await get(client, "sessions/s/messages", cursor=positions["next"])
        pages = positions["items"] + more["items"]
        assert [item["position"] for item in pages] == list(range(6))


async def test_messages_with_the_character_nul_are_shown_as_they_were(mongo: MongoServer) -> None:
    url = mongo.url.replace("/omnia", f"/history_{uuid.uuid4().hex[:8]}")
    store = store_at(url, SessionSettings(ttl=HOUR, namespace="default", agent="shop"))
    await store.append("s", [Message("user", "a\0b")], expected_length=0)
    await store.close()
    async with api(url) as client:
        (item,) = (await get(client, "sessions/s/messages"))["items"]
    assert item["message"]["content"] == "a\0b"


def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="expected mongodb://") as caught:
        open_database("mongodb://secret:x:y@h:port/db")
    assert "secret" not in caught.value.message
