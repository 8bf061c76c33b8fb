"""MCP tools against servers of the official SDK."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiohttp import web

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
from omnia_runtime.tools.credentials import CredentialUnusable
from omnia_runtime.tools.mcp.handler import MCPSource
from tests.programs import PYTHON
from tests.runtime.mcp_server import LEFT_OPEN, Served, forget, running, serving
from tests.runtime.mcp_source import started, until
from tests.runtime.servers import serving as web_server
from tests.services import LIMIT, free_port

pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)

HTTP = ["streamable-http", "sse"]
ALL = ["streamable-http", "sse", "stdio"]
PATHS = {"streamable-http": "/mcp", "sse": "/sse"}
PROGRAM = {
    "command": PYTHON,
    "args": ["-m", "tests.runtime.mcp_server"],
    "workDir": str(Path(__file__).parents[2]),
}
# A start of Python, whose environment and process group are its own.
STARTED = sys.executable


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    forget()


def handler(transport: str, port: int = 0, timeout: str = "20s", **config: Any) -> ToolHandler:
    if transport == "stdio":
        config = PROGRAM | config
    else:
        config.setdefault("endpoint", f"http://127.0.0.1:{port}{PATHS[transport]}")
    raw = {
        "name": "files",
        "type": "mcp",
        "timeout": timeout,
        "mcpConfig": {"transport": transport, **config},
    }
    return msgspec.convert(raw, ToolHandler)


@contextlib.asynccontextmanager
async def server_of(transport: str, port: int) -> AsyncIterator[Served | None]:
    """Serve, unless the handler starts its server itself."""
    if transport == "stdio":
        yield None
        return
    async with serving(transport, port) as served:
        yield served


@pytest.mark.parametrize("transport", ALL)
async def test_tools_are_listed_and_called(transport: str) -> None:
    port = free_port()
    async with server_of(transport, port), started(handler(transport, port)) as found:
        await found.until("echo", "structured")
        spec = next(each for each in found.source.specs() if each.name == "echo")
        assert spec.description == "Repeat."
        assert list(spec.input_schema["properties"]) == ["text"]
        assert found.source.problem == ""
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", ALL)
async def test_everything_in_a_result_is_kept(transport: str) -> None:
    port = free_port()
    async with server_of(transport, port), started(handler(transport, port)) as found:
        structured = await found.call("structured", {"count": 2})
        mixed = await found.call("mixed")
    assert orjson.loads(structured.content) == {"count": 2, "name": "ä"}
    assert mixed.content == (
        "before\n[resource rows: file:///a.csv (text/csv)]\n[resource memo://1]\nremember\n"
        "[resource file:///a.bin: 3 bytes of unknown type]"
    )
    assert [each.type for each in mixed.parts] == ["image", "audio", "document"]
    assert mixed.parts[1] == Part("audio", media=Media("audio/wav", "AAAA"))
    assert mixed.parts[0].media
    assert mixed.parts[0].media.mime_type == "image/png"


@pytest.mark.parametrize("transport", ALL)
async def test_an_error_of_the_tool_is_a_result(transport: str) -> None:
    port = free_port()
    async with server_of(transport, port), started(handler(transport, port)) as found:
        result = await found.call("fails")
        assert result.is_error
        assert "no such order" in orjson.loads(result.content)["error"]
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_calls_run_side_by_side(transport: str) -> None:
    port = free_port()
    async with serving(transport, port) as served, started(handler(transport, port)) as found:
        waiting = asyncio.create_task(found.call("slow"))
        await asyncio.wait_for(served.calls.slow.wait(), LIMIT)
        assert [await found.call() for _ in range(3)] == [ToolResult("hi")] * 3
        served.calls.answers.set()
        assert (await waiting).content == "at last"


@pytest.mark.parametrize("transport", ALL)
async def test_new_tools_are_told_by_the_server(transport: str) -> None:
    port = free_port()
    async with server_of(transport, port), started(handler(transport, port)) as found:
        assert "grown" not in found.names()
        await found.call("grow")
        await found.until("grown")
        assert found.changes == 2


async def test_a_server_of_the_old_protocol_is_spoken_to_as_well() -> None:
    port = free_port()
    async with serving("streamable-http", port) as served:
        served.door.old = True
        async with started(handler("streamable-http", port)) as found:
            assert found.source.problem == ""
            assert await found.call() == ToolResult("hi")
            assert any("mcp-session-id" in each for each in served.door.headers)
            await found.call("grow")
            await found.until("grown")


async def test_a_session_that_the_server_has_forgotten_is_begun_anew_without_a_lost_call() -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with serving("streamable-http", port) as served:
            served.door.old = True
            found = await stack.enter_async_context(started(handler("streamable-http", port)))
            assert await found.call() == ToolResult("hi")
        async with serving("streamable-http", port) as served:
            served.door.old = True
            assert await found.call() == ToolResult("hi")


class Plain:
    """A server that was written by hand: it tells no changes, and lists a tool a page."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read() or b"{}")
        method, number = asked.get("method"), asked.get("id")
        result: JsonObject | None = None
        error: JsonObject | None = None
        match method:
            case "initialize":
                result = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "plain", "version": "1"},
                }
            case "tools/list":
                page = int((asked.get("params") or {}).get("cursor", 0))
                result = {"tools": [{"name": self.names[page], "inputSchema": {"type": "object"}}]}
                if page + 1 < len(self.names):
                    result["nextCursor"] = str(page + 1)
            case "tools/call":
                error = {"code": -32602, "message": "text is missing"}
            case _:
                return web.Response(status=202 if method and number is None else 405)
        said = {"error": error} if error else {"result": result}
        return web.json_response({"jsonrpc": "2.0", "id": number, **said})


