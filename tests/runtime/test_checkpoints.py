"""What is left of an answer when its runtime dies."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from omnia_core.conversation.tools import ToolCall
from omnia_core.env import RuntimeEnv
from omnia_core.sessions import AuditTrail, Message, SessionStore, StoreUnavailable
from omnia_core.sessions.factory import open_sessions
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_runtime.turns.turn import UserTurn
from omnia_runtime.turns.turn_store import Checkpoints, TurnStore
from tests.runtime.program import LIMIT, Program, Stream, client, said
from tests.runtime.scripted import Mounted
from tests.runtime.servers import ChatServer, chunk, serving
from tests.services import MongoServer, PostgresServer

Start = Callable[..., Program]
TTL = Duration.parse("1h")


@pytest.fixture(params=["redis", "postgres", "sqlite", "mongodb"])
def kept_in(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The type of a session store, and its URL or path."""
    if request.param == "sqlite":
        return "sqlite", str(request.getfixturevalue("tmp_path") / "kept" / "sessions.db")
    if request.param == "redis":
        return "redis", str(request.getfixturevalue("redis_url"))
    name = "mongo" if request.param == "mongodb" else "postgres"
    server: MongoServer | PostgresServer = request.getfixturevalue(name)
    return request.param, server.url


async def test_a_turn_that_is_cancelled_says_what_its_session_is_called(
    mounted: Mounted, start: Start, kept_in: tuple[str, str]
) -> None:
    kind, url = kept_in
    name = "OMNIA_SESSION_PATH" if kind == "sqlite" else "OMNIA_SESSION_URL"
    sessions = {"OMNIA_SESSION_TYPE": kind, name: url, "OMNIA_SESSION_NAMING": "true"}
    server = ChatServer([chunk({"content": "Lost parcel"}), chunk({}, "stop")])
    async with serving(server) as model, asyncio.timeout(LIMIT):
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        start(**sessions)
        async with client(mounted) as stub:
            stream = Stream(stub)
            while (await stream.ask("hi", f"named-{kind}"))[-1].done.session_name != "Lost parcel":
                pass
            server.hold = True
            server.chunks = [chunk({"content": "one"}), chunk({"content": " two"})]
            await stream.send("again", f"named-{kind}")
            while (message := await stream.read()) is not None and not message.chunk.content:
                pass
            await stream.send(cancel=True)
            done = (await stream.turn())[-1].done
    assert (done.finish_reason, done.session_name) == ("cancelled", "Lost parcel")


async def test_after_a_runtime_was_killed_the_next_one_goes_on_from_what_it_had_said(
    mounted: Mounted, start: Start, kept_in: tuple[str, str]
) -> None:
    kind, url = kept_in
    name = "OMNIA_SESSION_PATH" if kind == "sqlite" else "OMNIA_SESSION_URL"
    sessions = {"OMNIA_SESSION_TYPE": kind, name: url}
    store = open_sessions(RuntimeEnv.parse(mounted.environment(**sessions)))
    server = ChatServer([chunk({"content": "Hel"}), chunk({"content": "lo wor"})], hold=True)
    async with serving(server) as model:
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        first = start(**sessions)
        async with client(mounted) as stub:
            stream = Stream(stub)
            await stream.send("hi", kind)
            await interrupted(store, kind, "Hello wor")
            # before the client goes: that would cancel the turn, which then stores its end
            first.process.kill()
            await first.end()

        server.hold = False
        server.chunks = [chunk({"content": "ld"}), chunk({}, "stop")]
        start(**sessions)
        async with client(mounted) as stub:
            assert said(await Stream(stub).ask("go on", kind)) == "ld"
    session = await store.load(kind)
    await store.close()
    asked = [each["content"] for each in server.bodies[-1]["messages"][1:]]
    assert asked == ["hi", "Hello wor", "go on"]
    assert session
    assert session.interrupted == ()
    assert [(each.content, each.finish_reason) for each in session.messages] == [
        ("hi", ""),
        ("Hello wor", "interrupted"),
        ("go on", ""),
        ("ld", "stop"),
    ]


