"""The runtime handler over the real client and a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.env.shared import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import (
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import BackendConnection, Resume
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed
from omnia_facade.turns.relayed import MAX_TEXT
from omnia_facade.turns.runtime import RuntimeBackend
from tests.event_loop import pass_time
from tests.facade.runtime_bed import RecordingListener, answer_of, client_of
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving

USAGE = Usage(3, 2, cost_usd=0.0008)
# In seconds, which the tests let pass at once: a busy machine is not silent for so long.
SILENCE = 200.0


def connection_of(
    client: RuntimeClient, silence: float = LIMIT, cancel_seconds: float = LIMIT
) -> BackendConnection:
    return RuntimeBackend(client, silence, cancel_seconds).begin(
        "s", Principal("mia", user_id="0123456789abcdef")
    )


async def take(
    connection: BackendConnection, content: str, session_id: str = "s"
) -> list[str | TurnEvent | Done | Failed]:
    async with asyncio.timeout(LIMIT):
        return await answer_of(connection, TurnRequest(session_id, content))


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


Begin = Callable[..., object]


@pytest.fixture
async def port(stack: AsyncExitStack, runtime: ScriptedRuntime) -> int:
    return await stack.enter_async_context(serving(runtime))


@pytest.fixture(params=GrpcTransport)
async def client(request: pytest.FixtureRequest, stack: AsyncExitStack, port: int) -> RuntimeClient:
    client = client_of(port, transport=request.param)
    stack.push_async_callback(client.close)
    return client


SAID = ["you said ", "hi", Done("you said hi", USAGE)]


@pytest.mark.parametrize("hello", [True, False])
async def test_a_runtime_may_greet_or_not(
    runtime: ScriptedRuntime, client: RuntimeClient, hello: bool
) -> None:
    runtime.hello = hello

    assert await take(connection_of(client), "hi") == SAID


async def test_the_turns_of_a_session_share_one_stream(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    connection = connection_of(client)

    assert await take(connection, "hi") == SAID
    assert await take(connection, "hi") == SAID

    assert runtime.streams == 1


async def test_another_session_gets_another_stream(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    connection = connection_of(client)

    await take(connection, "hi", "one")
    await take(connection, "hi", "two")

    assert [sent["x-omnia-session-id"] for sent in runtime.metadata] == ["one", "two"]


async def test_a_runtime_that_ends_the_stream_after_each_turn_works_too(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    runtime.one_turn_per_stream = True
    connection = connection_of(client)

    for _ in range(5):
        assert await take(connection, "hi") == SAID

    assert runtime.streams == 5
    assert len(runtime.received) == 5


async def test_the_runtime_learns_who_asks_and_whether_tools_are_shown(
    runtime: ScriptedRuntime, port: int, stack: AsyncExitStack
) -> None:
    client = client_of(port, show_tools=True)
    stack.push_async_callback(client.close)

    await take(connection_of(client), "hi")

    sent = runtime.metadata[0]
    assert sent["x-omnia-agent-name"] == "a"
    assert sent["x-omnia-namespace"] == "n"
    assert sent["x-omnia-user-id"] == "0123456789abcdef"
    assert sent["omnia-show-tools"] == "true"


async def test_tools_that_the_runtime_executes_are_relayed(client: RuntimeClient) -> None:
    assert await take(connection_of(client), "tools") == [
        ToolCallEvent(ToolCall("s1", "look", '{"a":1}')),
        ToolResultEvent("s1", ToolResult('{"b":2}')),
        Done("looked", USAGE),
    ]


async def test_media_parts_reach_the_runtime(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    image = Part("image", media=Media("image/png", data="aGk="))
    request = TurnRequest("s", "ignored", (Part("text", "look"), image), {"k": "v"}, ("location",))

    events = await answer_of(connection_of(client), request)

    assert isinstance(events[-1], Done)
    sent = runtime.received[0]
    assert sent.content == "look"
    assert [part.type for part in sent.parts] == ["text", "image"]
    assert (sent.parts[1].media.mime_type, sent.parts[1].media.data) == ("image/png", "aGk=")
    assert sent.metadata == {"k": "v"}
    assert list(sent.consent_grants) == ["location"]


@pytest.mark.parametrize(
    ("content", "code", "part_of_message"),
    [
        ("fail", "PROVIDER_ERROR", "no model"),
        ("die", "AGENT_UNAVAILABLE", "send the message again"),
        ("vanish", "AGENT_UNAVAILABLE", "send the message again"),
        ("crash", "INTERNAL_ERROR", "failed while answering"),
    ],
)
async def test_a_turn_that_fails_says_so_and_the_next_one_works(
    client: RuntimeClient, content: str, code: str, part_of_message: str
) -> None:
    connection = connection_of(client)

    last = (await take(connection, content))[-1]

    assert isinstance(last, Failed)
    assert last.code == code
    assert part_of_message in last.message
    assert "secret" not in last.message
    assert await take(connection, "hi") == SAID


async def test_a_runtime_that_is_not_there_is_unavailable(unused_port: int) -> None:
    client = client_of(unused_port)

    (event,) = await take(connection_of(client), "hi")
    assert isinstance(event, Failed)
    assert event.code == "AGENT_UNAVAILABLE"
    assert "send the message again" in event.message
    with pytest.raises(RuntimeFailed, match="UNAVAILABLE"):
        await client.health()
    await client.close()


async def test_a_runtime_that_was_restarted_is_found_again(unused_port: int) -> None:
    client = client_of(unused_port)
    connection = connection_of(client)
    async with serving(ScriptedRuntime(), unused_port):
        assert await take(connection, "hi") == SAID
    await take(connection, "hi")

    async with serving(ScriptedRuntime(), unused_port), asyncio.timeout(LIMIT):
        while await take(connection, "hi") != SAID:
            pass
    await client.close()


async def test_a_silent_runtime_is_given_up(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    passing: list[asyncio.Task[None]] = []

    def react(event: str | TurnEvent) -> None:
        if event == "far":
            passing.append(asyncio.create_task(pass_time(SILENCE)))

    listener = RecordingListener(react)
    outcome = await connection_of(client, SILENCE).turn(TurnRequest("s", "slow"), listener)

    assert listener.received == ["so ", "far"]
    assert isinstance(outcome, Failed)
    assert f"said nothing for {SILENCE:g} s" in outcome.message
    async with asyncio.timeout(LIMIT):
        await runtime.stream_over.wait()


@pytest.mark.covers("websocket.md#longest-answer")
async def test_an_answer_without_end_is_said_up_to_the_limit_and_then_an_error(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    connection = connection_of(client)
    *said, outcome = await take(connection, f"flood 100000 {MAX_TEXT // 64}")
    assert said == ["x" * (MAX_TEXT // 64)] * 64
    assert isinstance(outcome, Failed)
    assert f"said more than {MAX_TEXT} characters in one answer" in outcome.message
    async with asyncio.timeout(LIMIT):
        await runtime.stream_over.wait()
    assert (await take(connection, "hello"))[-1] == Done("you said hello", USAGE)


async def test_waiting_for_the_client_or_for_its_socket_is_not_the_runtimes_silence(
    client: RuntimeClient,
) -> None:
    connection = connection_of(client, SILENCE)
    answers: list[asyncio.Task[None]] = []

    async def answer_late() -> None:
        await pass_time(2 * SILENCE)
        connection.send_tool_result(ClientToolResult("c1", '"here"'))

    def react(event: str | TurnEvent) -> None:
        if isinstance(event, ToolCallEvent):
            answers.append(asyncio.create_task(answer_late()))

    outcome = await connection.turn(TurnRequest("s", "ask"), RecordingListener(react))

    assert outcome == Done('"here"', USAGE)


class SlowListener(RecordingListener):
    """Accepts a piece of text, and the next only much later."""

    def send_text(self, text: str) -> bool:
        super().send_text(text)
        return False

    async def drain(self) -> None:
        await pass_time(2 * SILENCE)


async def test_waiting_for_a_slow_client_is_not_the_runtimes_silence(client: RuntimeClient) -> None:
    listener = SlowListener()
    outcome = await connection_of(client, SILENCE).turn(TurnRequest("s", "hi"), listener)

    assert [*listener.received, outcome] == SAID


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ClientToolResult("c1", '{"x":1}'), '{"x":1}'),
        (ClientToolResult("c1", rejection="no"), "no"),
    ],
)
async def test_a_client_tool_is_asked_for_and_answered(
    client: RuntimeClient, answer: ClientToolResult, told: str
) -> None:
    connection = connection_of(client)

    def react(event: str | TurnEvent) -> None:
        if isinstance(event, ToolCallEvent):
            connection.send_tool_result(answer)

    listener = RecordingListener(react)
    async with asyncio.timeout(LIMIT):
        outcome = await connection.turn(TurnRequest("s", "ask"), listener)

    located = ToolCall("c1", "locate", "{}")
    call = ToolCallEvent(located, True, "May I?", ("location",), '{"type":"object"}')
    assert [*listener.received, outcome] == [call, Done(told, USAGE)]


@pytest.mark.parametrize("knows_cancel", [True, False])
async def test_cancel_ends_the_turn_in_what_was_said(
    runtime: ScriptedRuntime, client: RuntimeClient, knows_cancel: bool
) -> None:
    runtime.knows_cancel = knows_cancel
    connection = connection_of(client, cancel_seconds=LIMIT if knows_cancel else 0.1)

    def react(text: str | TurnEvent) -> None:
        if text == "far":
            connection.cancel()

    async with asyncio.timeout(LIMIT):
        outcome = await connection.turn(TurnRequest("s", "slow"), RecordingListener(react))

    usage = USAGE if knows_cancel else None
    assert outcome == Done("so far", usage, "cancelled")
    assert await take(connection, "hi") == SAID
    assert runtime.streams == (1 if knows_cancel else 2)


async def test_cancel_before_the_turn_was_taken_up_cancels_it(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    connection = connection_of(client)
    await take(connection, "hi")

    connection.cancel()

    assert await take(connection, "hi") == [Done("", finish_reason="cancelled")]
    assert await take(connection, "hi") == SAID
    assert not any(message.cancel for message in runtime.received)


async def test_an_abandoned_turn_is_cancelled_at_the_runtime(
    runtime: ScriptedRuntime, client: RuntimeClient
) -> None:
    begun = asyncio.Event()
    listener = RecordingListener(lambda _: begun.set())
    connection = connection_of(client)
    turn = asyncio.create_task(answer_with(connection, listener))
    async with asyncio.timeout(LIMIT):
        await begun.wait()
        turn.cancel()
        await asyncio.wait({turn})
        assert turn.cancelled()
        await runtime.stream_over.wait()


async def answer_with(connection: BackendConnection, listener: RecordingListener) -> Done | Failed:
    return await connection.turn(TurnRequest("s", "slow"), listener)


@pytest.mark.parametrize(
    ("state", "resume"),
    [
        (None, Resume.RESUMABLE),
        (pb.RESUME_STATE_RESUMABLE, Resume.RESUMABLE),
        (pb.RESUME_STATE_NOT_FOUND, Resume.NOT_FOUND),
        (pb.RESUME_STATE_UNAVAILABLE, Resume.UNAVAILABLE),
        (pb.RESUME_STATE_UNSPECIFIED, Resume.UNAVAILABLE),
    ],
)
async def test_a_session_is_looked_up(
    runtime: ScriptedRuntime,
    client: RuntimeClient,
    state: "pb.ResumeState | None",
    resume: Resume,
) -> None:
    runtime.resume = state

    assert (await connection_of(client).probe("s")).resume is resume


async def test_a_session_cannot_be_looked_up_without_a_runtime(unused_port: int) -> None:
    client = client_of(unused_port)

    assert (await connection_of(client).probe("s")).resume is Resume.UNAVAILABLE
    await client.close()


@pytest.mark.parametrize("port", [0, 65_536])
def test_a_port_that_there_is_not_is_told_at_the_start(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"expected host:port, found 127.0.0.1:{port}"):
        client_of(port)
