"""The runtime as its users run it: a process of its own, and a client on a real channel."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc
from tests.programs import PYTHON
from tests.runtime.scripted import Mounted

LIMIT = 100.0
SHOW_TOOLS = (("omnia-show-tools", "true"),)


class Program:
    """A running `python -m omnia_runtime`. With a command `prefix` Python is started for it."""

    def __init__(self, mounted: Mounted, prefix: Sequence[str] = (), **environment: str) -> None:
        # a file: a pipe that nobody reads would stop the program when it is full
        self.errors = mounted.folder / f"stderr-{uuid.uuid4()}"
        with self.errors.open("wb") as sink:
            self.process = subprocess.Popen(
                [*prefix, sys.executable if prefix else PYTHON, "-m", "omnia_runtime"],
                env=mounted.environment(**environment),
                stderr=sink,
            )

    async def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was written to standard error."""
        code = await asyncio.to_thread(self.process.wait, LIMIT)
        return code, await asyncio.to_thread(self.errors.read_text)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@asynccontextmanager
async def client(mounted: Mounted) -> AsyncIterator[Any]:
    """Open a channel and wait until the server answers."""
    target = f"127.0.0.1:{mounted.grpc_port}"
    # Channels to one address would share a connection, also one to a program that was killed.
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(target, options=own) as channel:
        stub = runtime_pb2_grpc.RuntimeServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        await stub.Health(pb.HealthRequest(), wait_for_ready=True, timeout=LIMIT)
        yield stub


class Stream:
    """One Converse stream."""

    def __init__(self, stub: Any, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self.call = stub.Converse(timeout=LIMIT, metadata=metadata)

    async def send(self, content: str = "", session: str = "s1", **fields: Any) -> None:
        await self.call.write(pb.ClientMessage(session_id=session, content=content, **fields))

    async def read(self) -> pb.ServerMessage | None:
        """Return the next message, None at the end."""
        message = await self.call.read()
        return message if isinstance(message, pb.ServerMessage) else None

    async def turn(self) -> list[pb.ServerMessage]:
        """Return the messages up to the end of a turn."""
        messages = []
        while (message := await self.read()) is not None:
            messages.append(message)
            if message.WhichOneof("message") in ("done", "error"):
                break
        return messages

    async def ask(
        self, content: str, session: str = "s1", **metadata: str
    ) -> list[pb.ServerMessage]:
        await self.send(content, session, metadata=metadata)
        return await self.turn()


def kinds(messages: Sequence[pb.ServerMessage]) -> list[str]:
    """Return the kinds of the messages; chunks that follow each other count once."""
    found: list[str] = []
    for message in messages:
        kind = str(message.WhichOneof("message"))
        if kind != "chunk" or found[-1:] != ["chunk"]:
            found.append(kind)
    return found


def said(messages: Sequence[pb.ServerMessage]) -> str:
    """Return the text of the chunks."""
    return "".join(message.chunk.content for message in messages)


async def health_until(stub: Any, expected: str) -> pb.HealthResponse:
    """Ask for health until its status holds a text."""
    async with asyncio.timeout(LIMIT):
        while True:
            found = await stub.Health(pb.HealthRequest())
            if isinstance(found, pb.HealthResponse) and expected in found.status:
                return found
            await asyncio.sleep(0.01)
