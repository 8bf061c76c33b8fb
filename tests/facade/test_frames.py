"""Frames of every kind are bounded, each client has its turn, and honest clients notice nothing."""

import asyncio
import itertools
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_facade.ws.inbound_limits import (
    ConnectionLimiter,
    ConnectionLimits,
    PodBudget,
    Rate,
    Throttle,
)
from omnia_facade.ws.protocol import FRAMES_PER_TURN
from omnia_facade.ws.rounds import TURNS_PER_ROUND, ReadTurns
from omnia_facade.ws.socket import SMALL_FRAGMENT, TURN_BYTES
from tests.event_loop import pass_time
from tests.facade.conftest import Running, connected
from tests.facade.socket_bed import connections_with, echoing, masked, rounds_of_the_loop
from tests.facade.test_admission import rejections
from tests.raw_websocket import Opcode, frame, opened

# Messages are not what these tests limit.
MANY = ConnectionLimits(messages=Rate(1e9, 1e9))
FEW = ConnectionLimits(messages=Rate(1e9, 1e9), idle_frames=Rate(1e-6, 100))
REASON = "too many frames that make no progress"

SMALL_FRAMES = {
    "ping": frame(opcode=Opcode.PING),
    "ping with data": frame(b"x" * 125, Opcode.PING),
    "pong": frame(opcode=Opcode.PONG),
    "empty fragment": frame(opcode=Opcode.CONT, fin=False),
    "fragment of a byte": frame(b"x", Opcode.CONT, fin=False),
    "fragment that is just too small": frame(b"x" * (SMALL_FRAGMENT - 1), Opcode.CONT, fin=False),
}


@pytest.mark.covers("websocket.md#close-too-many-frames", "websocket.md#close-frame-flood")
@pytest.mark.parametrize("flood", ["ping", "pong", "empty fragment", "fragment of a byte"])
async def test_a_flood_of_small_frames_is_closed_and_other_clients_are_answered(
    echo: Running, flood: str
) -> None:
    async with (
        connected(echo.ws) as other,
        opened(echo.port) as flooder,
    ):
        if "fragment" in flood:
            await flooder.send(frame(b"x", fin=False))
        sending = asyncio.create_task(flooder.send(SMALL_FRAMES[flood] * 40_000))
        await other.say("hi")
        assert (await other.answer())[-1]["content"] == "Echo: hi"
        while (received := await flooder.receive())[0] != Opcode.CLOSE:
            assert received[0] in (Opcode.PONG, Opcode.TEXT)
        assert received[1] == (1008).to_bytes(2, "big") + REASON.encode()
        await other.say("again")
        assert (await other.answer())[-1]["content"] == "Echo: again"
        assert await rejections(echo, "frame_rate") == 1
        sending.cancel()


@pytest.mark.parametrize("small", SMALL_FRAMES.values(), ids=SMALL_FRAMES)
async def test_what_follows_too_many_small_frames_is_not_handled(small: bytes) -> None:
    connection, socket = echoing(FEW)
    fragmented = small[0] & 15 == Opcode.CONT
    # The beginning of a message is a small fragment itself.
    begin, end = (frame(b"x", fin=False), frame(b"", Opcode.CONT)) if fragmented else (b"", b"")
    connection.data_received(begin + small * (99 if fragmented else 100))
    await rounds_of_the_loop(10)
    assert socket.closed() is None

    after = end + masked(type="message", content="hi") + SMALL_FRAMES["ping"] * 1000
    connection.data_received(small + after)
    await rounds_of_the_loop(30)
    assert socket.closed() == (1008, REASON)
    assert [answer["type"] for answer in socket.frames()] == ["connected"]
    assert socket.over
    assert connection.unfinished == 0
    connection.connection_lost(None)


async def test_fragments_that_are_not_small_are_not_counted() -> None:
    connection, socket = echoing(FEW)
    content = "x" * SMALL_FRAGMENT * 300
    # The last one may be small.
    for fragment in fragments(orjson.dumps({"type": "message", "content": content})):
        connection.data_received(fragment)
    await rounds_of_the_loop(10)
    assert socket.answers() == [f"Echo: {content}"]
    connection.connection_lost(None)


def fragments(payload: bytes, size: int = SMALL_FRAGMENT) -> Iterator[bytes]:
    """Return the frames of a text message in fragments of `size` bytes."""
    starts = range(0, len(payload), size)
    for start in starts:
        opcode = Opcode.CONT if start else Opcode.TEXT
        yield frame(payload[start : start + size], opcode, fin=start == starts[-1])


HOUR = 3600


