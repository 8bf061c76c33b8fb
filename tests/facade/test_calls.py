"""A call as the runtime sees it: the dialogue over the real client and a real gRPC server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AUDIO_UNSUPPORTED, AudioQueue
from omnia_facade.backend.events import (
    AudioInput,
    CallRequest,
    Done,
    Failed,
    MediaChunk,
    SessionConfig,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import BackendConnection
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.turns.local import AnnouncedSessions, EchoBackend
from omnia_facade.turns.relayed import MAX_TEXT
from omnia_facade.turns.runtime import RuntimeBackend
from omnia_facade.turns.traced import TracedConnection
from tests.collector import Spans, http_collector
from tests.facade.runtime_bed import RecordingListener, answer_of, client_of
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving


def nothing(_what: object = None) -> None:
    """Nobody listens."""


def queue(*audio: AudioInput, limit: int = 1 << 20) -> AudioQueue:
    filled = AudioQueue(nothing, nothing, limit)
    for each in audio:
        filled.put(each)
    return filled


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime(audio=True)


@pytest.fixture(params=GrpcTransport)
async def client(
    request: pytest.FixtureRequest, runtime: ScriptedRuntime
) -> AsyncIterator[RuntimeClient]:
    async with serving(runtime) as port:
        client = client_of(port, transport=request.param)
        yield client
        await client.close()


def connection_of(client: RuntimeClient, silence: float = LIMIT) -> BackendConnection:
    return RuntimeBackend(client, silence, LIMIT).begin("s", Principal("mia", user_id="0123"))


async def take(
    connection: BackendConnection, audio: AudioQueue
) -> list[str | TurnEvent | Done | Failed]:
    listener = RecordingListener()
    async with asyncio.timeout(LIMIT):
        outcome = await connection.call(CallRequest("s"), audio, listener)
    return [*listener.received, outcome]


async def test_a_call_has_a_stream_of_its_own_that_ends_with_it(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    events = await take(
        connection_of(client), queue(AudioInput(b"x", 0), AudioInput(b"y", 1, is_last=True))
    )

    assert [each.data for each in events if isinstance(each, MediaChunk)] == [b"x", b"y"]
    assert isinstance(events[-1], Done)
    assert runtime.metadata[0]["x-omnia-user-id"] == "0123"
    async with asyncio.timeout(LIMIT):
        await runtime.stream_over.wait()


@pytest.mark.parametrize(("hello", "script"), [(True, "talk"), (False, "talk"), (False, "write")])
async def test_a_runtime_that_does_not_say_that_it_hears_is_not_spoken_to(
    runtime: ScriptedRuntime, client: RuntimeClient, hello: bool, script: str
) -> None:
    runtime.audio, runtime.hello, runtime.call_script = False, hello, script

    (event,) = await take(connection_of(client), queue(AudioInput(b"x", 0)))

    assert isinstance(event, Failed)
    assert event.code == "DUPLEX_UNSUPPORTED"
    assert not any(message.HasField("audio_input") for message in runtime.received)


async def test_a_call_in_which_nobody_says_anything_is_over(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    events = await take(connection_of(client, silence=0.1), queue())

    (event,) = events
    assert isinstance(event, Failed)
    assert "neither side said anything for 0.1 s" in event.message


@pytest.mark.parametrize("transport", GrpcTransport)
async def test_a_runtime_that_takes_nothing_is_given_up(transport: GrpcTransport) -> None:
    async with (
        asyncio.timeout(LIMIT),
        await asyncio.start_server(_takes_nothing, "127.0.0.1", 0) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        client = client_of(server.sockets[0].getsockname()[1], transport=transport)
        stack.push_async_callback(client.close)
        connection = connection_of(client, silence=0.1)
        # More than the window of a stream, and of what one of its connection has left after it.
        message = TurnRequest("s", "x" * 200_000)
        (turn,) = await answer_of(connection, message)
        (call,) = await take(connection, queue())

    assert isinstance(turn, Failed)
    assert turn.message.startswith("the agent said nothing for 0.1 s")
    assert isinstance(call, Failed)
    assert call.message.startswith("the agent did not take the call for 0.1 s")


async def _takes_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Agree to HTTP/2, and never let the other side send more than it may at first."""
    writer.write(bytes.fromhex("000000040000000000000000040100000000"))
    while await reader.read(65_536):
        pass
    writer.close()


async def test_a_call_that_was_cancelled_before_it_began_is_never_made(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    connection = connection_of(client)
    for stop in (connection.cancel, connection.hang_up):
        stop()
        assert await take(connection, queue()) == [Done("", finish_reason="cancelled")]
    assert runtime.streams == 0
    assert isinstance((await take(connection, queue(AudioInput(b"", 0, is_last=True))))[-1], Done)


async def test_a_call_is_one_span_that_says_how_it_ended() -> None:
    spans = Spans()
    with http_collector(spans) as endpoint:
        env = FacadeEnv(agent_name="a", tracing_enabled=True, tracing_endpoint=endpoint)
        tracer = configure_tracing(env, CollectorRegistry())
        inner = EchoBackend(AnnouncedSessions()).begin("s", Principal("mia"))
        assert await take(TracedConnection(inner, tracer, nothing, {}), queue()) == [
            AUDIO_UNSUPPORTED
        ]
        await asyncio.to_thread(tracer.close, LIMIT)
    span = spans.named("omnia.facade.call")["omnia.facade.call"]
    assert span.own["gen_ai.conversation.id"] == "s"
    assert span.own["error.type"] == "DUPLEX_UNSUPPORTED"


async def test_what_a_runtime_asks_for_is_told_in_a_turn_too(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    runtime.offer = pb.MediaNegotiation(codec="pcm", sample_rate=24_000, channels=1)
    connection = connection_of(client)

    turns = [
        await answer_of(connection, TurnRequest("s", "hi")),
        await answer_of(connection, TurnRequest("s", "hi")),
    ]

    assert turns[0][0] == SessionConfig("pcm", 24_000, 1)
    assert turns[0][1:] == turns[1]


async def test_a_queue_of_audio_says_when_it_is_full_and_when_there_is_room_again() -> None:
    room: list[bool] = []
    audio = AudioQueue(lambda: room.append(True), nothing, limit=200)
    audio.put(AudioInput(bytes(100), 0))
    assert not audio.full
    audio.put(AudioInput(bytes(100), 2**32 - 1))
    assert audio.full
    audio.end()
    audio.end()
    audio.put(AudioInput(b"too late", 9))

    taken = [await audio.take() for _ in range(3)]

    assert room == [True]
    assert [(len(each.data), each.sequence, each.is_last) for each in taken] == [
        (100, 0, False),
        (100, 2**32 - 1, False),
        (0, 0, True),
    ]


async def test_an_agent_that_talks_without_end_in_a_call_is_stopped(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    runtime.call_script = "flood"
    *said, outcome = await take(connection_of(client), queue())
    assert sum(len(text) for text in said if isinstance(text, str)) == MAX_TEXT
    assert isinstance(outcome, Failed)
    assert f"said more than {MAX_TEXT} characters" in outcome.message
