"""MCP servers that are programs only: files, memory, time and fetch."""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from tests.runtime.mcp_server import LEFT_OPEN, PIXEL
from tests.runtime.mcp_source import Started
from tests.runtime.servers import serving
from tests.servers.conftest import Install
from tests.servers.mcp_program import MCPProgram, kill_child

pytestmark = [pytest.mark.filterwarnings(LEFT_OPEN), pytest.mark.timeout(180)]

PAGE = (
    "<html><head><title>Boats</title></head><body><h1>Boats</h1><p>Two of them.</p></body></html>"
)


@contextlib.asynccontextmanager
async def program(*command: str, **env: str) -> AsyncIterator[Started]:
    async with MCPProgram("stdio", command, env).tools() as found:
        yield found


async def test_the_filesystem_server_reads_and_writes_and_says_each_thing_once(
    from_npm: Install, tmp_path: Path
) -> None:
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    (tmp_path / "code.py").write_text('x = "1"\nprint(x)\n')
    async with program(from_npm("mcp-server-filesystem"), str(tmp_path)) as found:
        code = {"path": str(tmp_path / "code.py")}
        assert await found.call("read_text_file", code) == ToolResult('x = "1"\nprint(x)\n')
        edit = {"oldText": 'x = "1"', "newText": "x = 2"}
        edited = await found.call("edit_file", {**code, "edits": [edit]})
        assert edited.content.count("+x = 2") == 1
        assert (tmp_path / "code.py").read_text() == "x = 2\nprint(x)\n"

        image = await found.call("read_media_file", {"path": str(tmp_path / "pixel.png")})
        data = b64encode(PIXEL).decode()
        assert image.parts == (Part("image", media=Media("image/png", data)),)
        assert data not in image.content

        listed = await found.call("list_directory", {"path": str(tmp_path)})
        assert listed.content == "[FILE] code.py\n[FILE] pixel.png"
        tree = await found.call("directory_tree", {"path": str(tmp_path)})
        assert [each["name"] for each in _json(tree)] == ["code.py", "pixel.png"]


async def test_the_filesystem_server_refuses_in_its_own_words(
    from_npm: Install, tmp_path: Path
) -> None:
    async with program(from_npm("mcp-server-filesystem"), str(tmp_path)) as found:
        for path, words in (("/etc/passwd", "Access denied"), (str(tmp_path / "a"), "ENOENT")):
            result = await found.call("read_text_file", {"path": path})
            assert result.is_error
            assert words in orjson.loads(result.content)["error"]


async def test_the_memory_server_keeps_what_it_was_told_when_it_is_killed(
    from_npm: Install, tmp_path: Path
) -> None:
    file = str(tmp_path / "memory.jsonl")
    ada = {"name": "Ada", "entityType": "person", "observations": ["likes tea"]}
    async with program(from_npm("mcp-server-memory"), MEMORY_FILE_PATH=file) as found:
        created = await found.call("create_entities", {"entities": [ada]})
        assert orjson.loads(created.content) == {"entities": [ada]}
        unknown = {"observations": [{"entityName": "Bob", "contents": ["x"]}]}
        refused = await found.call("add_observations", unknown)
        assert orjson.loads(refused.content) == {"error": "Entity with name Bob not found"}

        kill_child("mcp-server-memory")
        await found.until_told("has ended with code -9")
        graph = await found.call_once_up("read_graph", {})
        assert orjson.loads(graph.content) == {"entities": [ada], "relations": []}


async def test_the_time_server_converts_and_refuses(from_pypi: Install) -> None:
    async with program(from_pypi("mcp/mcp-server-time"), "--local-timezone", "UTC") as found:
        assert found.names() == ["get_current_time", "convert_time"]
        now = await found.call("get_current_time", {"timezone": "Asia/Tokyo"})
        assert orjson.loads(now.content)["timezone"] == "Asia/Tokyo"
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        converted = await found.call("convert_time", noon)
        assert orjson.loads(converted.content)["time_difference"] == "+9.0h"
        refused = await found.call("get_current_time", {"timezone": "Mars/Olympus"})
        assert refused.is_error
        assert "No time zone found with key Mars/Olympus" in refused.content


async def test_the_fetch_server_reads_a_page_and_says_why_it_cannot(
    from_pypi: Install, tmp_path: Path
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/boats":
            return web.Response(text=PAGE, content_type="text/html")
        return web.Response(status=404)

    fetch = from_pypi("mcp/mcp-server-fetch")
    # With Node in its PATH, its first page of HTML makes it install packages from npm.
    command = (fetch, "--allow-private-ips")
    async with serving(answer) as url, program(*command, PATH=str(tmp_path)) as found:
        page = await found.call("fetch", {"url": f"{url}/boats"})
        assert not page.is_error
        assert "Two of them." in page.content
        missing = await found.call("fetch", {"url": f"{url}/cars"})
        assert missing.is_error
        assert "404" in missing.content
        wrong = await found.call("fetch", {"url": "boats"})
        assert wrong.is_error
        assert "Input should be a valid URL" in wrong.content


def _json(result: ToolResult) -> list[dict[str, str]]:
    found = orjson.loads(result.content)
    value = found["content"] if isinstance(found, dict) else found
    return list(orjson.loads(value) if isinstance(value, str) else value)