@pytest.mark.parametrize(
    ("frames", "seconds"),
    [
        # A ping each second; audio of 10 ms in two fragments with a ping for each frame; fifty
        # messages a second in fifteen fragments each, with a ping for each message.
        (1, 1.0),
        (3, 0.01),
        (16, 0.02),
    ],
)
def test_a_client_may_do_for_hours_what_honest_clients_do(frames: int, seconds: float) -> None:
    limits = ConnectionLimits()
    limiter = ConnectionLimiter(limits, PodBudget(1), connections_with(limits).metrics)
    for number in range(int(HOUR / seconds) // 10):
        for _ in range(frames):
            limiter.admit_idle_frame(number * seconds)


def test_audio_is_never_slowed_down() -> None:
    throttle = Throttle(ConnectionLimits().binary_frames)
    assert not any(throttle.spend(1, number * 0.01) for number in range(HOUR * 10))


@pytest.mark.covers("websocket.md#binary-frame-rate")
async def test_binary_frames_are_read_no_faster_than_their_rate() -> None:
    connection, socket = echoing(ConnectionLimits(binary_frames=Rate(1 / 20, 10)))
    connection.data_received(frame(b"x", Opcode.BINARY) * 11)
    await rounds_of_the_loop(5)
    assert len(socket.frames()) == 12
    await pass_time(10)
    assert not socket.reading
    await pass_time(10)
    await rounds_of_the_loop(5)
    assert socket.reading
    connection.connection_lost(None)


async def test_a_large_message_may_come_in_tiny_fragments(echo: Running) -> None:
    content = "x" * 1_000_000
    payload = orjson.dumps({"type": "message", "content": content})
    async with opened(echo.port) as client:
        await client.receive()
        await client.send(b"".join(fragments(payload, 105)))
        opcode, answer = await client.receive()
    assert (opcode, orjson.loads(answer)["content"]) == (Opcode.TEXT, f"Echo: {content}")


@pytest.mark.covers("websocket.md#turns")
async def test_no_more_frames_than_a_turn_has_are_handled_at_once() -> None:
    connection, socket = echoing(MANY)
    contents = [str(number) for number in range(FRAMES_PER_TURN * 3 + 1)]
    connection.data_received(
        b"".join(masked(type="message", content=content) for content in contents)
    )
    connection.write_out()
    assert len(socket.answers()) == FRAMES_PER_TURN
    assert not socket.reading
    for turns in (2, 3):
        await rounds_of_the_loop(1)
        connection.write_out()
        assert len(socket.answers()) == FRAMES_PER_TURN * turns
    await rounds_of_the_loop(3)
    assert socket.answers() == [f"Echo: {content}" for content in contents]
    assert socket.reading
    connection.connection_lost(None)


async def test_a_socket_that_is_sent_much_at_once_lets_others_read_first() -> None:
    connection, socket = echoing()
    connection.data_received(frame(b"x" * TURN_BYTES, claimed=TURN_BYTES * 2))
    assert not socket.reading
    await rounds_of_the_loop(2)
    assert socket.reading
    connection.connection_lost(None)


async def test_frames_of_a_turn_that_is_over_wait_until_the_client_reads() -> None:
    connection, socket = echoing(MANY)
    connection.data_received(masked(type="message", content="hi") * FRAMES_PER_TURN * 2)
    connection.pause_writing()
    await rounds_of_the_loop(5)
    assert len(socket.answers()) == FRAMES_PER_TURN
    connection.resume_writing()
    await rounds_of_the_loop(5)
    assert len(socket.answers()) == FRAMES_PER_TURN * 2
    assert socket.reading
    connection.connection_lost(None)


class Reader:
    """A socket that wants some turns."""

    def __init__(self, turns: ReadTurns, wanted: int, taken: list["Reader"]) -> None:
        self.wanted = wanted
        self.aborted = False
        self._turns = turns
        self._taken = taken
        turns.add(self)

    def take_turn(self) -> None:
        self._taken.append(self)
        self.wanted -= 1
        if self.wanted < 0:
            raise MemoryError
        if self.wanted:
            self._turns.add(self)

    def abort(self) -> None:
        self.aborted = True


async def test_sockets_have_their_turns_in_order_some_in_each_round() -> None:
    turns, taken = ReadTurns(), list[Reader]()
    readers = [Reader(turns, 2, taken) for _ in range(TURNS_PER_ROUND + 3)]
    turns.add(readers[0])
    await rounds_of_the_loop(1)
    assert taken == readers[:TURNS_PER_ROUND]
    await rounds_of_the_loop(1)
    assert taken == [*readers, *readers[: TURNS_PER_ROUND - 3]]
    await rounds_of_the_loop(3)
    assert taken == readers * 2


async def test_a_turn_that_crashes_costs_only_its_own_connection() -> None:
    turns, taken = ReadTurns(), list[Reader]()
    broken, sound = Reader(turns, 0, taken), Reader(turns, 1, taken)
    await rounds_of_the_loop(2)
    assert (broken.aborted, sound.aborted) == (True, False)
    assert taken == [broken, sound]


Piece = tuple[str, list[int]]
SAID = st.tuples(st.text(max_size=40), st.lists(st.integers(0, 60), max_size=4))


@given(
    said=st.lists(SAID, min_size=1, max_size=90),
    cuts=st.lists(st.integers(0, 20_000), max_size=30),
    deaf=st.booleans(),
)
def test_however_frames_arrive_each_message_is_answered_in_its_order(
    said: list[Piece], cuts: list[int], deaf: bool
) -> None:
    stream = bytearray()
    for content, places in said:
        payload = orjson.dumps({"type": "message", "content": f"<{content}>"})
        ends = [*sorted({place for place in places if place < len(payload)}), len(payload)]
        for number, (start, end) in enumerate(itertools.pairwise([0, *ends])):
            opcode = Opcode.CONT if number else Opcode.TEXT
            stream += frame(payload[start:end], opcode, fin=end == len(payload))
            stream += frame(b"?", Opcode.PING)

    async def played() -> list[str]:
        connection, socket = echoing(MANY)
        places = sorted({cut for cut in cuts if cut < len(stream)})
        for start, end in itertools.pairwise([0, *places, len(stream)]):
            connection.data_received(bytes(stream[start:end]))
            if deaf:
                connection.pause_writing()
                await rounds_of_the_loop(2)
                connection.resume_writing()
        await rounds_of_the_loop(50)
        connection.connection_lost(None)
        return socket.answers()

    assert asyncio.run(played()) == [f"Echo: <{content}>" for content, _ in said]
