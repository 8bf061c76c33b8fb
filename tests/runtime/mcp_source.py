"""The tools of an MCP server, by a source that stays connected."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import CallContext, ToolFailed
from omnia_runtime.tools.mcp.handler import MCPSource
from omnia_runtime.tools.retry import Backoff
from tests.services import LIMIT

SOON = Backoff(0.02, 0.2)


class Started:
    """A source that keeps connected."""

    def __init__(self, source: MCPSource) -> None:
        self.source = source
        self.changes = 0
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self.changes += 1
        self._changed.set()

    def names(self) -> list[str]:
        return [each.name for each in self.source.specs()]

    async def until(self, *names: str) -> None:
        """Wait until the source has these tools, among others."""
        async with asyncio.timeout(LIMIT):
            while not set(names) <= set(self.names()):
                self._changed.clear()
                await self._changed.wait()

    async def until_told(self, said: str) -> None:
        """Wait until the problem is told so."""
        await until(lambda: said in self.source.problem)

    async def call(self, tool: str = "echo", arguments: JsonObject | None = None) -> ToolResult:
        async with asyncio.timeout(LIMIT):
            given = {"text": "hi"} if tool == "echo" and arguments is None else arguments
            return await self.source.call(tool, given or {}, CallContext())

    async def call_once_up(self, tool: str, arguments: JsonObject) -> ToolResult:
        """Call until the server is reached again."""
        async with asyncio.timeout(LIMIT):
            while True:
                try:
                    return await self.call(tool, arguments)
                except ToolFailed:
                    await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - it tells in no other way
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def started(asked: ToolHandler, **more: Any) -> AsyncIterator[Started]:
    source = MCPSource(asked, away=SOON, **more)
    begun = Started(source)
    source.start(begun.changed)
    try:
        async with asyncio.timeout(LIMIT):
            await source.settled()
        yield begun
    finally:
        await source.close()