async def test_new_tools_are_asked_for_when_the_server_does_not_tell() -> None:
    plain = Plain("one")
    async with (
        web_server(plain) as url,
        started(handler("streamable-http", endpoint=f"{url}/mcp"), interval=0.05) as found,
    ):
        assert found.names() == ["one"]
        plain.names += ["two", "three"]
        await found.until("one", "two", "three")
        assert found.source.problem == ""


async def test_wrong_arguments_may_be_mended_by_the_model() -> None:
    async with (
        web_server(Plain("one")) as url,
        started(handler("streamable-http", endpoint=f"{url}/mcp")) as found,
    ):
        with pytest.raises(ToolRetry, match="refuses the arguments: text is missing"):
            await found.call("one")


async def test_the_filter_chooses_among_the_tools() -> None:
    port = free_port()
    chosen = {"allowlist": ["e*", "fails"], "blocklist": ["end", "en*"]}
    asked = handler("streamable-http", port, toolFilter=chosen)
    async with serving("streamable-http", port), started(asked) as found:
        assert found.names() == ["echo", "fails"]


@pytest.mark.parametrize("transport", HTTP)
async def test_a_server_that_is_dead_at_the_start_is_found_when_it_comes(transport: str) -> None:
    port = free_port()
    async with started(handler(transport, port)) as found:
        assert found.source.problem.startswith("does not accept connections")
        with pytest.raises(ToolFailed) as failed:
            await found.call()
        assert "is not connected: it does not accept connections" in str(failed.value)
        assert str(failed.value).endswith("; the runtime keeps trying")
        assert failed.value.server_fault
        async with serving(transport, port):
            await found.until("echo")
            assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_server_that_is_killed_ends_its_calls_and_serves_again_when_it_is_back(
    transport: str,
) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with running(transport, port):
            found = await stack.enter_async_context(started(handler(transport, port)))
            assert await found.call() == ToolResult("hi")
            waiting = asyncio.create_task(found.call("slow"))
            # the program answers after it has got the other call
            assert await found.call() == ToolResult("hi")
        with pytest.raises(ToolFailed, match='handler "files" ') as failed:
            await waiting
        assert failed.value.server_fault
        await found.until_told("does not accept connections")
        assert "echo" in found.names()
        async with running(transport, port):
            await until(lambda: not found.source.problem)
            assert await found.call() == ToolResult("hi")


