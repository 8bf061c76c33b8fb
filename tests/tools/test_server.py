"""The tool server as a program, called by the runtime's own MCP client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from omnia_core.files.tools import MCPConfig, ToolHandler
from omnia_runtime.tools.mcp.handler import MCPSource
from tests.programs import PYTHON
from tests.runtime.mcp_source import SOON, Started
from tests.services import free_port

TOOLS = '''\
import asyncio
import os
import time

from pydantic import BaseModel

from omnia_tools import Tool, ToolFailed, tool
from prices import PRICES


@tool
def price(item: str) -> int:
    """Return a price."""
    print("asked for", item)
    return PRICES[item]


@tool
def refuses() -> str:
    """Refuse."""
    raise ToolFailed("there is no order Z-9")


@tool(timeout=0.3)
def sleeps() -> str:
    """Sleep in a thread."""
    time.sleep(600)
    return ""


@tool(timeout=0.3)
async def blocks() -> str:
    """Block the event loop."""
    time.sleep(600)
    return ""


@tool
def wrong() -> int:
    """Return another type."""
    return "three"


@tool
def huge() -> str:
    """Return too much."""
    return "x" * (11 << 20)


@tool
def leaves() -> str:
    """Leave the program."""
    raise SystemExit(3)


class AddOne(Tool):
    """Add one."""

    class Arguments(BaseModel):
        number: int

    async def __call__(self, arguments):
        return arguments.number + 1
'''
CRASH = '''\
import os

from omnia_tools import tool


@tool
def crash() -> str:
    """End the process."""
    os._exit(7)


@tool
def kills() -> str:
    """End the process by a signal."""
    os.abort()
'''
# The server starts an interpreter for each file, on a machine that does other things too.
LIMIT = 100.0


@dataclass
class Served:
    folder: Path
    log: Path
    started: Started

    async def call(self, tool: str, **arguments: object) -> str:
        async with asyncio.timeout(LIMIT):
            result = await self.started.call(tool, arguments)
        if result.is_error:
            return f"error: {json.loads(result.content)['error']}"
        return result.content

    async def answers(self, content: str, tool: str, **arguments: object) -> bool:
        return await self.call(tool, **arguments) == content

    async def has(self, *tools: str) -> bool:
        return set(tools) <= set(self.started.names())

    async def lacks(self, tool: str) -> bool:
        return tool not in self.started.names()

    async def until_logged(self, text: str) -> None:
        async def logged() -> bool:
            return text in self.log.read_text()

        await until(logged)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LIMIT):
        while not await condition():  # noqa: ASYNC110 - another program has no event
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    port = free_port()
    log = folder.with_suffix(".log")
    words = (PYTHON, "-m", "omnia_tools", folder, "--port", str(port))
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *map(str, words), "--shown-as", "mine/tools", stderr=errors
        )
    config = MCPConfig(transport="streamable-http", endpoint=f"http://127.0.0.1:{port}/mcp")
    source = MCPSource(ToolHandler(name="tools", type="mcp", mcp_config=config), away=SOON)
    started = Started(source)
    source.start(started.changed)
    try:
        yield Served(folder, log, started)
    finally:
        await source.close()
        process.terminate()
        async with asyncio.timeout(LIMIT):
            await process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    files = {"prices.py": "PRICES = {'desk': 300}\n", "shop.py": TOOLS, "crash.py": CRASH}
    files |= {"broken.py": "import nothing_of_this_name\n", "syntax.py": "x = 1\ndef f(:\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.timeout(300)
async def test_each_failure_is_a_clear_error_that_costs_only_itself(folder: Path) -> None:
    async with serving(folder) as server:
        await until(lambda: server.has("price", "crash", "add_one"))
        assert await server.call("price", item="desk") == "300"
        assert await server.call("add_one", number=1) == "2"
        assert await server.call("refuses") == "error: there is no order Z-9"
        failed = await server.call("price", item="lamp")
        assert failed == "error: price failed: KeyError at shop.py:15; its log has the rest"
        assert "lamp" not in failed
        assert (await server.call("wrong")).startswith("error: wrong returned something else than")
        assert "SystemExit" in await server.call("leaves")
        assert await server.call("huge") == "error: huge returned 11 MiB: expected at most 10 MiB"
        late = "did not answer within 0.3 s"
        slow = server.call("sleeps"), server.call("blocks"), server.call("price", item="desk")
        assert (await asyncio.gather(*slow[:1]))[0] == f"error: sleeps {late}"
        assert (await asyncio.gather(*slow[1:2]))[0] == f"error: blocks {late}"
        assert await slow[2] == "300"
        for name, how in (("crash", "exit code 7"), ("kills", "SIGABRT"), ("crash", "exit code 7")):
            answer = await server.call(name)
            assert (
                answer == f"error: {name} ended its process ({how}); the next call starts it again"
            )
        log = server.log.read_text()
    place = "mine/tools/"
    assert f"error: {place}broken.py:1: ModuleNotFoundError" in log
    assert f"error: {place}syntax.py:2: SyntaxError: invalid syntax; its tools are not off" in log
    assert f'price:   File "{place}shop.py", line 15, in price' in log
    assert "KeyError: 'lamp'" in log
    assert "asked for lamp" in log


@pytest.mark.timeout(300)
async def test_a_saved_file_is_loaded_again_and_a_broken_one_changes_nothing(folder: Path) -> None:
    async with serving(folder) as server:
        await until(lambda: server.has("price"))
        (folder / "prices.py").write_text("PRICES = {'desk': 310}\n")
        await until(lambda: server.answers("310", "price", item="desk"))
        (folder / "shop.py").write_text(TOOLS + "\n\nthis is no Python\n")
        await server.until_logged("the change is not in use")
        assert await server.call("price", item="desk") == "310"
        extra = '\n\n@tool\ndef added() -> str:\n    """New."""\n    return "new"\n'
        (folder / "shop.py").write_text(TOOLS + extra)
        await until(lambda: server.has("added"))
        assert await server.call("added") == "new"
        (folder / "shop.py").unlink()
        await until(lambda: server.lacks("price"))
        assert "there is no tool price here" in await server.call("price", item="desk")


@pytest.mark.timeout(300)
async def test_a_tool_of_two_files_is_offered_once(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("one", "two"):
        head = 'from omnia_tools import tool\n\n@tool\ndef same() -> str:\n    """Same."""\n'
        (folder / f"{name}.py").write_text(f'{head}    return "{name}"\n')
    async with serving(folder) as server:
        await until(lambda: server.has("same"))
        assert await server.call("same") == "one"
        assert "mine/tools/two.py:1: the tool same is in one.py, too: rename one" in (
            server.log.read_text()
        )
