"""What only sessions in MongoDB have."""

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from pymongo import AsyncMongoClient
from structlog.testing import capture_logs

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, ConfigurationError, OmniaError
from omnia_core.sessions import (
    AuditTrail,
    Message,
    Session,
    SessionConflict,
    SessionSettings,
    StoreUnavailable,
)
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.store import MongoSessionStore, MongoTimings
from omnia_core.sessions.recorded import RecordedSession, RecordedTurn
from omnia_core.sessions.retention import Retention
from omnia_core.sessions.store import WriteUnconfirmed
from omnia_core.units import Duration
from tests.core.session_beds import mongo_client, mongo_rows, mongo_time
from tests.loopback_proxy import Proxy
from tests.mongo_proxy import MongoProxy
from tests.services import LIMIT, MongoServer, free_port

TTL = Duration.parse("60s")
HELLO = Message(role="user", content="hello", pack_version="1.2.0", user_id="mia")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")
SUMMARY = Message(role="summary", content="they said hello", covers=2)
CALL = ProviderCall("2026-01-01T00:00:00Z", "default", "m-1", "success", cost_usd=0.5)
AUDIT = AuditTrail("completed", turns=1, turn_ms=12.5, provider_calls=(CALL,))
Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
async def client(mongo: MongoServer) -> AsyncIterator[Client]:
    """A client of a database that has nothing yet."""
    async with mongo_client(mongo.url) as made:
        await made.drop_database("omnia")
        yield made


@asynccontextmanager
async def store_at(
    url: str, *, retention: Retention | None = None, agent: str = "a", **timing: Any
) -> AsyncIterator[MongoSessionStore]:
    settings = SessionSettings(ttl=TTL, namespace="default", agent=agent, retention=retention)
    # The server of the tests takes one command after another.
    made = MongoSessionStore(url, settings, MongoTimings(**{"command_seconds": LIMIT} | timing))
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def own_mongo(mongo_program: Path, tmp_path: Path) -> Iterator[MongoServer]:
    """A server that the test may stop, on files."""
    server = MongoServer(mongo_program, "-sqlite", f"file:{tmp_path}/")
    server.start()
    yield server
    server.stop()


@pytest.mark.usefixtures("client")
async def test_of_eight_writers_one_appends_at_each_of_a_hundred_positions(
    mongo: MongoServer,
) -> None:
    async with store_at(mongo.url) as one, store_at(mongo.url) as other:

        async def append(writer: int, position: int) -> bool:
            message = Message("user", f"{writer}/{position}")
            try:
                await (one, other)[writer % 2].append("a", [message], expected_length=position)
            except SessionConflict:
                return False
            return True

        winners = []
        for position in range(100):
            won = await asyncio.gather(*(append(writer, position) for writer in range(8)))
            assert won.count(True) == 1
            winners.append(f"{won.index(True)}/{position}")
        session = await one.load("a")
    assert session
    assert [message.content for message in session.messages] == winners


