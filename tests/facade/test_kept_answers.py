"""Answers whose runtime dies: what is kept of them, and what the client is told."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv, SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message, Session, SessionStore
from omnia_core.sessions.factory import open_sessions
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import Done, TurnEvent, TurnRequest
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.turns.interrupted_answers import InterruptedAnswerWriter
from omnia_facade.turns.relayed import InterruptedAnswerOutcome, InterruptedAnswerStore, RelayedTurn
from omnia_facade.turns.runtime import RuntimeBackend
from tests.facade.conftest import Client, connected, running
from tests.facade.runtime_bed import RecordingListener, answer_of, client_of
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime
from tests.facade.scripted_runtime import serving as scripted
from tests.facade.test_admission import counted
from tests.facade.test_protocol_turns import answered
from tests.runtime.program import Program, client
from tests.runtime.scripted import Mounted
from tests.runtime.servers import chunk, serving
from tests.services import free_port

Start = Callable[..., tuple[Mounted, Program]]
SERIES = "omnia_facade_kept_answers_total"


class Model:
    """Says the beginning of an answer, a little more when it may, and never its end; later "on"."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.more = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        self.heard.append([each["content"] for each in body["messages"][1:]])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if len(self.heard) > 1:
            await self._say(response, chunk({"content": "on"}), chunk({}, "stop"))
            await response.write(b"data: [DONE]\n\n")
            return response
        await self._say(response, chunk({"content": "Hello "}), chunk({"content": "wor"}))
        await self.more.wait()
        await self._say(response, chunk({"content": "ld and"}))
        await self.gone.wait()
        return response

    async def _say(self, response: web.StreamResponse, *chunks: object) -> None:
        for each in chunks:
            await response.write(b"data: " + orjson.dumps(each) + b"\n\n")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a runtime, always on the same files and ports."""
    mounted = Mounted(tmp_path)
    programs: list[Program] = []

    def begin(model: str, **environment: str) -> tuple[Mounted, Program]:
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        programs.append(Program(mounted, **environment))
        return mounted, programs[-1]

    yield begin
    for program in programs:
        program.kill()


async def said(client: Client, text: str) -> str:
    """Read chunks until they are a text; return the session."""
    found, frame = "", {"session_id": ""}
    while found != text:
        frame = await client.receive()
        found += frame["content"]
    return str(frame["session_id"])


async def stored_by_the_runtime(store: SessionStore, session_id: str) -> None:
    """Wait for the runtime's own checkpoint."""
    async with asyncio.timeout(LIMIT):
        while True:
            session = await store.load(session_id)
            if session and session.interrupted:
                return
            await asyncio.sleep(0.02)


SERVERS = {
    SessionType.REDIS: "redis_url",
    SessionType.POSTGRES: "postgres",
    SessionType.MONGODB: "mongo",
}


@pytest.mark.covers("websocket.md#interrupted-answer-is-kept", "websocket.md#error-kept")
@pytest.mark.parametrize("kind", [*SERVERS, SessionType.SQLITE])
async def test_what_was_seen_of_a_killed_runtimes_answer_is_kept_once_and_continued(
    request: pytest.FixtureRequest, start: Start, kind: SessionType
) -> None:
    if kind is SessionType.SQLITE:
        url = str(request.getfixturevalue("tmp_path") / "kept" / "sessions.db")
    else:
        server = request.getfixturevalue(SERVERS[kind])
        url = server if isinstance(server, str) else server.url
    name = "OMNIA_SESSION_PATH" if kind is SessionType.SQLITE else "OMNIA_SESSION_URL"
    environment = {"OMNIA_SESSION_TYPE": str(kind), name: url}
    store = open_sessions(FacadeEnv.parse({"OMNIA_AGENT_NAME": "agent", **environment}))
    model = Model()
    async with serving(model) as at:
        mounted, runtime = start(at, **environment)
        async with (
            client(mounted),
            running(
                runtime_address=f"127.0.0.1:{mounted.grpc_port}",
                session_type=kind,
                session_url=SecretStr(url),
                session_path=url,
            ) as facade,
            connected(facade.ws) as talk,
        ):
            await talk.say("hi")
            session_id = await said(talk, "Hello wor")
            if kind is not SessionType.REDIS:
                await stored_by_the_runtime(store, session_id)
            model.more.set()
            await said(talk, "ld and")
            runtime.process.kill()
            (end,) = await talk.answer()
            kept = await store.load(session_id)
            assert await counted(facade, SERIES, outcome="stored") == 1
            await runtime.end()
            start(at, **environment)
            assert await answered(talk, "go on") == "on"
        model.gone.set()
    session = await store.load(session_id)
    await store.close()

    assert end["error"]["code"] == "AGENT_UNAVAILABLE"
    assert end["error"]["message"].endswith("; its answer so far is stored")
    assert end["error"]["details"]["kept"] is True
    assert kept
    assert [(each.content, each.finish_reason) for each in kept.interrupted] == [
        ("Hello world and", "interrupted")
    ]
    assert model.heard == [["hi"], ["hi", "Hello world and", "go on"]]
    assert session
    assert session.interrupted == ()
    assert [each.content for each in session.messages] == ["hi", "Hello world and", "go on", "on"]


