"""Voice calls over real sockets, to a real gRPC server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from omnia_core.names import Handler
from omnia_core.units import ByteSize, Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.timings import Timings
from tests.facade.conftest import Client, Running, connected, running
from tests.facade.omni_frames import pack, unpack
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving

SOON = Timings(cancel=0.1)


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime(audio=True, resume=pb.RESUME_STATE_RESUMABLE)


@pytest.fixture
async def agent(runtime: ScriptedRuntime) -> AsyncIterator[Running]:
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}",
            max_audio_sessions=2,
            media_rate=ByteSize(64 << 20),
            media_burst=ByteSize(64 << 20),
            timings=SOON,
        ) as facade,
    ):
        yield facade


Heard = tuple[str, Any]


class Caller(Client):
    """A client that also speaks and hears."""

    async def speak(self, data: bytes, sequence: int = 0, **options: Any) -> None:
        await self.socket.send(pack(data, sequence, **options))

    async def hear(self) -> Heard:
        """Return the type of a frame and what matters of it."""
        async with asyncio.timeout(LIMIT):
            data = await self.socket.recv()
        if isinstance(data, bytes):
            frame = unpack(data)
            return "binary", (frame.payload, frame.is_last)
        shown = orjson.loads(data)
        match shown["type"]:
            case "done":
                return "done", (shown["content"], shown["finish_reason"])
            case "error":
                return "error", shown["error"]["code"]
            case other:
                return other, shown.get(other) or shown.get("content")

    async def hear_until(self, *types: str) -> list[Heard]:
        heard = [await self.hear()]
        while heard[-1][0] not in types:
            heard.append(await self.hear())
        return heard


@contextlib.asynccontextmanager
async def calling(agent: Running, query: str = "binary=true") -> AsyncIterator[Caller]:
    async with connected(f"{agent.ws}?{query}") as client:
        yield Caller(client.socket)


def heard_by(runtime: ScriptedRuntime) -> list[tuple[bytes, int, bool]]:
    return [
        (each.audio_input.data, each.audio_input.sequence, each.audio_input.is_last)
        for each in runtime.received
        if each.HasField("audio_input")
    ]


@pytest.mark.covers("websocket.md#call", "websocket.md#call-last-frame")
async def test_a_call_carries_audio_both_ways_until_the_last_piece(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    async with calling(agent) as caller:
        await caller.speak(b"one", 0)
        await caller.speak(b"two", 1, last=True)
        heard = await caller.hear_until("done")
        await caller.say("and now in writing")
        answer = await caller.hear_until("done")

    assert heard == [
        ("binary", (b"one", False)),
        ("binary", (b"two", True)),
        ("done", ("bye", "stop")),
    ]
    assert answer[-1] == ("done", ("you said and now in writing", "stop"))
    start = runtime.received[0].duplex_start
    assert (start.codec, start.sample_rate, start.channels) == ("pcm", 16_000, 1)
    assert heard_by(runtime) == [(b"one", 0, False), (b"two", 1, True)]


async def test_the_first_piece_may_say_in_what_form_and_in_which_session(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    about: dict[str, Any] = {
        "codec": "opus",
        "sample_rate": 48_000,
        "channels": 2,
        "session_id": "old",
    }
    async with calling(agent) as caller:
        await caller.speak(b"x", last=True, **about)
        heard = await caller.hear_until("done")

    assert heard[0][0] == "connected"
    start = runtime.received[0].duplex_start
    assert (start.codec, start.sample_rate, start.channels) == ("opus", 48_000, 2)
    assert runtime.received[0].session_id == "old"


@pytest.mark.covers("websocket.md#session-config", "websocket.md#call-format")
async def test_what_the_runtime_asks_for_is_told_before_it_is_heard(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.offer = pb.MediaNegotiation(sample_rate=24_000)
    async with calling(agent) as caller:
        await caller.speak(b"x", last=True)
        first = await caller.hear()

    assert first == ("session_config", {"codec": "pcm", "sample_rate": 24_000, "channels": 1})


@pytest.mark.covers("websocket.md#unsatisfiable-format")
@pytest.mark.parametrize(
    ("offer", "about"),
    [
        (pb.MediaNegotiation(codec="opus"), {}),
        (pb.MediaNegotiation(sample_rate=1), {}),
        (None, {"channels": 0}),
        (None, {"codec": "a codec"}),
    ],
)
async def test_a_format_that_cannot_be_had_ends_the_call_and_not_the_connection(
    agent: Running,
    runtime: ScriptedRuntime,
    offer: pb.MediaNegotiation | None,
    about: dict[str, Any],
) -> None:
    runtime.offer = offer
    async with calling(agent) as caller:
        await caller.speak(b"x", last=True, **about)
        heard = await caller.hear()
        runtime.offer = None
        await caller.say("still here")
        answer = await caller.hear_until("done")

    assert heard == ("error", "UNSATISFIABLE_FORMAT")
    assert answer[-1][0] == "done"


@pytest.mark.covers("websocket.md#interrupt", "websocket.md#call-answers")
async def test_transcripts_and_interruptions_are_shown_and_an_answer_is_not_the_calls_end(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.call_script = "talk"
    async with calling(agent) as caller:
        await caller.speak(b"x")
        heard = await caller.hear_until("done")
        await caller.speak(b"y", 1, last=True)
        rest = await caller.hear_until("done")

    assert [each for each in heard if each[1] != (b"x", False)] == [
        ("chunk", "what is"),
        ("chunk", "It is "),
        ("binary", (b"hello", False)),
        ("interrupt", None),
        ("done", ("It is ", "stop")),
    ]
    assert rest[-1] == ("done", ("bye", "stop"))


@pytest.mark.covers("websocket.md#duplex-unsupported")
async def test_an_agent_without_audio_says_so_once_and_the_connection_stays(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.audio = False
    async with calling(agent) as caller:
        await caller.speak(b"x")
        refused = await caller.hear()
        for number in range(1, 5):
            await caller.speak(b"x", number)
        await caller.say("still here")
        answer = await caller.hear_until("done", "error")
        await caller.speak(b"again", 0)
        again = await caller.hear()

    assert refused == ("error", "DUPLEX_UNSUPPORTED")
    assert answer[-1][0] == "done"
    assert again == ("error", "DUPLEX_UNSUPPORTED")
    assert heard_by(runtime) == []


async def test_handlers_without_a_runtime_take_no_calls() -> None:
    async with running(handler_mode=Handler.ECHO) as facade, calling(facade) as caller:
        await caller.speak(b"x", last=True)
        assert await caller.hear() == ("error", "DUPLEX_UNSUPPORTED")


@pytest.mark.covers("websocket.md#call-hangup")
@pytest.mark.parametrize("ends", [True, False])
async def test_hanging_up_ends_the_call(
    agent: Running, runtime: ScriptedRuntime, ends: bool
) -> None:
    runtime.call_script = "echo" if ends else "linger"
    async with calling(agent) as caller:
        await caller.speak(b"x")
        await caller.hear_until("binary")
        await caller.send("hangup")
        heard = await caller.hear_until("done")

    assert heard[-1] == ("done", ("bye" if ends else "", "stop"))
    assert heard_by(runtime)[-1] == (b"", 1, True)


@pytest.mark.covers("websocket.md#call-cancel")
async def test_cancel_ends_the_call_too(agent: Running, runtime: ScriptedRuntime) -> None:
    async with calling(agent) as caller:
        await caller.speak(b"x")
        await caller.hear_until("binary")
        await caller.send("cancel")
        heard = await caller.hear_until("done")

    assert heard[-1] == ("done", ("", "cancelled"))
    assert runtime.received[-1].cancel


async def test_a_tool_of_the_client_is_asked_for_during_a_call(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.call_script = "ask"
    async with calling(agent) as caller:
        await caller.speak(b"x")
        await caller.hear_until("tool_call")
        await caller.send("tool_result", tool_result={"call_id": "c1", "result": "here"})
        heard = await caller.hear_until("chunk")

    assert heard[-1] == ("chunk", '"here"')


@pytest.mark.covers("websocket.md#duplex-error", "websocket.md#call-over")
@pytest.mark.parametrize(
    ("script", "code"),
    [("die", "AGENT_UNAVAILABLE"), ("leave", "DUPLEX_ERROR"), ("refuse", "DUPLEX_ERROR")],
)
async def test_a_call_that_breaks_off_is_an_error_and_the_next_one_works(
    agent: Running, runtime: ScriptedRuntime, script: str, code: str
) -> None:
    runtime.call_script = script
    async with calling(agent) as caller:
        await caller.speak(b"x")
        assert await caller.hear() == ("error", code)
        await caller.speak(b"late", 1)
        await caller.send("hangup")
        runtime.call_script = "echo"
        await caller.speak(b"again", 2, last=True)
        heard = await caller.hear_until("done", "error")

    assert heard == [("binary", (b"again", True)), ("done", ("bye", "stop"))]


@pytest.mark.covers("websocket.md#call-before-message", "websocket.md#call-after-message")
async def test_a_message_waits_for_the_call_and_a_call_does_not_wait_for_a_message(
    agent: Running,
) -> None:
    async with calling(agent) as caller:
        await caller.speak(b"x")
        await caller.say("later")
        await caller.speak(b"y", 1, last=True)
        heard = await caller.hear_until("done")
        answer = await caller.hear_until("done")
        await caller.say("slow")
        await caller.hear_until("chunk")
        await caller.speak(b"z", 0)
        await caller.speak(b"z", 1)
        await caller.send("cancel")
        refused = await caller.hear_until("done")

    assert [each for each in heard if each[0] == "chunk"] == []
    assert answer[-1] == ("done", ("you said later", "stop"))
    assert [each for each in refused if each[0] == "error"] == [("error", "RATE_LIMITED")]


@pytest.mark.covers("websocket.md#call-limit")
async def test_a_pod_holds_so_many_calls_and_no_more(agent: Running) -> None:
    async with calling(agent) as one, calling(agent) as two, calling(agent) as three:
        for caller in (one, two):
            await caller.speak(b"x")
            await caller.hear_until("binary")
        await three.speak(b"x", last=True)
        assert await three.hear() == ("error", "RATE_LIMITED")
        await one.speak(b"y", 1, last=True)
        await one.hear_until("done")
        await three.speak(b"x", last=True)
        assert (await three.hear_until("done", "error"))[-1][0] == "done"


@pytest.mark.covers("websocket.md#call-closing")
async def test_a_lost_connection_ends_its_call_at_the_runtime(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    async with calling(agent) as caller:
        await caller.speak(b"x")
        await caller.hear_until("binary")
    async with asyncio.timeout(LIMIT):
        await runtime.stream_over.wait()


@pytest.mark.covers("websocket.md#call-backpressure")
async def test_a_runtime_that_takes_no_audio_stops_the_client_and_is_given_up(
    runtime: ScriptedRuntime,
) -> None:
    runtime.call_script = "deaf"
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}",
            turn_timeout=Duration(700),
            media_burst=ByteSize(64 << 20),
        ) as facade,
        calling(facade) as caller,
    ):
        sent, stalled = 0, False
        while not stalled and sent < 192:
            try:
                await asyncio.wait_for(caller.speak(bytes(256 * 1024), sent), 0.3)
            except TimeoutError:
                stalled = True
            sent += 1
        assert stalled
        assert await caller.hear() == ("error", "DUPLEX_ERROR")


@pytest.mark.covers("websocket.md#binary-agreed", "websocket.md#binary-unreadable")
async def test_binary_frames_have_to_be_agreed_on(agent: Running) -> None:
    async with calling(agent, "") as caller:
        await caller.speak(b"x")
        assert await caller.hear() == ("error", "INVALID_MESSAGE")
    async with calling(agent) as caller:
        for unreadable in (b"\x00\x01", pack(b"x", flags=1)):
            await caller.socket.send(unreadable)
            assert await caller.hear() == ("error", "INVALID_MESSAGE")
        await caller.say("still here")
        assert (await caller.hear_until("done"))[-1][0] == "done"


@pytest.mark.covers("websocket.md#media-chunk")
async def test_media_of_a_turn_is_json_unless_binary_frames_were_agreed_on(
    agent: Running,
) -> None:
    async with calling(agent, "") as plain, calling(agent) as binary:
        for caller in (plain, binary):
            await caller.say("draw 3")
        written = await plain.hear_until("done")
        packed = await binary.hear_until("done")

    assert written[0][1]["data"] == "AAAA"
    assert packed[0] == ("binary", (bytes(3), True))


@pytest.mark.covers("websocket.md#binary-pieces")
async def test_large_media_of_a_turn_comes_in_pieces(agent: Running) -> None:
    async with calling(agent) as caller:
        await caller.say(f"draw {(1 << 20) + 1}")
        heard = await caller.hear_until("done")

    pieces = [payload for kind, payload in heard if kind == "binary"]
    assert len(pieces) == 17
    assert [last for _, last in pieces] == [*[False] * 16, True]
    assert sum(len(data) for data, _ in pieces) == (1 << 20) + 1
