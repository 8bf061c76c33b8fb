"""An MCP server over HTTP with the tools of a folder."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from omnia_core.files.changes import Signature, signature
from omnia_tools.messages import OfferedTool
from omnia_tools.process import ToolFile

POLL_SECONDS = 0.3


class ToolServer:
    """The files of a folder, each in a process of its own.

    Attributes:
        problems: what is not offered, and why; each with file and line.
    """

    def __init__(self, folder: Path, shown: str, seconds: float) -> None:
        """Prepare; `load` starts the processes.

        Args:
            folder: where the files are.
            shown: the folder as messages name it.
            seconds: the time limit of a call; a tool may have a shorter one.
        """
        self._folder = folder
        self._shown = shown
        self._seconds = seconds
        self._files: list[ToolFile] = []
        self._tools: dict[str, tuple[ToolFile, OfferedTool]] = {}
        self.problems: list[str] = []

    async def load(self) -> None:
        """Load every Python file, again; a file that cannot be run stays as it was."""
        before = {file.path: file for file in self._files}
        loaded = [ToolFile(path, self._shown) for path in python_files(self._folder)]
        await asyncio.gather(*(file.start() for file in loaded))
        self.problems = []
        self._files = [self._chosen(file, before.get(file.path)) for file in loaded]
        self._tools = {}
        for file in self._files:
            for name, each in file.tools.items():
                if name in self._tools:
                    place = f"{self._shown}/{file.path.name}:1"
                    problem = (
                        f"{place}: the tool {name} is in {self._tools[name][0].path.name}, too"
                    )
                    self.problems.append(f"{problem}: rename one; this one is not offered")
                else:
                    self._tools[name] = file, each
        for file in {*before.values(), *loaded} - {*self._files}:
            file.retire()

    def _chosen(self, new: ToolFile, old: ToolFile | None) -> ToolFile:
        is_kept = new.failed and old is not None and not old.failed
        end = "the change is not in use" if is_kept else "its tools are not offered"
        self.problems += [
            f"{problem}; {end}" if new.failed else problem for problem in new.problems
        ]
        return old if is_kept and old is not None else new

    @property
    def names(self) -> list[str]:
        """The names of the tools."""
        return list(self._tools)

    async def list_tools(self, *_: Any) -> types.ListToolsResult:
        """Answer tools/list."""
        tools = [
            types.Tool(name=each.name, description=each.description, input_schema=each.input_schema)
            for _, each in self._tools.values()
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, _: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Answer tools/call; every failure is a result with `is_error`."""
        found = self._tools.get(params.name)
        if found is None:
            there = ", ".join(self._tools) or "none"
            return _result(f"there is no tool {params.name} here; there are: {there}", True)
        answer = await found[0].call(params.name, params.arguments or {}, self._seconds)
        return _result(answer.content, answer.is_error)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(file.close() for file in self._files))


def python_files(folder: Path) -> list[Path]:
    """Return the files whose tools are served."""
    return sorted(each for each in folder.glob("*.py") if not each.name.startswith("."))


def _result(text: str, is_error: bool) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error
    )


async def serve(folder: Path, shown: str, host: str, port: int, seconds: float) -> int:
    """Serve the tools of a folder at `/mcp` until a signal; return the exit code."""
    tools = ToolServer(folder, shown, seconds)
    applied = signature([folder])
    await tools.load()
    _report(tools)
    changes = InMemorySubscriptionBus()
    server: Server[Any] = Server(
        "omnia-tools",
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_subscriptions_listen=ListenHandler(changes),
    )
    app = server.streamable_http_app(
        host=host, custom_starlette_routes=[Route("/healthz", _healthy)]
    )
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", ws="none", timeout_graceful_shutdown=2
    )
    following = asyncio.create_task(_follow(tools, folder, applied, changes))
    try:
        await uvicorn.Server(config).serve()
    finally:
        following.cancel()
        await asyncio.wait([following])
        await tools.close()
    return 0


async def _follow(
    tools: ToolServer, folder: Path, applied: Signature, changes: InMemorySubscriptionBus
) -> None:
    """Load the files again after each change, and announce it."""
    previous = applied
    while True:
        await asyncio.sleep(POLL_SECONDS)
        current = signature([folder])
        if current == previous and current != applied:
            applied = current
            await tools.load()
            _report(tools)
            await changes.publish(ToolsListChanged())
        previous = current


def _report(tools: ToolServer) -> None:
    for problem in tools.problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"tools: {', '.join(tools.names) or 'none'}", file=sys.stderr, flush=True)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")