@pytest.mark.covers("websocket.md#interrupted-answer-is-lost")
@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (SessionType.REDIS, "redis://user:secret@127.0.0.1:{port}/0"),
        (SessionType.POSTGRES, "redis://user:secret@of.another.store"),
    ],
)
async def test_an_answer_that_the_store_did_not_take_is_told_to_the_client(
    kind: SessionType, url: str
) -> None:
    async with (
        scripted(ScriptedRuntime()) as port,
        running(
            runtime_address=f"127.0.0.1:{port}",
            session_type=kind,
            session_url=SecretStr(url.format(port=free_port())),
        ) as facade,
        connected(facade.ws) as talk,
    ):
        await talk.say("die")
        lost = (await talk.answer())[-1]["error"]
        message = lost["message"]
        assert lost["details"]["kept"] is False
        assert message.endswith("send the message again; its answer so far is perhaps not stored")
        assert "secret" not in message
        assert await counted(facade, SERIES, outcome="failed") == 1
        # of an answer that had not begun there is nothing to say
        await talk.say("crash")
        assert "so far" not in (await talk.answer())[-1]["error"]["message"]


class Recording(InterruptedAnswerStore):
    """Remembers what it was asked to keep."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []

    async def store(self, request: TurnRequest, relayed: RelayedTurn) -> bool:
        self.kept.append((request.content, relayed.text))
        return True


async def test_a_cancelled_turn_that_the_runtime_does_not_end_is_kept_too() -> None:
    runtime, writer = ScriptedRuntime(knows_cancel=False), Recording()
    async with scripted(runtime) as port, asyncio.timeout(LIMIT):
        peer = client_of(port)
        connection = RuntimeBackend(peer, LIMIT, 0.01, writer).begin("s", Principal("mia"))

        def react(event: str | TurnEvent) -> None:
            if event == "far":
                connection.cancel()

        outcome = await connection.turn(TurnRequest("s", "slow"), RecordingListener(react))
        await peer.close()
    assert outcome == Done("so far", finish_reason="cancelled")
    assert writer.kept == [("slow", "so far")]


async def test_a_turn_that_ends_is_the_runtimes_alone_to_keep() -> None:
    writer = Recording()
    async with scripted(ScriptedRuntime()) as port, asyncio.timeout(LIMIT):
        peer = client_of(port)
        connection = RuntimeBackend(peer, LIMIT, LIMIT, writer).begin("s", Principal("mia"))
        for content in ("hi", "fail", "tools"):
            await answer_of(connection, TurnRequest("s", content))
        await peer.close()
    assert writer.kept == []


class Slow(MemorySessionStore):
    """A store that holds a session's first message, and answers when it may."""

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.asked, self.may = asyncio.Event(), asyncio.Event()
        self.fault: Exception | None = None
        self.closed = 0

    async def load(self, session_id: str) -> Session | None:
        self.asked.set()
        await self.may.wait()
        if self.fault:
            raise self.fault
        return await super().load(session_id)

    async def close(self) -> None:
        self.closed += 1
        if self.fault:
            raise self.fault


class Bed:
    """A keeper before a slow store, and an answer that it is given to keep."""

    def __init__(self, patience: float = LIMIT) -> None:
        env = FacadeEnv(
            agent_name="a", session_type=SessionType.REDIS, session_url=SecretStr("redis://x")
        )
        self.registry = CollectorRegistry()
        counters = FacadeMetrics(self.registry, agent="a", namespace="n").kept_answers
        self.store = Slow()
        self.writer = InterruptedAnswerWriter(
            env, counters, open_store=lambda _: self.store, wait_seconds=patience
        )

    async def keep(self) -> bool:
        relayed = RelayedTurn()
        relayed.texts.append("Hel")
        return await self.writer.store(TurnRequest("s", "hi"), relayed)

    async def interrupted(self) -> list[str]:
        session = await self.store.load("s")
        return [each.content for each in session.interrupted] if session else []

    def outcomes(self) -> dict[str, float]:
        labels = {"agent": "a", "namespace": "n"}
        values = {
            str(each): self.registry.get_sample_value(SERIES, {**labels, "outcome": str(each)})
            for each in InterruptedAnswerOutcome
        }
        return {name: value for name, value in values.items() if value}


async def test_a_write_goes_on_when_its_turn_is_cancelled_and_is_waited_for_at_the_end() -> None:
    async with asyncio.timeout(LIMIT):
        bed = Bed()
        await bed.store.append("s", [Message("user", "hi")], expected_length=0)
        turn = asyncio.create_task(bed.keep())
        await bed.store.asked.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        closing = asyncio.create_task(bed.writer.close())
        bed.store.may.set()
        await closing
        assert await bed.interrupted() == ["Hel"]
        assert bed.outcomes() == {"stored": 1}


async def test_a_store_that_is_slow_holds_the_error_up_for_a_moment_only() -> None:
    async with asyncio.timeout(LIMIT):
        bed = Bed(patience=0.01)
        await bed.store.append("s", [Message("user", "hi")], expected_length=0)
        assert not await bed.keep()
        bed.store.may.set()
        await bed.writer.close()
        assert await bed.interrupted() == ["Hel"]


async def test_connections_are_let_go_when_nothing_is_left_to_keep() -> None:
    async with asyncio.timeout(LIMIT):
        bed = Bed()
        await bed.store.append("s", [Message("user", "hi")], expected_length=0)
        turns = [asyncio.create_task(bed.keep()) for _ in range(3)]
        await bed.store.asked.wait()
        assert bed.store.closed == 0
        bed.store.may.set()
        assert await asyncio.gather(*turns) == [True] * 3
        assert bed.store.closed == 1
        assert bed.outcomes() == {"stored": 1, "present": 2}


async def test_whatever_happens_in_the_store_the_turn_is_told_of_it() -> None:
    async with asyncio.timeout(LIMIT):
        bed = Bed()
        bed.store.may.set()
        assert not await bed.keep()
        bed.store.fault = ValueError("a record that nobody can read")
        assert not await bed.keep()
        assert bed.outcomes() == {"failed": 2}


def test_a_keeper_without_the_url_of_its_store_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="OMNIA_SESSION_URL: missing"):
        InterruptedAnswerWriter(FacadeEnv(agent_name="a", session_type=SessionType.REDIS), {})