async def interrupted(store: SessionStore, session_id: str, text: str) -> None:
    """Wait for the checkpoint of a text."""
    async with asyncio.timeout(LIMIT):
        while True:
            session = await store.load(session_id)
            if session and [each.content for each in session.interrupted] == [text]:
                return
            await asyncio.sleep(0.01)


class RecordingStore(MemorySessionStore):
    """Holds each checkpoint until it is let go, and may refuse it then."""

    def __init__(self) -> None:
        super().__init__(TTL)
        self.asked: asyncio.Queue[Sequence[Message]] = asyncio.Queue()
        self.let_go = asyncio.Event()
        self.refusing = False

    async def checkpoint(
        self,
        session_id: str,  # noqa: ARG002 - the port's
        messages: Sequence[Message],
        *,
        expected_length: int,  # noqa: ARG002 - the port's
    ) -> None:
        self.asked.put_nowait(messages)
        await self.let_go.wait()
        if self.refusing:
            raise StoreUnavailable("gone")


def turn() -> UserTurn:
    return UserTurn("s", "hi", (), {}, [])


async def test_a_turn_that_ends_within_the_period_stores_no_checkpoint() -> None:
    store = RecordingStore()
    checkpoints = Checkpoints(store, turn(), [], 0)
    for _ in range(1000):
        checkpoints.schedule()
    timer = checkpoints._timer
    checkpoints.end()
    assert timer
    assert timer.cancelled()
    assert store.asked.empty()


async def test_a_slow_store_holds_nothing_up_and_gets_what_is_newest_next() -> None:
    store, running = RecordingStore(), turn()
    checkpoints = Checkpoints(store, running, [], 0, period=0.001)
    async with asyncio.timeout(LIMIT):
        for word in ("a", "b", "c"):
            running.sent.append(word)
            checkpoints.schedule()
            if word == "a":
                assert [each.content for each in await store.asked.get()] == ["a"]
        assert store.asked.empty()
        store.let_go.set()
        assert [each.content for each in await store.asked.get()] == ["abc"]
    checkpoints.end()


async def test_a_checkpoint_that_fails_is_followed_by_the_next() -> None:
    store, running = RecordingStore(), turn()
    store.refusing = True
    store.let_go.set()
    checkpoints = Checkpoints(store, running, [], 0, period=0.001)
    async with asyncio.timeout(LIMIT):
        for _ in range(2):
            checkpoints.schedule()
            await store.asked.get()
    checkpoints.end()


async def test_a_checkpoint_has_the_tools_of_the_turn_and_closes_their_calls() -> None:
    store, running = RecordingStore(), turn()
    running.sent.append("let me see")
    calls = (ToolCall("1", "look"), ToolCall("2", "look"))
    transcript = [
        Message("user", "hi"),
        Message("assistant", "let me see", tool_calls=calls),
        Message("tool", "5", tool_call_id="1"),
    ]
    checkpoints = Checkpoints(store, running, transcript, 1, period=0.001)
    checkpoints.schedule()
    async with asyncio.timeout(LIMIT):
        kept = await store.asked.get()
    checkpoints.end()
    assert [(each.role, each.tool_call_id) for each in kept] == [
        ("assistant", ""),
        ("tool", "1"),
        ("tool", "2"),
        ("assistant", ""),
    ]
    assert kept[-1].finish_reason == "interrupted"
    assert all(each.created_at for each in kept)


class HeldStore(MemorySessionStore):
    """Stores nothing before it may."""

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        self.asked.set()
        await self.free.wait()
        return await super().append(
            session_id, messages, expected_length=expected_length, audit=audit
        )


@pytest.mark.parametrize("others", [0, 1])
async def test_a_turn_that_is_cancelled_while_its_message_is_stored_ends_if_it_began(
    others: int,
) -> None:
    store = HeldStore()
    begin = asyncio.create_task(TurnStore(store).begin("s", [Message("user", "hi")], 0))
    await store.asked.wait()
    begin.cancel()
    if others:
        await MemorySessionStore.append(store, "s", [Message("user", "first")], expected_length=0)
    store.free.set()
    with pytest.raises(asyncio.CancelledError):
        await begin
    session = await store.load("s")
    assert session
    assert [(each.content, each.finish_reason) for each in session.messages] == (
        [("first", "")] if others else [("hi", ""), ("", "cancelled")]
    )
