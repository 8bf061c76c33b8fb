"""What the pod holds for its clients: bounded for one, bounded for all, and given back."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.listener import TurnListener
from omnia_facade.backend.events import Done, TurnEvent, TurnRequest
from omnia_facade.backend.port import BackendConnection
from omnia_facade.ws.inbound_limits import (
    LARGE,
    SMALL,
    ConnectionLimiter,
    ConnectionLimits,
    PodBudget,
    Rate,
)
from omnia_facade.ws.messages import FrameRefused
from tests.facade.socket_bed import (
    accepted,
    connections_with,
    echoing,
    masked,
    rounds_of_the_loop,
)
from tests.raw_websocket import Opcode, frame

MEBIBYTE = 1 << 20
MANY = Rate(1e9, 1e9)


def large(letter: str) -> bytes:
    return masked(type="message", content=letter * MEBIBYTE)


@pytest.mark.covers("websocket.md#unread-answer")
async def test_the_next_message_is_answered_when_the_client_has_read_the_last_answer() -> None:
    connection, socket = echoing()
    socket.deaf = True
    for letter in "abc":
        connection.data_received(large(letter))
        await rounds_of_the_loop(5)
    assert len(socket.answers()) == 1
    assert connection.unsent < MEBIBYTE * 1.1
    assert not socket.reading
    for read in (2, 3):
        socket.read_all()
        await rounds_of_the_loop(5)
        assert len(socket.answers()) == read
    assert [answer[6] for answer in socket.answers()] == ["a", "b", "c"]
    connection.connection_lost(None)


async def test_messages_that_arrive_together_are_not_all_answered_to_a_deaf_client() -> None:
    connection, socket = echoing()
    socket.deaf = True
    connection.data_received(b"".join(map(large, "abcdefgh")))
    await rounds_of_the_loop(20)
    assert len(socket.answers()) == 1
    connection.connection_lost(None)


class Hasty:
    """Answers at once and much, whether the client reads or not."""

    variant = "stable"

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done:  # noqa: ARG002 - the port's
        return Done("x" * MEBIBYTE)

    def close(self) -> None:
        """There is nothing to release."""


async def test_the_next_turn_waits_for_the_client_whatever_the_backend_does() -> None:
    connection, socket = accepted(cast("BackendConnection", Hasty()))
    socket.deaf = True
    connection.data_received(masked(type="message", content="hi") * 4)
    await rounds_of_the_loop(10)
    assert len(socket.answers()) == 1
    for read in (2, 3, 4):
        socket.read_all()
        await rounds_of_the_loop(5)
        assert len(socket.answers()) == read
    connection.connection_lost(None)


async def test_what_clients_do_not_read_leaves_no_room_for_large_messages() -> None:
    pod = connections_with(ConnectionLimits(held_bytes=2 * MEBIBYTE))
    clients = [echoing(connections=pod) for _ in range(6)]
    for connection, socket in clients:
        socket.deaf = True
        connection.data_received(large("x"))
        await rounds_of_the_loop(5)
    assert [len(socket.answers()) for _, socket in clients] == [1, 1, 0, 0, 0, 0]
    assert clients[2][1].frames()[-1]["error"]["code"] == "RATE_LIMITED"

    # Small messages are answered, and all as before when there is room again.
    connection, socket = echoing(connections=pod)
    connection.data_received(masked(type="message", content="hi"))
    await rounds_of_the_loop(5)
    clients[0][1].read_all()
    connection.data_received(large("y"))
    await rounds_of_the_loop(5)
    assert [answer[:8] for answer in socket.answers()] == ["Echo: hi", "Echo: yy"]
    for other, _ in [*clients, (connection, socket)]:
        other.connection_lost(None)


@pytest.mark.covers("websocket.md#unread-answers")
async def test_a_client_that_reads_nothing_is_cut_when_the_pod_has_no_room_for_it() -> None:
    pod = connections_with(ConnectionLimits(held_bytes=2 * MEBIBYTE))
    clients = [echoing(connections=pod) for _ in range(6)]
    for connection, socket in clients:
        socket.deaf = True
        connection.send(b"x" * MEBIBYTE)
        await rounds_of_the_loop(5)
    assert [socket.aborted for _, socket in clients] == [False, False, True, True, True, True]

    # A client that reads is sent as much.
    connection, socket = echoing(connections=pod)
    connection.send(b"y" * MEBIBYTE)
    assert (len(socket.written) > MEBIBYTE, socket.aborted) == (True, False)
    for other, _ in [*clients, (connection, socket)]:
        other.connection_lost(None)


@pytest.mark.covers("websocket.md#close-too-much")
@pytest.mark.parametrize("fragment", [1, 100, 5000])
async def test_unfinished_messages_of_many_clients_are_bounded_together(fragment: int) -> None:
    limits = ConnectionLimits(held_bytes=MEBIBYTE, idle_frames=MANY)
    pod = connections_with(limits)
    clients = [echoing(connections=pod) for _ in range(40)]
    begin = frame(b'"', fin=False)
    more = frame(b"x" * fragment, Opcode.CONT, fin=False) * (50_000 // fragment)
    for connection, _ in clients:
        connection.data_received(begin + more)
    await rounds_of_the_loop(3000)
    closed = [socket.closed() for _, socket in clients]
    assert set(closed) == {None, (1013, "too much is being received; try again later")}
    assert sum(connection.unfinished for connection, _ in clients) < 1.3 * MEBIBYTE

    connection, socket = echoing(connections=pod)
    connection.data_received(frame(b'{"type": "mess', fin=False))
    connection.data_received(frame(b'age", "content": "hi"}', Opcode.CONT))
    await rounds_of_the_loop(5)
    assert socket.answers() == ["Echo: hi"]
    for other, _ in clients:
        other.connection_lost(None)
    connection.connection_lost(None)


def test_the_more_the_pod_holds_the_smaller_are_the_messages_that_it_accepts() -> None:
    budget = PodBudget(1000)
    sizes = (SMALL, LARGE, 16 * MEBIBYTE)
    seen = []
    for held in (1000, 1, 249, 1):
        budget.change(held)
        seen.append([budget.allows(size) for size in sizes])
    assert seen == [
        [True, True, True],
        [True, True, False],
        [True, True, False],
        [True, False, False],
    ]


def growth(work: Callable[[], object]) -> int:
    """Return how many bytes of memory are taken once `work` is done."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        del kept
        tracemalloc.stop()


