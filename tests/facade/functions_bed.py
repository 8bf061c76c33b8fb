"""A function behind its facade, and a client that says everything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson

from omnia_core.names import Mode
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import Running, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving

INPUT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}, "maxWords": {"type": "integer", "minimum": 10}},
}
OUTPUT = {
    "type": "object",
    "required": ["summary"],
    "properties": {"summary": {"type": "string"}},
}
GOOD = {"text": "A long text.", "maxWords": 20}
PATH = "/functions/summarizer"


def function_file(folder: Path, **changes: object) -> str:
    content = {"name": "summarizer", "inputSchema": INPUT, "outputSchema": OUTPUT, **changes}
    path = folder / "function.json"
    path.write_bytes(orjson.dumps(content))
    return str(path)


@dataclass
class FunctionRuntime(ScriptedRuntime):
    """Notes how long each call may take, and which were cancelled."""

    output_json: str = '{"summary":"short"}'
    seconds: list[float] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def reset(self) -> None:
        """Forget what was seen and set by the test before."""
        vars(self).update(vars(FunctionRuntime()))

    async def Invoke(self, request: pb.InvocationRequest, context: Any) -> pb.InvocationResponse:  # noqa: N802
        self.seconds.append(context.time_remaining())
        try:
            response = await super().Invoke(request, context)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.answered.set()
        return response


class Served(NamedTuple):
    """A facade that several tests share, and the runtime behind it."""

    facade: Running
    runtime: FunctionRuntime


@contextlib.asynccontextmanager
async def served(folder: Path, **more: Any) -> AsyncIterator[Served]:
    """Serve the function with a runtime of its own."""
    runtime = FunctionRuntime()
    async with function(runtime, folder, **more) as facade:
        yield Served(facade, runtime)


@contextlib.asynccontextmanager
async def function(
    runtime: ScriptedRuntime,
    folder: Path,
    *,
    schemas: Mapping[str, object] | None = None,
    **more: Any,
) -> AsyncIterator[Running]:
    """Serve the function in this process."""
    async with (
        serving(runtime) as port,
        running(
            mode=Mode.FUNCTION,
            agent_name="summarizer",
            runtime_address=f"127.0.0.1:{port}",
            function_path=function_file(folder, **(schemas or {})),
            **more,
        ) as facade,
    ):
        yield facade


@dataclass
class Answer:
    status: int
    headers: Any
    content: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.content)


async def call(
    facade: Running,
    body: Any = GOOD,
    *,
    method: str = "POST",
    path: str = PATH,
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Send one request on a connection of its own."""
    given = [("Content-Type", "application/json"), *headers]
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.request(
            method,
            facade.http + path,
            data=orjson.dumps(body) if isinstance(body, dict) else body,
            headers=given,
        ) as response,
    ):
        return Answer(response.status, response.headers, await response.read())
