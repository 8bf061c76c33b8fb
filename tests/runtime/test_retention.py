"""A long conversation of which the store keeps the last messages only."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import asyncpg  # type: ignore[import-untyped]
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from omnia_core.env import FacadeEnv
from omnia_core.sessions import Message, Session, SessionStore
from omnia_core.sessions.factory import open_sessions
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.postgres.migrations import migrate
from omnia_core.sessions.retention import Retention
from omnia_core.units import Duration
from omnia_facade.backend.events import TurnRequest
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.turns.interrupted_answers import InterruptedAnswerWriter
from omnia_facade.turns.relayed import RelayedTurn
from omnia_runtime.agent.context_window import ContextWindow, FittedMessages, fit_messages
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metered_store import MeteredSessionStore
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import AgentListener, DiscardingListener
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.summaries import Summaries
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn
from tests.core.session_beds import empty, mongo_client
from tests.runtime.program import LIMIT, Program
from tests.runtime.scripted import Heard, Mounted, ScriptedModel, says
from tests.runtime.servers import ChatServer, chunk, serving
from tests.runtime.test_sessions import nobody, stored
from tests.services import PostgresServer

Start = Callable[..., Program]

MOST = 6
ANSWERS = [chunk({"content": "ok"}), chunk({}, "stop")]
LABELS = {"agent": "agent", "namespace": "default"}


class Bed:
    """Turns of session s in this process, and a facade's way to its store."""

    def __init__(self, mounted: Mounted, kind: str, url: str, client: HTTPClient) -> None:
        self.registry = CollectorRegistry()
        metrics = RuntimeMetrics(self.registry, "agent", "default")
        name = "OMNIA_SESSION_PATH" if kind == "sqlite" else "OMNIA_SESSION_URL"
        variables = {"OMNIA_SESSION_TYPE": kind, name: url}
        env = mounted.env(OMNIA_RETENTION_MAX_MESSAGES=str(MOST), **variables)
        live = LiveConfiguration(Loader(env, client, ToolSources(client, lambda: None), metrics))
        self.store: SessionStore = MeteredSessionStore(
            open_sessions(env, metrics.retained), metrics
        )
        self.facade = FacadeEnv.parse({"OMNIA_AGENT_NAME": "agent", **variables})
        media = MediaLoader(mounted.folder)
        self.conversations = SessionTurns(live, self.store, media, metrics, RuntimeTracing())

    async def ask(self, text: str, listener: AgentListener | None = None) -> None:
        await self.conversations.run(
            UserTurn("s", text, (), {}, []), listener or DiscardingListener(), Caller()
        )

    async def stored(self) -> Session:
        session = await self.store.load("s")
        assert session
        return session

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {**LABELS, **labels}) or 0.0


@asynccontextmanager
async def bed_of(
    kind: str, request: pytest.FixtureRequest, mounted: Mounted, server: ChatServer
) -> AsyncIterator[Bed]:
    async with AsyncExitStack() as stack:
        if kind == "redis":
            url: str = request.getfixturevalue("redis_url")
            async with Redis.from_url(url) as redis:
                await redis.flushdb()
        elif kind == "sqlite":
            url = str(request.getfixturevalue("tmp_path") / "kept" / "sessions.db")
        elif kind == "mongodb":
            url = request.getfixturevalue("mongo").url
            async with mongo_client(url) as mongo:
                await mongo.drop_database("omnia")
        else:
            url = request.getfixturevalue("postgres").url
            connection = await asyncpg.connect(url)
            await empty(connection)
            await connection.close()
        model = await stack.enter_async_context(serving(server))
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        client = HTTPClient()
        stack.push_async_callback(client.close)
        bed = Bed(mounted, kind, url, client)
        stack.push_async_callback(bed.store.close)
        yield bed


def heard(server: ChatServer) -> list[str]:
    """What the model was sent last, without the system prompt."""
    return [each["content"] for each in server.bodies[-1]["messages"][1:]]