async def test_small_fragments_take_as_much_memory_as_is_counted() -> None:
    connection, _ = echoing(ConnectionLimits(idle_frames=MANY))
    connection.data_received(frame(b"<>", fin=False))
    pieces = [frame(b"ab", Opcode.CONT, fin=False)] * 20_000

    def receive() -> None:
        for piece in pieces:
            connection.data_received(piece)

    receive()
    before = connection.unfinished
    taken = growth(receive)
    assert connection.unfinished - before == 40_000
    assert taken < 100_000
    connection.connection_lost(None)


async def test_a_message_is_not_kept_after_its_answer() -> None:
    connection, socket = echoing()
    connection.data_received(masked(type="message", content="warm"))
    await rounds_of_the_loop(5)
    gc.collect()
    tracemalloc.start()
    try:
        connection.data_received(large("x"))
        await rounds_of_the_loop(5)
        socket.written.clear()
        assert tracemalloc.get_traced_memory()[0] < MEBIBYTE / 4
    finally:
        tracemalloc.stop()
    connection.connection_lost(None)


def test_a_refusal_does_not_keep_the_messages_that_were_refused_before() -> None:
    limits = ConnectionLimits(messages=Rate(1e-6, 1))
    limiter = ConnectionLimiter(limits, PodBudget(1), connections_with(limits).metrics)
    limiter.admit(1, 0.0)
    depths = []
    for _ in range(3):
        with pytest.raises(FrameRefused) as refused:
            limiter.admit(1, 0.0)
        depths.append(len(refused.traceback))
    assert len(set(depths)) == 1


EVENT = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 200_000)),
    st.tuples(st.just("begin"), st.integers(0, 100_000)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("read"), st.just(0)),
    st.tuples(st.just("leave"), st.just(0)),
    st.tuples(st.just("rounds"), st.integers(0, 5)),
)


@given(limit=st.integers(1000, MEBIBYTE), events=st.lists(st.tuples(st.integers(0, 3), EVENT)))
def test_whatever_clients_do_all_bytes_are_given_back_in_the_end(
    limit: int, events: list[tuple[int, tuple[str, int]]]
) -> None:
    async def played() -> int:
        pod = connections_with(ConnectionLimits(held_bytes=limit, messages=MANY))
        clients = [echoing(connections=pod) for _ in range(4)]
        begun = [False] * 4
        for number, (event, size) in events:
            connection, socket = clients[number]
            socket.deaf = number % 2 == 0
            match event:
                case "say" if not begun[number]:
                    connection.data_received(masked(type="message", content="x" * size))
                case "begin":
                    opcode = Opcode.CONT if begun[number] else Opcode.TEXT
                    connection.data_received(frame(b"x" * size, opcode, fin=False))
                    begun[number] = True
                case "end" if begun[number]:
                    connection.data_received(frame(b"", Opcode.CONT))
                    begun[number] = False
                case "read":
                    socket.read_all()
                case "leave":
                    connection.connection_lost(None)
                    clients[number], begun[number] = echoing(connections=pod), False
                case _:
                    pass
            await rounds_of_the_loop(size if event == "rounds" else 0)
        for connection, _ in clients:
            connection.connection_lost(None)
        await rounds_of_the_loop(5)
        return pod.budget._held

    assert asyncio.run(played()) == 0