async def test_a_program_that_ends_is_started_again() -> None:
    async with started(handler("stdio")) as found:
        with pytest.raises(ToolFailed, match="has ended with code 3") as failed:
            await found.call("end")
        assert failed.value.server_fault

        await until(lambda: bool(found.source.problem))
        await until(lambda: not found.source.problem)
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_slow_server_has_as_long_as_the_handler_says(transport: str) -> None:
    port = free_port()
    async with (
        serving(transport, port) as served,
        started(handler(transport, port, timeout="1s")) as found,
    ):
        with pytest.raises(ToolFailed, match="did not answer within 1 s") as failed:
            await found.call("slow")
        assert failed.value.server_fault
        await asyncio.wait_for(served.calls.cancelled.wait(), LIMIT)
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_cancelled_call_is_cancelled_at_the_server(transport: str) -> None:
    port = free_port()
    async with serving(transport, port) as served, started(handler(transport, port)) as found:
        running = asyncio.create_task(found.call("slow"))
        await asyncio.wait_for(served.calls.slow.wait(), LIMIT)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(served.calls.cancelled.wait(), LIMIT)
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_call_that_runs_when_the_handler_is_closed_fails(transport: str) -> None:
    port = free_port()
    async with serving(transport, port) as served, started(handler(transport, port)) as found:
        running = asyncio.create_task(found.call("slow"))
        await asyncio.wait_for(served.calls.slow.wait(), LIMIT)
        await found.source.close()
        with pytest.raises(ToolFailed, match='handler "files" '):
            await running


@pytest.mark.parametrize("transport", HTTP)
async def test_a_silent_server_is_given_up_and_asked_again(transport: str) -> None:
    connections = 0

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await done.wait()
        writer.close()

    done, port = asyncio.Event(), free_port()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", port)
    try:
        async with started(handler(transport, port, timeout="300ms")) as found:
            assert "did not answer within 0.3 s" in found.source.problem
            await until(lambda: connections > 1)
    finally:
        done.set()
        server.close()


@pytest.mark.parametrize("transport", HTTP)
async def test_another_protocol_is_told_as_it_is(transport: str) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    async with web_server(page) as url:
        asked = handler(transport, endpoint=f"{url}/mcp", timeout="2s")
        async with started(asked) as found:
            assert "something else than MCP" in found.source.problem


async def test_a_program_that_is_no_mcp_server_is_told_as_it_is() -> None:
    script = ["-c", "echo I am no MCP server; cat > /dev/null"]
    asked = handler("stdio", timeout="500ms", command="sh", args=script)
    async with started(asked) as found:
        await found.until_told("something else than MCP")


@pytest.mark.parametrize("json", [True, False], ids=["json", "stream"])
async def test_a_result_that_is_too_large_costs_no_other_call(*, json: bool) -> None:
    port = free_port()
    async with (
        serving("streamable-http", port, json=json) as served,
        started(handler("streamable-http", port)) as found,
    ):
        served.door.old = json
        other = asyncio.create_task(found.call("slow"))
        await asyncio.wait_for(served.calls.slow.wait(), LIMIT)
        with pytest.raises(ToolFailed, match="too large"):
            await found.call("huge")
        served.calls.answers.set()
        assert (await other).content == "at last"


@pytest.mark.parametrize("transport", ["sse", "stdio"])
async def test_a_result_that_is_too_large_for_one_stream_ends_it_and_it_is_opened_again(
    transport: str,
) -> None:
    port = free_port()
    async with server_of(transport, port), started(handler(transport, port)) as found:
        with pytest.raises(ToolFailed, match='handler "files" '):
            await found.call("huge")
        await until(lambda: "too large" in found.source.problem)
        await until(lambda: not found.source.problem)
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_credential_that_was_replaced_is_used_without_a_lost_call(transport: str) -> None:
    tokens = ["first"]

    def headers() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {tokens[-1]}"}

    port = free_port()
    async with (
        serving(transport, port) as served,
        started(handler(transport, port), headers=headers) as found,
    ):
        assert await found.call() == ToolResult("hi")
        seen = len(served.door.headers)
        tokens.append("second")
        assert await found.call() == ToolResult("hi")
        assert {each["authorization"] for each in served.door.headers[:seen]} == {"Bearer first"}
        assert served.door.headers[-1]["authorization"] == "Bearer second"