@pytest.mark.usefixtures("client")
async def test_an_append_whose_answer_was_lost_is_sent_again_and_changes_nothing(
    mongo: MongoServer,
) -> None:
    proxy = MongoProxy(mongo.port)
    async with proxy.serving() as url, store_at(url) as store:
        await store.append("a", [HELLO], expected_length=0, audit=AUDIT)
        proxy.lose = {"insert": 1, "findAndModify": 1, "update": 1}
        assert await store.append("a", [ANSWER, HELLO], expected_length=1, audit=AUDIT) == 3
        session = await store.load("a")
    assert not any(proxy.lose.values())
    assert session == Session("a", (HELLO, ANSWER, HELLO))
    async with mongo_client(mongo.url) as client:
        assert [row["calls"] for row in await mongo_rows(client, "daily_calls")] == [2]
        assert [row["turns"] for row in await mongo_rows(client, "daily_turns")] == [2]
        assert [row["cost_usd"] for row in await mongo_rows(client, "sessions")] == [1.0]


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("expected", [0, 2])
async def test_a_writer_that_dies_at_any_point_leaves_all_of_an_append_or_nothing(
    client: Client, mongo: MongoServer, expected: int, *, arrives: bool
) -> None:
    """`arrives`: whether the command reaches the server after which the writer is gone."""
    for answered in range(20):
        await client.drop_database("omnia")
        proxy = MongoProxy(mongo.port)
        before = (HELLO, ANSWER)[:expected]
        async with (
            proxy.serving() as url,
            store_at(url, retention=Retention(max_messages=3)) as dying,
        ):
            if expected:
                await dying.append("a", before, expected_length=0, audit=AUDIT)
            else:
                await dying.load("a")
            proxy.left, proxy.last_arrives = answered, arrives
            write = asyncio.create_task(
                dying.append("a", [HELLO, ANSWER], expected_length=expected, audit=AUDIT)
            )
            dead = asyncio.create_task(proxy.exhausted.wait())
            async with asyncio.timeout(LIMIT):
                await asyncio.wait({write, dead}, return_when=asyncio.FIRST_COMPLETED)
            survived = not proxy.exhausted.is_set()
            for task in (write, dead):
                task.cancel()
            await asyncio.wait({write, dead})
        async with store_at(mongo.url, retention=Retention(max_messages=3)) as store:
            session = await store.load("a")
            length = session.length if session else 0
            assert length in (expected, expected + 2)
            assert not survived or length == expected + 2
            assert (
                await store.append("a", [HELLO], expected_length=length, audit=AUDIT) == length + 1
            )
            session = await store.load("a")
            assert session
            assert session.length == length + 1
            assert session.messages[-1] == HELLO
        assert len(await mongo_rows(client, "messages")) == len(session.messages)
        turns = 1 + int(expected > 0) + int(length > expected)
        (row,) = await mongo_rows(client, "sessions")
        assert (row["length"], row["turns"], row["provider_calls"]) == (length + 1, turns, turns)
        assert sum(each["turns"] for each in await mongo_rows(client, "daily_turns")) == turns
        assert sum(each["calls"] for each in await mongo_rows(client, "daily_calls")) == turns
        if survived:
            break
    assert survived
    assert answered > 4


