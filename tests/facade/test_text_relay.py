"""The text of an answer from the runtime's stream to the client's socket, and what holds it up."""

import asyncio
import contextlib
import gzip
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import Done, Failed, TurnEvent, TurnRequest
from omnia_facade.runtime_client.builtin import BuiltinStream
from omnia_facade.runtime_client.client import RuntimeStream
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.turns.failures import ENDED
from omnia_facade.turns.local import AnnouncedSessions, EchoBackend
from omnia_facade.turns.relayed import MAX_IN_A_ROW
from omnia_facade.turns.runtime import RuntimeBackend, RuntimeTurns
from omnia_facade.ws.inbound_limits import ConnectionLimits
from omnia_facade.ws.rounds import WriteCoalescer
from omnia_rpc.client import ClientCall
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.messages import GZIP, PREFIX_BYTES, with_prefix
from tests.facade.runtime_bed import RecordingListener
from tests.facade.scripted_runtime import LIMIT, chunk, done
from tests.facade.socket_bed import accepted, masked, rounds_of_the_loop

ROUNDS = 60
CHUNKS = 2000
TURNS = 3
HELLO = pb.ServerMessage(runtime_hello=pb.RuntimeHello(capabilities=["client_tools"]))


class Wire:
    """The stream below a call: it notes what is sent, and how much place is free again."""

    def __init__(self) -> None:
        self.sent: list[pb.ClientMessage] = []
        self.local_open = True
        self.ending = self.full = False
        self.freed = 0

    def send(self, data: bytes) -> None:
        self.sent.append(pb.ClientMessage.FromString(data[PREFIX_BYTES:]))

    def consumed(self, count: int) -> None:
        self.freed += count

    def reset(self, code: Http2ErrorCode) -> None:  # noqa: ARG002 - the stream's
        self.local_open = False


class OneCall:
    """A runtime with which each conversation has one call, played by hand."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.calls: list[ClientCall] = []

    @property
    def seen(self) -> list[str]:
        """What the runtime was sent: the messages' text, "cancel" for a cancel."""
        sent = [message for wire in self.wires for message in wire.sent]
        return ["cancel" if message.cancel else message.content for message in sent]

    def converse(self, session_id: str, caller: Principal) -> RuntimeStream:  # noqa: ARG002 - the port's
        call = ClientCall(lambda _: None, b"", 1 << 20, None)
        self.wires.append(Wire())
        self.calls.append(call)
        call._stream = cast("Any", self.wires[-1])
        return RuntimeStream(BuiltinStream(call), session_id)


def shown(frame: dict[str, Any]) -> tuple[str, ...]:
    """Return of a frame what the runtime decides."""
    match frame["type"]:
        case "done":
            return "done", frame["content"], frame["finish_reason"]
        case "chunk":
            return "chunk", frame["content"]
        case kind:
            return kind, frame[kind]["id"]


