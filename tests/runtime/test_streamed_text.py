"""What a turn says, on its way to the facade: in its order, all of it, and before the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_rpc.messages import PREFIX_BYTES
from omnia_rpc.server import ServerCall
from omnia_runtime.ports.listener import AgentListener, ToolCalled, TurnFinished
from omnia_runtime.server import builtin, grpcio
from omnia_runtime.server.port import MessageWriter
from omnia_runtime.server.stream import TurnStream
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.turn import Caller, UserTurn

ROUNDS = 60
LIMIT = 100.0
SHOWING = {"omnia-show-tools": "true"}


class Facade:
    """The other end, which does not always read."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.got: list[pb.ServerMessage] = []

    async def reads(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)


class Stream(Facade):
    """As a stream of HTTP/2."""

    local_open = True
    ending = full = False
    call: ServerCall

    def send_headers(self, block: bytes) -> None:
        """They do not matter here."""

    def send(self, data: bytes) -> None:
        self.got.append(pb.ServerMessage.FromString(data[PREFIX_BYTES:]))
        if not self.full and self.chance.random() < 0.3:
            self.full = True
            self.reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        await self.reads()
        self.full = False
        self.call.on_writable()


class Context(Facade):
    """As grpcio's context: one write at a time, and none that is cut."""

    writing = False

    async def write(self, message: pb.ServerMessage) -> None:
        assert not self.writing
        self.writing = True
        await self.reads()
        self.got.append(message)
        self.writing = False


def over_builtin(chance: random.Random) -> tuple[Facade, MessageWriter]:
    stream = Stream(chance)
    stream.call = ServerCall(cast("Any", stream), [], 1 << 20)
    return stream, builtin._Writer(stream.call)


def over_grpcio(chance: random.Random) -> tuple[Facade, MessageWriter]:
    context = Context(chance)
    return context, grpcio._Writer(context)


class Played:
    """Turns whose script is a list: pieces of text, tool calls, and waits."""

    accepts_uploads = False

    def __init__(self, script: list[str | ToolCalled | None]) -> None:
        self.script = script

    async def run(
        self,
        turn: UserTurn,
        listener: AgentListener,
        caller: Caller,  # noqa: ARG002 - the port's
        cancel: Callable[[], None],  # noqa: ARG002 - the port's
    ) -> TurnFinished:
        for step in self.script:
            if step is None:
                await asyncio.sleep(0)
            elif isinstance(step, str):
                turn.sent.append(step)
                if not listener.send_text(step):
                    await listener.drain()
            else:
                await listener.send_event(step)
        return TurnFinished(turn.answer, "stop", Usage())


def script_of(chance: random.Random) -> list[str | ToolCalled | None]:
    script: list[str | ToolCalled | None] = []
    for number in range(chance.randrange(30)):
        call = ToolCalled(ToolCall(str(number), "look"))
        script.append(chance.choice([f"{number} ", f"{number} ", None, None, call]))
    return script


def told(messages: list[pb.ServerMessage]) -> list[str]:
    return [each.tool_call.id or each.chunk.content for each in messages]


@pytest.mark.parametrize("over", [over_builtin, over_grpcio])
async def test_all_that_was_said_comes_before_the_end_whatever_waits_and_whenever_it_is_cancelled(
    over: Any,
) -> None:
    for seed in range(ROUNDS):
        chance = random.Random(seed)  # noqa: S311 - a seed makes a failure the same again
        facade, peer = over(chance)
        script = script_of(chance)
        cancelled = chance.random() < 0.5

        async def messages(
            chance: random.Random = chance, cancelled: bool = cancelled
        ) -> AsyncIterator[pb.ClientMessage]:
            yield pb.ClientMessage(session_id="s", content="hi")
            if cancelled:
                for _ in range(chance.randrange(30)):
                    await asyncio.sleep(0)
                yield pb.ClientMessage(session_id="s", cancel=True)

        stream = TurnStream(cast("SessionTurns", Played(script)), peer, SHOWING)
        async with asyncio.timeout(LIMIT):
            await stream.serve(messages())

        hello, *between, last = facade.got
        assert hello.HasField("runtime_hello"), seed
        assert last.HasField("done"), seed
        assert "".join(each.chunk.content for each in between) == last.done.final_content, seed
        whole = [each if isinstance(each, str) else each.call.id for each in script if each]
        assert told(between) == whole[: len(between)], seed
        if not cancelled:
            assert told(between) == whole, seed
            assert last.done.finish_reason == "stop", seed