@pytest.mark.usefixtures("client")
async def test_a_write_that_no_majority_confirms_is_said_and_may_be_kept(
    mongo: MongoServer,
) -> None:
    proxy = MongoProxy(mongo.port)
    unconfirmed = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"}
    async with proxy.serving() as url, store_at(url) as store:
        await store.append("a", [HELLO], expected_length=0)
        proxy.answers["insert"] = {"n": 1, "writeConcernError": unconfirmed, "ok": 1.0}
        with pytest.raises(WriteUnconfirmed, match="no majority"):
            await store.append("a", [ANSWER], expected_length=1)
        assert await store.load("a") == Session("a", (HELLO, ANSWER))
        assert await store.append("a", [HELLO], expected_length=2) == 3


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("command", ["insert", "findAndModify", "find", "update"])
async def test_a_server_that_is_no_longer_the_primary_is_asked_again(
    mongo: MongoServer, command: str
) -> None:
    proxy = MongoProxy(mongo.port)
    stepped_down = {"ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "no"}
    async with proxy.serving() as url, store_at(url) as store:
        await store.append("a", [HELLO], expected_length=0, audit=AUDIT)
        proxy.answers[command] = stepped_down
        assert await store.append("a", [ANSWER], expected_length=1, audit=AUDIT) == 2
        assert await store.load("a") == Session("a", (HELLO, ANSWER))
    assert not proxy.answers


@pytest.mark.usefixtures("client")
async def test_every_append_waits_for_a_majority(mongo: MongoServer) -> None:
    async with store_at(f"{mongo.url}?w=1") as store:
        await store.load("a")
        assert store._connection._bound.messages.write_concern.document["w"] == "majority"


async def test_a_server_that_was_killed_is_unavailable_and_then_used_again(
    own_mongo: MongoServer,
) -> None:
    async with store_at(own_mongo.url) as store:
        await store.append("a", [HELLO], expected_length=0)
        await store.checkpoint("a", [ANSWER], expected_length=1)
        await asyncio.to_thread(own_mongo.kill)
        with pytest.raises(StoreUnavailable):
            await store.append("a", [ANSWER], expected_length=1)
        with pytest.raises(StoreUnavailable):
            await store.load("a")
        await asyncio.to_thread(own_mongo.start)
        assert await store.load("a") == Session("a", (HELLO,), (ANSWER,))
        assert await store.append("a", [ANSWER], expected_length=1) == 2
        assert await store.load("a") == Session("a", (HELLO, ANSWER))


@pytest.mark.usefixtures("client")
async def test_a_server_that_falls_silent_is_given_up_and_used_when_it_speaks_again(
    mongo: MongoServer,
) -> None:
    proxy = Proxy(mongo.port)
    async with (
        proxy.serving() as port,
        store_at(f"mongodb://127.0.0.1:{port}/omnia", command_seconds=0.3) as store,
        store_at(mongo.url) as direct,
    ):
        await direct.append("a", [HELLO], expected_length=0)
        async with asyncio.timeout(LIMIT):
            while await loaded(store) is None:
                pass
        proxy.silent = True
        async with asyncio.timeout(LIMIT):
            with pytest.raises(StoreUnavailable, match=r"Timeout"):
                await store.append("a", [ANSWER], expected_length=1)
        proxy.silent = False
        async with asyncio.timeout(LIMIT):
            while await loaded(store) is None:
                pass


async def loaded(store: MongoSessionStore) -> Session | None:
    try:
        return await store.load("a")
    except StoreUnavailable:
        return None


@pytest.mark.usefixtures("client")
async def test_an_append_that_is_too_large_for_a_document_is_refused_with_what_to_do(
    mongo: MongoServer,
) -> None:
    large = Message("user", "x" * documents.MAX_DOCUMENT_BYTES)
    async with store_at(mongo.url) as store:
        await store.append("a", [HELLO], expected_length=0)
        for write in (
            store.append("a", [large], expected_length=1),
            store.checkpoint("a", [large], expected_length=1),
        ):
            with pytest.raises(
                OmniaError, match=r"have 157\d{5} bytes.*at most 15728640"
            ) as caught:
                await write
            assert caught.value.code is Code.INVALID_ARGUMENT
        assert await store.append("a", [ANSWER], expected_length=1) == 2
        assert await store.load("a") == Session("a", (HELLO, ANSWER))


@pytest.mark.usefixtures("client")
async def test_a_number_that_is_too_large_for_a_document_is_refused(mongo: MongoServer) -> None:
    media = Media(url="https://host.example/a.png", size_bytes=1 << 64)
    large = Message("user", "see", parts=(Part("image", "", media),))
    async with store_at(mongo.url) as store:
        with pytest.raises(OmniaError, match="more than 64 bits") as caught:
            await store.append("a", [large], expected_length=0)
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert await store.load("a") is None
        assert await store.append("a", [HELLO], expected_length=0) == 1


async def test_many_pods_that_start_at_once_make_the_indexes_once(
    client: Client, mongo: MongoServer
) -> None:
    async def append(number: int) -> int:
        async with store_at(mongo.url) as store:
            return await store.append(str(number), [HELLO], expected_length=0)

    assert await asyncio.gather(*map(append, range(8))) == [1] * 8
    indexes = await client["omnia"]["sessions"].index_information()
    assert [name for name, index in indexes.items() if index.get("unique")] == ["open_1"]


async def test_what_an_analyst_asks_for_is_in_typed_documents(
    client: Client, mongo: MongoServer
) -> None:
    async with store_at(mongo.url) as store:
        await store.append("s", [HELLO, SUMMARY], expected_length=0, audit=AUDIT)
        await store.append("s", [ANSWER], expected_length=2, audit=AUDIT)
    database = client["omnia"]
    roles = await database["messages"].aggregate(
        [{"$unwind": "$messages"}, {"$group": {"_id": "$messages.role", "count": {"$sum": 1}}}]
    )
    assert {each["_id"]: each["count"] for each in await roles.to_list()} == {
        "user": 1,
        "summary": 1,
        "assistant": 1,
    }
    (call,) = (await mongo_rows(client, "provider_calls"))[:1]
    assert call["began_at"] == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert (call["turn"], call["model"], call["cost_usd"]) == (1, "m-1", 0.5)
    (summary,) = await database["summaries"].find().to_list()
    assert (summary["session_id"], summary["covers"], summary["content"]) == (
        "s",
        2,
        "they said hello",
    )
    (user,) = await database["users"].find().to_list()
    assert (user["namespace"], user["agent"], user["user_id"]) == ("default", "a", "mia")
    assert user["first_seen"] <= user["last_seen"]


async def test_messages_that_a_policy_deletes_are_gone_and_their_trail_stays(
    client: Client, mongo: MongoServer
) -> None:
    async with store_at(mongo.url, retention=Retention(max_messages=3)) as store:
        turns = [[HELLO, ANSWER], [SUMMARY, Message("user", "second"), ANSWER, HELLO, ANSWER]]
        length = 0
        for turn in turns:
            length = await store.append("s", turn, expected_length=length, audit=AUDIT)
        session = await store.load("s")
    assert session
    assert (session.first, session.length) == (5, 7)
    assert [row["content"] for row in await mongo_rows(client, "messages")] == ["hello", "hi"]
    assert len(await mongo_rows(client, "provider_calls")) == 2
    assert await mongo_rows(client, "summaries") == []


async def test_of_a_session_that_is_deleted_nothing_stays_but_what_it_has_cost(
    client: Client, mongo: MongoServer
) -> None:
    async with store_at(mongo.url, sweep_seconds=0) as store:
        await store.append("s", [HELLO, SUMMARY], expected_length=0, audit=AUDIT)
        # One sweep runs at a time: the one of this append has nothing to do.
        assert store._worker.sweep.running
        await asyncio.wait({store._worker.sweep.running})
        await mongo_time(client)(60)
        past = dt.datetime.now(dt.UTC)
        await client["omnia"]["users"].update_many({}, {"$set": {"kept_until": past}})
        await store.append("other", [ANSWER], expected_length=0)
        assert store._worker.sweep.running
        await asyncio.wait({store._worker.sweep.running})
    left = {
        name: len(await client["omnia"][name].find().to_list())
        for name in ("sessions", "messages", "summaries", "users", "daily_calls")
    }
    assert left == {"sessions": 1, "messages": 1, "summaries": 0, "users": 0, "daily_calls": 1}


async def test_a_shorter_policy_reaches_the_users_too(client: Client, mongo: MongoServer) -> None:
    async with store_at(mongo.url, retention=Retention(days=30)) as store:
        await store.append("s", [HELLO], expected_length=0)
    async with store_at(mongo.url, retention=Retention(days=1)) as store:
        store.start()
        await asyncio.sleep(0)
        assert store._worker.sweep.running
        await asyncio.wait({store._worker.sweep.running})
    (user,) = await client["omnia"]["users"].find().to_list()
    kept = user["kept_until"] - user["last_seen"]
    assert dt.timedelta(days=1) <= kept < dt.timedelta(days=2)


async def test_an_error_and_the_log_show_nothing_of_the_address() -> None:
    url = f"mongodb://user:secret@127.0.0.1:{free_port()}/hidden"
    with capture_logs() as lines:
        async with store_at(url) as store:
            with pytest.raises(StoreUnavailable, match="ServerSelectionTimeoutError") as caught:
                await store.load("a")
    for text in (caught.value.message, str(lines)):
        assert "secret" not in text
        assert "hidden" not in text


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@x/db",
        "secret",
        "mongodb://secret:x:y@h:port/db",
        "mongodb:///secret",
        "mongodb://h/db?secret=1",
        "mongodb://h/db?authMechanism=secret",
    ],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected mongodb://") as caught:
        MongoSessionStore(url, SessionSettings(ttl=TTL, namespace="default", agent="a"))
    assert "secret" not in caught.value.message