class Play:
    """Plays one script, which a seed decides, with everything at random but what is said.

    Attributes:
        expected: the frames that the client should get, as `shown` returns them.
    """

    def __init__(self, seed: int) -> None:
        self.script = random.Random(seed)  # noqa: S311 - a seed makes a failure the same again
        self.chance = random.Random(f"{seed} chance")  # noqa: S311 - likewise
        self.runtime = OneCall()
        client = cast("RuntimeClient", self.runtime)
        backend = RuntimeBackend(client, LIMIT, LIMIT)
        self.connection, self.socket = accepted(backend.begin("s", Principal("mia")))
        self.fed = 0
        self.expected: list[tuple[str, ...]] = []

    async def run(self) -> list[tuple[str, ...]]:
        """Return the frames that the client got."""
        for number in range(TURNS):
            self.connection.data_received(masked(type="message", content=f"message {number}"))
        for number in range(TURNS):
            await self.until(f"message {number}")
            await self.feed(self.answer(number), number)
        self.write_on()
        async with asyncio.timeout(LIMIT):
            while [each["type"] for each in self.socket.frames()].count("done") < TURNS:  # noqa: ASYNC110 - nobody announces them
                await asyncio.sleep(0)
        (wire,) = self.runtime.wires
        assert wire.freed == self.fed
        self.connection.connection_lost(None)
        return [shown(each) for each in self.socket.frames()[1:]]

    def expect(self, messages: Sequence[pb.ServerMessage]) -> None:
        """Note what the client should be sent of the messages of one turn."""
        said = ""
        for message in messages:
            match message.WhichOneof("message"):
                case "chunk" if message.chunk.content:
                    said += message.chunk.content
                    self.expected.append(("chunk", message.chunk.content))
                case "tool_call":
                    self.expected.append(("tool_call", message.tool_call.id))
                case "tool_result":
                    self.expected.append(("tool_result", message.tool_result.id))
                case "done":
                    content = message.done.final_content or said
                    self.expected.append(("done", content, message.done.finish_reason))
                case _:
                    pass

    def answer(self, number: int) -> list[pb.ServerMessage]:
        messages = [HELLO] if number == 0 else []
        for piece in range(self.script.randrange(40)):
            text = f"{number}.{piece} " * self.script.choice([1, 1, 1, 30])
            match self.script.randrange(8):
                case 0:
                    call = pb.ToolCall(id=f"{piece}", name="look", arguments_json="{}")
                    messages.append(pb.ServerMessage(tool_call=call))
                case 1:
                    result = pb.ToolResult(id=f"{piece}", result_json="1")
                    messages.append(pb.ServerMessage(tool_result=result))
                case 2:
                    messages.append(chunk(""))
                case _:
                    messages.append(chunk(text))
        return [*messages, done(self.script.choice(["", "all of it"]))]

    async def feed(self, messages: Sequence[pb.ServerMessage], number: int) -> None:
        """Have the messages come in any pieces; perhaps the client cancels after one of them."""
        cancelled_after = self.script.randrange(len(messages) * 2)
        if cancelled_after < len(messages) - 1:
            rest = [chunk("still on its way"), done("", "cancelled")]
            self.expect([*messages[:cancelled_after], *rest])
            await self.pieces(messages[:cancelled_after])
            self.connection.data_received(masked(type="cancel"))
            await self.until(f"message {number}", "cancel")
            messages = rest
        else:
            self.expect(messages)
        await self.pieces(messages)

    async def pieces(self, messages: Sequence[pb.ServerMessage]) -> None:
        body = b"".join(map(self.framed, messages))
        (call,) = self.runtime.calls
        call._received.encoding = GZIP
        while body:
            size = self.chance.choice([1, 3, 20, 200, 2000])
            call.on_data(body[:size])
            self.fed += len(body[:size])
            body = body[size:]
            match self.chance.randrange(6):
                case 0 if self.connection.unwritten is None:
                    self.connection.pause_writing()
                case 1:
                    self.write_on()
                case 2 | 3:
                    await rounds_of_the_loop(self.chance.randrange(5))
                case _:
                    pass

    def framed(self, message: pb.ServerMessage) -> bytes:
        data: bytes = message.SerializeToString()
        if self.chance.random() < 0.9:
            return with_prefix(data)
        compressed = gzip.compress(data)
        return b"\x01" + len(compressed).to_bytes(4, "big") + compressed

    async def until(self, *last: str) -> None:
        """Wait until this is the last that the runtime was sent."""
        async with asyncio.timeout(LIMIT):
            while tuple(self.runtime.seen[-len(last) :]) != last:
                self.write_on()
                await asyncio.sleep(0)

    def write_on(self) -> None:
        if self.connection.unwritten:
            self.connection.resume_writing()


async def test_a_client_gets_text_and_events_in_the_order_in_which_the_runtime_sends_them() -> None:
    for seed in range(ROUNDS):
        play = Play(seed)
        assert await play.run() == play.expected, seed


async def test_a_client_that_goes_away_at_any_moment_leaves_nothing_behind() -> None:
    for seed in range(ROUNDS):
        play = Play(seed)
        rounds = play.chance.randrange(40)
        playing = asyncio.create_task(play.run())
        await rounds_of_the_loop(rounds)
        written = bytes(play.socket.written)
        play.connection.connection_lost(None)
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        for call in play.runtime.calls:
            call.on_data(with_prefix(chunk("too late").SerializeToString()))
        await rounds_of_the_loop(10)

        assert all(call.done for call in play.runtime.calls), seed
        assert asyncio.all_tasks() == {asyncio.current_task()}, seed
        assert play.socket.written == written, seed


async def test_what_waited_for_a_client_lets_the_others_go_on_when_it_reads_again() -> None:
    runtime = OneCall()
    handler = RuntimeBackend(cast("RuntimeClient", runtime), LIMIT, LIMIT)
    connection, socket = accepted(handler.begin("s", Principal("mia")))
    connection.data_received(masked(type="message", content="one"))
    await rounds_of_the_loop(2)
    connection.pause_writing()
    say_back(runtime, *[chunk("word ")] * CHUNKS)
    await rounds_of_the_loop(2)
    connection.resume_writing()

    counts = [len(socket.frames())]
    async with asyncio.timeout(LIMIT):
        while counts[-1] <= CHUNKS:
            await asyncio.sleep(0)
            counts.append(len(socket.frames()))

    assert max(later - earlier for earlier, later in pairwise(counts)) <= 2 * MAX_IN_A_ROW
    connection.connection_lost(None)


async def begun(
    turns: RuntimeTurns, content: str, listener: RecordingListener | None = None
) -> list[str | TurnEvent | Done | Failed]:
    listener = listener or RecordingListener()
    outcome = await turns.run(TurnRequest("s", content), listener)
    return [*listener.received, outcome]


def turns_of(runtime: OneCall) -> RuntimeTurns:
    return RuntimeTurns(cast("RuntimeClient", runtime), Principal("mia"), LIMIT, LIMIT)


