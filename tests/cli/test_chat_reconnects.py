"""`omnia chat` when its facade goes away: real facades, one after the other on the same port."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.scripted_runtime import Requests, ScriptedRuntime, serving
from tests.facade.test_program import program
from tests.programs import PYTHON
from tests.services import LIMIT, free_port

# Many times the tries of the command, on a busy machine.
PATIENCE = 2 * LIMIT
pytestmark = pytest.mark.timeout(2 * PATIENCE)


@dataclass
class Agent:
    """Facades before one runtime; each takes the place of the one before."""

    runtime: "Runtime"
    runtime_port: int
    port: int = field(default_factory=free_port)
    health: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @asynccontextmanager
    async def facade(self) -> AsyncIterator[asyncio.subprocess.Process]:
        async with program(
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{self.runtime_port}",
            OMNIA_FACADE_PORT=self.port,
            OMNIA_HEALTH_PORT=self.health,
        ) as process:
            yield process

    @property
    def said(self) -> list[tuple[str, str]]:
        """The session and the text of each message that arrived."""
        return [(each.session_id, each.content) for each in self.runtime.received]


@dataclass
class Chat:
    """The command, with a pipe in place of a person."""

    process: asyncio.subprocess.Process
    printed: str = ""

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())

    async def until(self, text: str) -> None:
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while text not in self.printed:
                piece = await self.process.stdout.read(4096)
                assert piece, self.printed
                self.printed += piece.decode()

    async def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            rest, _ = await self.process.communicate()
        self.printed += rest.decode()
        return self.process.returncode or 0

    @property
    def session(self) -> str:
        found = re.search(r"session (\S+)", self.printed)
        assert found, self.printed
        return found[1]


class Runtime(ScriptedRuntime):
    """Says nothing to the first message "think", and answers the second one."""

    thought = 0

    async def _turn(
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        self.thought += request.content == "think"
        if request.content == "think" and self.thought == 1:
            await asyncio.Event().wait()
        async for message in super()._turn(request, requests, context):
            yield message


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    runtime = Runtime()
    async with serving(runtime) as port:
        yield Agent(runtime, port)


@asynccontextmanager
async def chatting(agent: Agent) -> AsyncIterator[Chat]:
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "omnia_cli", "chat", agent.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    chat = Chat(process)
    try:
        await chat.until("session ")
        yield chat
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def end(facade: asyncio.subprocess.Process, *, killed: bool) -> None:
    if killed:
        facade.kill()
    else:
        facade.terminate()
    await facade.wait()


@pytest.mark.parametrize("killed", [False, True], ids=["1001", "1006"])
async def test_a_conversation_goes_on_when_its_facade_is_replaced(
    agent: Agent, killed: bool
) -> None:
    async with agent.facade() as first, chatting(agent) as chat:
        chat.type("one")
        await chat.until("you said one\n")
        await end(first, killed=killed)
        chat.type("two")
        await chat.until("connecting again")
        async with agent.facade():
            await chat.until("you said two")
            assert await chat.end() == 0, chat.printed
    session = chat.session
    assert agent.said == [(session, "one"), (session, "two")]
    assert chat.printed.count("connection lost") == 1
    assert f"resumed session {session}\n" in chat.printed
    assert chat.printed.endswith(f"go on with: omnia chat {agent.url} --session {session}\n")


async def test_a_message_whose_answer_had_not_begun_is_sent_again(agent: Agent) -> None:
    async with agent.facade() as first, chatting(agent) as chat:
        chat.type("think")
        async with asyncio.timeout(PATIENCE):
            await agent.runtime.turn_began.wait()
        await end(first, killed=True)
        async with agent.facade():
            await chat.until("you said think")
            assert await chat.end() == 0, chat.printed
    assert agent.said == [(chat.session, "think")] * 2


async def test_an_answer_that_is_cut_is_told_and_not_asked_for_again(agent: Agent) -> None:
    async with agent.facade() as first, chatting(agent) as chat:
        chat.type("slow")
        await chat.until("so far")
        await end(first, killed=True)
        async with agent.facade():
            await chat.until("resumed session")
            chat.type("go on")
            await chat.until("you said go on")
            assert await chat.end() == 1, chat.printed
    assert "so far\nthe answer was interrupted here; its text so far is stored\n" in chat.printed
    assert [text for _, text in agent.said if text] == ["slow", "go on"]


async def test_a_session_that_is_gone_is_told_and_the_message_is_answered_in_a_new_one(
    agent: Agent,
) -> None:
    async with agent.facade() as first, chatting(agent) as chat:
        chat.type("one")
        await chat.until("you said one\n")
        await end(first, killed=False)
        agent.runtime.resume = pb.RESUME_STATE_NOT_FOUND
        async with agent.facade():
            chat.type("two")
            await chat.until("you said two")
            assert await chat.end() == 1, chat.printed
    (before, _), (after, _) = agent.said
    assert before != after
    assert f"session {before} has expired or was deleted; new session {after}" in chat.printed
    assert chat.printed.endswith(f"--session {after}\n")


async def test_an_agent_that_stays_away_ends_the_command_with_the_message_and_the_session(
    agent: Agent,
) -> None:
    async with agent.facade() as first, chatting(agent) as chat:
        chat.type("one")
        await chat.until("you said one\n")
        await end(first, killed=True)
        chat.type("a long question")
        await chat.until("not answered: a long question")
        assert await chat.end() == 1
    assert "tried 10 times" in chat.printed
    assert f"go on with: omnia chat {agent.url} --session {chat.session}\n" in chat.printed
    assert "Traceback" not in chat.printed


async def test_a_conversation_without_a_message_has_nothing_to_go_on_with(agent: Agent) -> None:
    async with agent.facade(), chatting(agent) as chat:
        assert await chat.end() == 0
    assert "go on with" not in chat.printed