def test_a_certificate_that_is_not_there_is_named_by_its_option() -> None:
    url = "mongodb://h/db?tls=true&tlsCAFile=/secret/ca.pem"
    with pytest.raises(ConfigurationError, match=r"tlsCAFile.*FileNotFoundError") as caught:
        MongoSessionStore(url, SessionSettings(ttl=TTL, namespace="default", agent="a"))
    assert "secret" not in caught.value.message


def test_the_database_is_that_of_the_url_or_omnia() -> None:
    settings = SessionSettings(ttl=TTL, namespace="default", agent="a")
    names = [
        MongoSessionStore(url, settings)._connection._bound.sessions.database.name
        for url in ("mongodb://h", "mongodb://h/", "mongodb://h/?w=1", "mongodb://h/own")
    ]
    assert names == ["omnia", "omnia", "omnia", "own"]


async def test_a_server_with_tls_is_believed_by_its_certificate(
    mongo_program: Path, tmp_path: Path
) -> None:
    certificate = _certificate()
    (tmp_path / "server.pem").write_bytes(b"".join(certificate))
    (tmp_path / "ca.pem").write_bytes(certificate[0])
    (tmp_path / "other.pem").write_bytes(_certificate()[0])
    (tmp_path / "data").mkdir()
    server = MongoServer(
        mongo_program,
        *("-sqlite", f"file:{tmp_path}/data/", "-certificate", str(tmp_path / "server.pem")),
        tls=True,
    )
    server.start()
    try:
        async with store_at(f"{server.url}&tlsCAFile={tmp_path}/ca.pem") as store:
            assert await store.append("a", [HELLO], expected_length=0) == 1
        async with store_at(f"{server.url}&tlsCAFile={tmp_path}/other.pem") as store:
            with pytest.raises(StoreUnavailable):
                await store.load("a")
    finally:
        server.stop()