@pytest.mark.parametrize("kind", ["redis", "postgres", "sqlite", "mongodb"])
async def test_a_trimmed_conversation_goes_on_in_the_round_trips_of_any_other(
    kind: str, request: pytest.FixtureRequest, mounted: Mounted
) -> None:
    server = ChatServer(ANSWERS)
    async with bed_of(kind, request, mounted, server) as bed:
        for number in range(8):
            await bed.ask(f"{number}")
        assert heard(server) == ["4", "ok", "5", "ok", "6", "ok", "7"]
        name = "omnia_session_store_operations_total"
        loads = bed.counted(name, operation="load", status="success")
        appends = bed.counted(name, operation="append", status="success")
        assert (loads, appends) == (8, 16)

        # a turn that is cancelled
        server.hold, server.chunks = True, ANSWERS[:1]
        heard_it = Heard()
        asked = asyncio.create_task(bed.ask("8", heard_it))
        await asyncio.wait_for(heard_it.said.wait(), LIMIT)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        server.hold, server.chunks = False, ANSWERS
        session = await bed.stored()
        assert (session.first, session.length, len(session.messages)) == (12, 18, MOST)
        assert session.messages[-1].finish_reason == "cancelled"

        # a turn whose runtime dies, and what the facade keeps of it
        await bed.store.append("s", [Message("user", "9")], expected_length=18)
        store = InterruptedAnswerWriter(
            bed.facade, FacadeMetrics(CollectorRegistry(), agent="a", namespace="n").kept_answers
        )
        relayed = RelayedTurn()
        relayed.texts.append("half an ans")
        assert await store.store(TurnRequest("s", "9"), relayed)
        session = await bed.stored()
        assert [each.content for each in session.interrupted] == ["half an ans"]

        await bed.ask("10")
        assert heard(server)[-4:] == ["ok", "9", "half an ans", "10"]
        session = await bed.stored()
        assert [each.content for each in session.messages][-4:] == ["9", "half an ans", "10", "ok"]
        assert (session.length, session.interrupted) == (22, ())
        assert len(session.messages) <= MOST
        deleted = bed.counted("omnia_runtime_retention_messages_deleted_total", dry_run="false")
        assert deleted == session.first


def test_a_summary_counts_from_the_beginning_of_the_session() -> None:
    kept = [
        Message("user", "c"),
        Message("assistant", "C"),
        Message("summary", "a and b", covers=4),
        Message("user", "d"),
        Message("assistant", "D"),
        Message("user", "e"),
    ]
    window = ContextWindow(10_000)
    gone = fit_messages(kept, 0, window, first=4)
    assert (gone.summary, len(gone.messages)) == ("a and b", 5)
    part = fit_messages(kept, 0, window, first=2)
    assert (part.summary, [each.content for each in part.messages]) == ("a and b", ["d", "D", "e"])


async def test_a_summary_of_a_trimmed_session_covers_what_was_deleted_too() -> None:
    store = MemorySessionStore(Duration.parse("1h"), retention=Retention(max_messages=4))
    for length in range(0, 8, 2):
        said = [Message("user", f"{length}"), Message("assistant", "ok")]
        await store.append("s", said, expected_length=length)
    session = await store.load("s")
    assert session
    summaries = Summaries(store, nobody)
    wanted = FittedMessages((), wants_summary=range(2))
    model = ScriptedModel(says("notes"))
    summaries.start("s", model, wanted, [*session.messages], session.first)
    assert (await stored(store, 9))[-1] == Message("summary", "notes", covers=6)
    await summaries.close()
    session = await store.load("s")
    assert session
    assert (session.first, session.length) == (6, 9)


async def test_what_is_over_is_deleted_while_nobody_talks(
    mounted: Mounted, start: Start, postgres: PostgresServer
) -> None:
    connection = await asyncpg.connect(postgres.url)
    await empty(connection)
    await migrate(connection)
    await connection.execute(
        "INSERT INTO omnia.sessions (namespace, agent, id, expires_at, active_at) VALUES"
        " ('default', 'agent', 'old', now() + interval '1 day', now() - interval '9 days'),"
        " ('default', 'gone', 'theirs', now() - interval '1 day', now() - interval '9 days')"
    )
    start(
        OMNIA_SESSION_TYPE="postgres",
        OMNIA_SESSION_URL=postgres.url,
        OMNIA_SESSION_TTL="24h",
        OMNIA_RETENTION_DAYS="7",
    )
    async with asyncio.timeout(LIMIT):
        while await connection.fetchval("SELECT count(*) FROM omnia.sessions"):  # noqa: ASYNC110 - another program's
            await asyncio.sleep(0.02)
        await connection.close()
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{mounted.health_port}/metrics"
            name = 'omnia_runtime_retention_sessions_{}_total{{agent="agent",dry_run="false"'
            text = ""
            while f'{name.format("deleted")},namespace="default"}} 2.0' not in text:
                async with session.get(url) as response:
                    text = await response.text()
    assert f'{name.format("ended")},namespace="default"}} 2.0' in text
