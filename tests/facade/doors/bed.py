"""A real facade with all doors, in front of a real runtime with the mock provider."""

import asyncio
import contextlib
import importlib.util
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from omnia_facade.doors.registry import DOORS
from tests.facade.conftest import Running, running
from tests.programs import PYTHON
from tests.runtime.program import Program
from tests.runtime.scripted import Mounted
from tests.services import free_port

LIMIT = 100.0
# A start on a busy machine.
PATIENCE = 250.0
# Another word in a message selects another answer; see `ANSWERS`.
DEFAULT = "Hello there, friend."
LONG = " ".join(f"word{number}" for number in range(60))
ANSWERS: dict[str, Any] = {
    "defaultResponse": DEFAULT,
    "chunk_size": 6,
    "matches": [
        {"contains": "slowly", "content": LONG, "inter_chunk_ms": 30},
        {"contains": "patience", "content": "At last.", "latency_ms": 3000},
        {"contains": "fail", "content": "x", "error": {"message": "no model"}},
        {
            "contains": "pick",
            "tool_calls": [{"name": "pick_date", "arguments": {"month": "May"}}],
        },
        {"when": "tool_result", "contains": "", "content": "You picked {{tool_result}}."},
    ],
}
# One answer for each turn of a session: who goes on with a session hears the next number.
NUMBERED: dict[str, Any] = {
    "scenarios": {"default": {"turns": {turn: f"This is turn {turn}." for turn in range(1, 30)}}}
}
# A tool that the client of the conversation executes.
CLIENT_TOOL = {
    "name": "browser",
    "type": "client",
    "timeout": "30s",
    "tool": {
        "name": "pick_date",
        "description": "Let the user pick a date",
        "inputSchema": {"type": "object", "properties": {"month": {"type": "string"}}},
    },
}


def written_doors() -> tuple[str, ...]:
    """Return the doors whose module is in the tree."""
    return tuple(
        str(entry.name)
        for entry in DOORS
        if importlib.util.find_spec(entry.module.rpartition(".")[0])
        and importlib.util.find_spec(entry.module)
    )


@contextlib.contextmanager
def mock_runtime(folder: Path, answers: Any = None, **environment: str) -> Iterator[Mounted]:
    """Run a runtime as a process until the end."""
    mounted = Mounted(folder)
    mounted.write_responses(answers or ANSWERS)
    mounted.write_tools(CLIENT_TOOL)
    program = Program(mounted, **environment)
    try:
        _wait_until_ready(mounted.health_port)
        yield mounted
    finally:
        program.kill()


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5),
        ):
            return
        if time.monotonic() > until:
            raise AssertionError("the runtime did not become ready")
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def doors(mounted: Mounted, **settings: Any) -> AsyncIterator[Running]:
    """Serve all written doors in front of a runtime; settings are fields of `FacadeEnv`."""
    given = {"doors": written_doors(), "a2a_grpc": True, **settings}
    async with running(runtime_address=f"127.0.0.1:{mounted.grpc_port}", **given) as facade:
        yield facade


class FacadeProcess:
    """A facade as a process of its own, which can be killed."""

    def __init__(self, mounted: Mounted, python: str = PYTHON, /, **environment: str) -> None:
        port, self.health_port = free_port(), free_port()
        self.http = f"http://127.0.0.1:{port}"
        self.ws = f"ws://127.0.0.1:{port}/ws"
        self.process = subprocess.Popen(
            [python, "-m", "omnia_facade"],
            env={
                **os.environ,
                "OMNIA_AGENT_NAME": "agent",
                "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
                "OMNIA_BIND_ADDRESS": "127.0.0.1",
                "OMNIA_FACADE_PORT": str(port),
                "OMNIA_HEALTH_PORT": str(self.health_port),
                "OMNIA_RUNTIME_ADDRESS": f"127.0.0.1:{mounted.grpc_port}",
                "OMNIA_DOORS": ",".join(written_doors()) or "none",
                **environment,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ready(self) -> "FacadeProcess":
        """Wait until it serves."""
        _wait_until_ready(self.health_port)
        return self

    def memory(self) -> int:
        """Return its resident bytes."""
        with Path(f"/proc/{self.process.pid}/statm").open() as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def facade_process(
    mounted: Mounted, python: str = PYTHON, /, **environment: str
) -> Iterator[FacadeProcess]:
    """Run a facade as a process until the end."""
    process = FacadeProcess(mounted, python, **environment)
    try:
        yield process.ready()
    finally:
        process.kill()


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Any
    content: bytes
    events: list[Any] = field(default_factory=list)

    @property
    def body(self) -> Any:
        return json.loads(self.content)


class Served(Protocol):
    """A facade in this process, or one of its own."""

    http: str


async def request(
    facade: Served,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own, and read the whole answer."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.request(method, facade.http + path, json=body, headers=headers or {}) as response,
    ):
        content = await response.read()
        return Answer(response.status, response.headers, content, list(events_of(content)))


def events_of(content: bytes) -> Iterator[Any]:
    """Yield the data of server-sent events; `[DONE]` as it is."""
    for block in content.decode().split("\n\n"):
        for line in block.split("\n"):
            if line.startswith("data: "):
                data = line.removeprefix("data: ")
                yield data if data == "[DONE]" else json.loads(data)


@contextlib.asynccontextmanager
async def opened(
    facade: Served, path: str, body: Any, headers: dict[str, str] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a POST and leave the response open; leaving the block cuts the connection."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session:
        response = await session.post(facade.http + path, json=body, headers=headers or {})
        try:
            yield response
        finally:
            response.close()


async def until(condition: Any, seconds: float = LIMIT) -> None:
    """Wait until a condition, which may be a coroutine function, holds."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.02)