def _certificate() -> tuple[bytes, bytes]:
    """Return a certificate for the loopback address that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mongo")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(pem), private


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("a\0\\0")
MESSAGES = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "tool", "summary"]),
    TEXT,
    parts=st.lists(
        st.builds(
            Part,
            st.sampled_from(["text", "image"]),
            TEXT,
            st.none() | st.builds(Media, url=TEXT, size_bytes=st.none() | st.integers(0, 2**60)),
        ),
        max_size=2,
    ).map(tuple),
    tool_calls=st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    is_error=st.booleans(),
    user_id=TEXT,
    covers=st.integers(0, 2**40),
)


@given(st.lists(MESSAGES, max_size=4))
def test_messages_come_back_from_their_documents(messages: list[Message]) -> None:
    import bson  # noqa: PLC0415 - of the driver

    encoded = documents.encode_messages(messages)
    stored = bson.decode(bson.encode(encoded))
    assert documents.decode_messages(stored) == messages
    assert b"\\u0000" not in msgspec.json.encode(encoded["messages"])


def test_a_session_is_recorded_with_the_trails_of_its_appends() -> None:
    """As a database is not needed for it: what appends with and without a trail come to."""
    time = documents.now()
    session = documents.new_session(documents.Owner("default", "a"), "s", time)
    began = AuditTrail(events=(RuntimeEvent("2026-01-01T00:00:00Z", EventKind.TURN_BEGAN),))
    appended = partial(documents.append_document, writer="w", time=time)
    plain = appended(session, [HELLO, ANSWER], None)
    session |= {"length": 2}
    first = appended(session, [HELLO], structs.replace(began, turns=1))
    session |= {"length": 3, "turns": 1}
    ended = RuntimeEvent("2026-01-01T00:00:02Z", EventKind.TURN_ENDED, "stop")
    last = appended(session, [ANSWER], structs.replace(AUDIT, turns=0, events=(ended,)))
    kept = Session("s", (HELLO, ANSWER, HELLO, ANSWER))
    found = documents.recorded(kept, [plain, first, last])
    turn = RecordedTurn(Usage(cost_usd=0.5), 2000.0, 0.0)
    assert found == RecordedSession(kept, {2: turn})