def say_back(runtime: OneCall, *messages: pb.ServerMessage) -> None:
    runtime.calls[-1].on_data(b"".join(with_prefix(each.SerializeToString()) for each in messages))


async def test_a_message_whose_answer_has_begun_is_not_sent_again() -> None:
    runtime = OneCall()
    turns = turns_of(runtime)
    first = asyncio.create_task(begun(turns, "one"))
    await rounds_of_the_loop(2)
    say_back(runtime, done("so"))
    await first

    second = asyncio.create_task(begun(turns, "two"))
    await rounds_of_the_loop(2)
    say_back(runtime, chunk("half an ans"))
    runtime.calls[-1].on_headers([("grpc-status", "0")], end=True)
    runtime.calls[-1].on_end()

    async with asyncio.timeout(LIMIT):
        assert await second == ["half an ans", ENDED]
    assert runtime.seen == ["one", "two"]


async def test_a_cancel_that_comes_with_the_end_of_its_turn_does_not_end_the_next() -> None:
    runtime = OneCall()
    handler = RuntimeBackend(cast("RuntimeClient", runtime), LIMIT, LIMIT)
    connection, _ = accepted(handler.begin("s", Principal("mia")))
    connection.data_received(masked(type="message", content="one"))
    connection.data_received(masked(type="message", content="two"))
    say_back(runtime, done("so"))
    connection.data_received(masked(type="cancel"))
    await rounds_of_the_loop(10)

    assert runtime.seen == ["one", "cancel", "two"]
    connection.connection_lost(None)


async def test_a_cancel_while_the_client_does_not_read_does_not_end_the_next() -> None:
    runtime = OneCall()
    backend = RuntimeBackend(cast("RuntimeClient", runtime), LIMIT, LIMIT)
    connection, socket = accepted(backend.begin("s", Principal("mia")))
    connection.data_received(masked(type="message", content="one"))
    connection.data_received(masked(type="message", content="two"))
    connection.pause_writing()
    say_back(runtime, done("so"))
    await rounds_of_the_loop(10)
    assert runtime.seen == ["one"]
    connection.data_received(masked(type="cancel"))
    connection.resume_writing()
    await rounds_of_the_loop(10)

    assert [shown(each) for each in socket.frames()[1:]] == [("done", "so", "stop")]
    assert runtime.seen[-1] == "two"
    connection.connection_lost(None)


async def test_a_client_that_does_not_read_is_sent_one_more_piece_and_the_rest_later() -> None:
    runtime = OneCall()
    backend = RuntimeBackend(cast("RuntimeClient", runtime), LIMIT, LIMIT)
    connection, socket = accepted(backend.begin("s", Principal("mia")))
    connection.data_received(masked(type="message", content="one"))
    await rounds_of_the_loop(2)
    connection.pause_writing()
    for piece in "abc":
        say_back(runtime, chunk(piece))
        await rounds_of_the_loop(10)
    assert [shown(each) for each in socket.frames()[1:]] == [("chunk", "a")]

    connection.resume_writing()
    say_back(runtime, done(""))
    await rounds_of_the_loop(10)
    assert [shown(each) for each in socket.frames()[1:]] == [
        *(("chunk", piece) for piece in "abc"),
        ("done", "abc", "stop"),
    ]
    connection.connection_lost(None)


async def test_a_turn_that_ends_at_once_does_not_hide_that_too_much_comes() -> None:
    echo = EchoBackend(AnnouncedSessions(10))
    connection, socket = accepted(
        echo.begin("s", Principal("mia")), ConnectionLimits(held_bytes=1000)
    )
    large = masked(type="message", content="x" * 200_000)

    connection.data_received(masked(type="message", content="hi") + large[:100_000])

    assert socket.over
    assert b"try again later" in socket.written
    assert connection._conversation.unanswered_bytes == 0
    connection.connection_lost(None)


class Written:
    """A socket, which may be one that cannot be written to."""

    def __init__(self, *, broken: bool = False) -> None:
        self.seen: list[str] = []
        self._broken = broken

    def write_out(self) -> None:
        if self._broken:
            raise MemoryError
        self.seen.append("write")

    def abort(self) -> None:
        self.seen.append("abort")


async def test_what_goes_wrong_at_one_socket_is_not_the_others_loss() -> None:
    outgoing, broken, written = WriteCoalescer(), Written(broken=True), Written()
    outgoing.add(broken)
    outgoing.add(written)
    await rounds_of_the_loop(2)
    assert (broken.seen, written.seen) == (["abort"], ["write"])


async def test_a_piece_that_cannot_be_relayed_ends_its_call_and_no_other() -> None:
    runtime = OneCall()

    def crash(_: str | TurnEvent) -> None:
        raise MemoryError

    listener = RecordingListener(crash)
    turn = asyncio.create_task(begun(turns_of(runtime), "one", listener))
    await rounds_of_the_loop(2)
    say_back(runtime, chunk("so"))

    async with asyncio.timeout(LIMIT):
        await turn
    assert isinstance(turn.result()[-1], Failed)
    assert runtime.calls[-1].done
