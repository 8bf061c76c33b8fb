"""An MCP server over HTTP with the tools of a folder."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from omnia_tools.messages import OfferedTool
from omnia_tools.process import File


class ToolServer:
    """The files of a folder, each in a process of its own.

    Attributes:
        problems: what is not offered, and why; each with file and line.
    """

    def __init__(self, files: Sequence[File], seconds: float) -> None:
        self._files = files
        self._seconds = seconds
        self._tools: dict[str, tuple[File, OfferedTool]] = {}
        self.problems: list[str] = []

    @classmethod
    async def start(cls, folder: Path, shown: str, seconds: float) -> "ToolServer":
        """Load every Python file of a folder.

        Args:
            folder: where the files are.
            shown: the folder as messages name it.
            seconds: the time limit of a call; a tool may have a shorter one.
        """
        paths = _python_files(folder)
        server = cls([File(path, shown) for path in paths], seconds)
        await asyncio.gather(*(file.start() for file in server._files))
        for path, file in zip(paths, server._files, strict=True):
            server.problems += file.problems
            for name, each in file.tools.items():
                if name in server._tools:
                    server.problems.append(
                        f"{shown}/{path.name}:1: another file has a tool {name}, too:"
                        " rename one; this one is not offered"
                    )
                else:
                    server._tools[name] = file, each
        return server

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


def _python_files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("*.py") if not each.name.startswith("."))


def _result(text: str, is_error: bool) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error
    )


async def serve(folder: Path, shown: str, host: str, port: int, seconds: float) -> int:
    """Serve the tools of a folder at `/mcp` until a signal; return the exit code."""
    tools = await ToolServer.start(folder, shown, seconds)
    for problem in tools.problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"tools: {', '.join(tools.names) or 'none'}", file=sys.stderr, flush=True)
    server: Server[Any] = Server(
        "omnia-tools", on_list_tools=tools.list_tools, on_call_tool=tools.call_tool
    )
    app = server.streamable_http_app(
        host=host, custom_starlette_routes=[Route("/healthz", _healthy)]
    )
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", ws="none", timeout_graceful_shutdown=2
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        await tools.close()
    return 0


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")
