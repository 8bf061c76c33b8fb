"""The tools of a tools.yaml, opened and called as a turn does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.tools.routes import route_tools
from omnia_runtime.tools.sources import ToolSources
from tests.runtime.scripted import metrics

LIMIT = 100.0


class Tools:
    """Opens the file again before each look, as a reload does.

    Attributes:
        changes: is set when a server has other tools.
    """

    def __init__(self, path: Path, client: HTTPClient, *, deny_private: bool = False) -> None:
        self.path = path
        self.changes = asyncio.Event()
        self.sources = ToolSources(client, self.changes.set, deny_private=deny_private)

    def write(self, *handlers: dict[str, Any]) -> None:
        """Replace the file."""
        self.path.write_text(yaml.safe_dump({"handlers": list(handlers)}))

    @property
    def problems(self) -> str:
        """What is wrong, as one text."""
        opened = self.sources.open(str(self.path))
        return "\n".join([*opened.problems, *route_tools(opened.sources)[1]])

    @property
    def names(self) -> list[str]:
        """The tools that the model is offered."""
        return list(route_tools(self.sources.open(str(self.path)).sources)[0])

    def manager(self) -> ToolManager:
        """The tools of a turn that begins now."""
        routes, _ = route_tools(self.sources.open(str(self.path)).sources)
        return ToolManager(routes, routes, metrics())

    async def call(self, tool: str = "lookup", /, **arguments: Any) -> ToolResult:
        """Call a tool."""
        return await called(self.manager(), tool, **arguments)

    async def changed(self) -> None:
        """Wait until a server has other tools than before."""
        async with asyncio.timeout(LIMIT):
            await self.changes.wait()
        self.changes.clear()

    async def until_offered(self, *names: str) -> None:
        """Wait until exactly these tools are offered."""
        while self.names != list(names):
            await self.changed()


async def called(manager: ToolManager, tool: str = "lookup", /, **arguments: Any) -> ToolResult:
    """Call a tool of a manager."""
    call = ToolCall("c1", tool, msgspec.json.encode(arguments).decode())
    context = CallContext("c1", "s1", {"authorization": "Bearer of-the-caller"})
    async with asyncio.timeout(LIMIT):
        return await manager.call(call, context)


@asynccontextmanager
async def opened(
    folder: Path, *handlers: dict[str, Any], deny_private: bool = False
) -> AsyncIterator[Tools]:
    """Open handlers, and wait until their servers have answered once."""
    client = HTTPClient()
    tools = Tools(folder / "tools.yaml", client, deny_private=deny_private)
    tools.write(*handlers)
    tools.sources.open(str(tools.path))
    tools.sources.start()
    try:
        await tools.sources.settled(LIMIT, retry=0)
        tools.changes.clear()
        yield tools
    finally:
        await tools.sources.close()
        await client.close()
