"""Events that have come already: passed on without waiting, but not at the others' expense."""

import asyncio
from collections import deque
from itertools import pairwise
from typing import cast

from omnia_core.conversation.tools import ToolResult
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import Done, Failed, ToolResultEvent, TurnRequest
from omnia_facade.runtime_client.builtin import BuiltinStream
from omnia_facade.runtime_client.client import RuntimeStream
from omnia_facade.runtime_client.port import (
    ConverseStream,
    IncomingEvent,
    OutgoingMessage,
    RuntimeClient,
    TextReceiver,
)
from omnia_facade.turns.runtime import RuntimeTurns
from omnia_rpc.client import ClientCall
from omnia_rpc.messages import GZIP
from tests.facade.runtime_bed import RecordingListener
from tests.facade.scripted_runtime import chunk, done

EVENTS = 1000


class Arrived:
    """A stream of which everything is here."""

    ended = False

    variant = "stable"

    def __init__(self, *events: IncomingEvent) -> None:
        self._events = deque(events)

    async def send(self, message: OutgoingMessage) -> bool:  # noqa: ARG002 - the port's
        return True

    async def read(self, receiver: TextReceiver) -> IncomingEvent | None:  # noqa: ARG002 - the port's
        return self._events.popleft() if self._events else None

    def cancel(self) -> None:
        self._events.clear()


class OneStream:
    """A runtime that has only this stream."""

    def __init__(self, stream: ConverseStream) -> None:
        self._stream = stream

    def converse(self, session_id: str, caller: Principal) -> ConverseStream:  # noqa: ARG002 - as above
        return self._stream


def turns_on(stream: ConverseStream) -> RuntimeTurns:
    client = cast("RuntimeClient", OneStream(stream))
    return RuntimeTurns(client, Principal("mia"), silence_seconds=10, cancel_seconds=10)


async def test_a_turn_with_much_to_pass_on_lets_others_go_on_meanwhile() -> None:
    turns = turns_on(Arrived(*[ToolResultEvent("c", ToolResult("1"))] * EVENTS, Done("")))
    listener = RecordingListener()
    seen_by_others: list[int] = []

    async def other() -> None:
        while True:
            seen_by_others.append(len(listener.received))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await turns.run(TurnRequest("s", "hi"), listener)
    task.cancel()

    steps = [0, *seen_by_others, len(listener.received)]
    assert len(listener.received) == EVENTS
    assert max(later - earlier for earlier, later in pairwise(steps)) <= 100


def body(message: bytes, *, compressed: bool = False) -> bytes:
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


async def test_nothing_is_passed_on_of_what_follows_a_message_that_cannot_be_read() -> None:
    call = ClientCall(lambda _: None, b"", 1 << 20, None)
    call._received.encoding = GZIP
    lost = body(b"this is not gzip", compressed=True)
    call.on_data(
        body(chunk("one ").SerializeToString())
        + lost
        + body(chunk("three").SerializeToString())
        + body(done("").SerializeToString())
    )
    call.on_end()
    stream = BuiltinStream(call)
    turns, listener = turns_on(cast("ConverseStream", Sent(stream))), RecordingListener()

    outcome = await turns.run(TurnRequest("s", "hi"), listener)

    assert listener.received == ["one "]
    assert isinstance(outcome, Failed)


class Sent(RuntimeStream):
    """A stream on which the message was sent already."""

    __slots__ = ()

    def __init__(self, stream: BuiltinStream) -> None:
        super().__init__(stream, "s")

    async def send(self, message: OutgoingMessage) -> bool:  # noqa: ARG002 - as above
        return True