@pytest.mark.parametrize("transport", HTTP)
async def test_a_refused_credential_is_told_and_tried_again(transport: str) -> None:
    port = free_port()
    async with (
        serving(transport, port) as served,
        started(handler(transport, port), headers=lambda: {"Authorization": "hunter2"}) as found,
    ):
        served.door.refuses = 401
        with pytest.raises(ToolFailed) as failed:
            await found.call()
        await found.until_told("refused the credential (status 401): correct auth or its Secret")
        assert "hunter2" not in found.source.problem + str(failed.value)
        served.door.refuses = 0
        await until(lambda: not found.source.problem)
        assert await found.call() == ToolResult("hi")


async def test_a_missing_credential_is_named_and_waited_for() -> None:
    missing = ['the key "token" of the Secret "files" is missing: add it']

    def headers() -> Mapping[str, str]:
        if missing:
            raise CredentialUnusable(missing[0])
        return {}

    port = free_port()
    async with (
        serving("streamable-http", port),
        started(handler("streamable-http", port), headers=headers) as found,
    ):
        assert found.source.problem == missing[0]
        missing.clear()
        await until(lambda: not found.source.problem)
        assert await found.call() == ToolResult("hi")


@pytest.mark.parametrize("transport", HTTP)
async def test_a_private_address_may_be_refused_before_anything_is_said_there(
    transport: str,
) -> None:
    port = free_port()
    async with (
        serving(transport, port) as served,
        started(handler(transport, port), deny_private=True) as found,
    ):
        assert "is at a private address" in found.source.problem
        assert served.door.headers == []


async def test_a_call_is_tried_again_as_often_as_the_policy_says() -> None:
    port = free_port()
    policy = {"maxAttempts": 10, "initialBackoff": "50ms", "maxBackoff": "1s"}
    async with started(handler("streamable-http", port, retryPolicy=policy)) as found:
        running = asyncio.create_task(found.call())
        async with serving("streamable-http", port):
            assert await running == ToolResult("hi")


async def test_one_dead_server_does_not_touch_another() -> None:
    port = free_port()
    async with (
        serving("streamable-http", port),
        started(handler("stdio", command="/no/such/program")) as dead,
        started(handler("streamable-http", port)) as well,
    ):
        assert "is a program that does not exist" in dead.source.problem
        assert await well.call() == ToolResult("hi")


async def test_a_program_has_the_environment_of_its_handler_and_not_of_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIA_PROVIDER_DEFAULT_API_KEY", "hunter2")
    env = {"TOKEN": "mine", "PYTHONPATH": PROGRAM["workDir"]}
    async with started(handler("stdio", env=env, command=STARTED, workDir=str(tmp_path))) as found:
        seen = orjson.loads((await found.call("environment")).content)
    assert seen["TOKEN"] == "mine"
    assert seen["PWD"] == str(tmp_path)
    assert set(seen) <= {
        *("TOKEN", "PYTHONPATH", "PWD", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"),
        # which the interpreter sets itself
        "LC_CTYPE",
    }


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended is there until its parent has asked how
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_program_is_ended_with_all_that_it_started() -> None:
    async with started(
        handler("stdio", args=[*PROGRAM["args"], "--noisy"], command=STARTED)
    ) as found:
        pid = int((await found.call("child")).content)
        assert _alive(pid)
    await until(lambda: not _alive(pid))


async def test_a_program_that_is_being_ended_is_ended_when_its_handler_goes() -> None:
    async with started(handler("stdio", command=STARTED)) as found:
        pid = int((await found.call("child")).content)
        # it waits for somebody to read what it has to say
        with pytest.raises(ToolFailed, match="too large"):
            await found.call("huge")
    await until(lambda: not _alive(pid))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"transport": "carrier-pigeon"}, "streamable-http, sse, stdio"),
        ({"transport": "stdio"}, "add mcpConfig.command"),
        ({"transport": "sse", "endpoint": "ftp://x"}, "http or https URL"),
    ],
)
def test_what_cannot_be_done_is_named(config: JsonObject, said: str) -> None:
    raw = {"name": "files", "type": "mcp", "mcpConfig": config}
    with pytest.raises(ValueError, match=said):
        MCPSource(msgspec.convert(raw, ToolHandler))


def test_the_sdk_is_loaded_by_handlers_that_need_it_only() -> None:
    script = """
import sys
import omnia_runtime.app
import omnia_runtime.tools.handlers
import omnia_runtime.tools.mcp.handler
assert not {"mcp", "pydantic", "httpx2", "anyio"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=LIMIT)
