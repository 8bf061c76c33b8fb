"""An MCP server of another project: a program over its pipes, or one that listens on a port."""

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from omnia_core.files.tools import ToolHandler
from tests.runtime.mcp_source import Started, started
from tests.services import LIMIT, free_port, wait_listening

# FastMCP alone imports for two seconds of a processor that does nothing else.
START_SECONDS = 90.0
PATHS = {"streamable-http": "/mcp", "sse": "/sse"}
TRANSPORTS = ("stdio", *PATHS)


class MCPProgram:
    """How a server is reached by one transport; over HTTP it is a process of its own.

    Attributes:
        url: empty for stdio.
    """

    def __init__(
        self,
        transport: str,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.transport = transport
        self.url = f"http://127.0.0.1:{port}{PATHS[transport]}" if port else ""
        self._command = list(command)
        self._env = dict(env or {})
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_listening(self._port, START_SECONDS)
        assert self._process.poll() is None, "another program listens on the port of the server"

    def kill(self) -> None:
        """End the process as a power cut does."""
        if self._process:
            self._process.kill()
            self._process.wait(LIMIT)
            self._process = None

    def handler(self, name: str = "server") -> ToolHandler:
        config: dict[str, Any] = {"transport": self.transport}
        if self.url:
            config["endpoint"] = self.url
        else:
            config |= {
                "command": self._command[0],
                "args": self._command[1:],
                "env": self._env,
            }
        raw = {"name": name, "type": "mcp", "timeout": "20s", "mcpConfig": config}
        return msgspec.convert(raw, ToolHandler)

    @contextlib.asynccontextmanager
    async def tools(self) -> AsyncIterator[Started]:
        """Connect a source of the runtime."""
        async with started(self.handler()) as found:
            assert found.source.problem == ""
            yield found


@contextlib.contextmanager
def everything(transport: str, program: str) -> Iterator[MCPProgram]:
    """Run the everything server of the protocol's own project, by its choice on all interfaces."""
    if transport == "stdio":
        yield MCPProgram(transport, [program, "stdio"])
        return
    port = free_port()
    spelled = {"streamable-http": "streamableHttp", "sse": "sse"}[transport]
    with _listening(transport, [program, spelled], {"PORT": str(port)}, port) as running:
        yield running


@contextlib.contextmanager
def fastmcp(transport: str, python: str) -> Iterator[MCPProgram]:
    """Run the tests' own tools in FastMCP."""
    command = [python, str(Path(__file__).parent / "fastmcp_tools.py")]
    if transport == "stdio":
        yield MCPProgram(transport, command)
        return
    port = free_port()
    with _listening(transport, [*command, transport, str(port)], {}, port) as running:
        yield running


@contextlib.contextmanager
def _listening(
    transport: str, command: list[str], env: Mapping[str, str], port: int
) -> Iterator[MCPProgram]:
    program = MCPProgram(transport, command, env, port)
    try:
        program.start()
        yield program
    finally:
        program.kill()


def kill_child(text: str) -> None:
    """Kill the child of this process that has a text in its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and text in (folder / "cmdline").read_text():
                os.kill(int(folder.name), signal.SIGKILL)
                return
    raise AssertionError(text)
