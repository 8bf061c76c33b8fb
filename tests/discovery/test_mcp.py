import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from aiohttp import web

from omnia_core.env.contract import SecretStr
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import DiscoveryContext
from tests.discovery.given import discover, handler, mcp, silent_server, web_server
from tests.programs import PYTHON
from tests.services import LIMIT, free_port

PATHS = {"streamable-http": "/mcp", "sse": "/sse"}


@contextlib.contextmanager
def running(transport: str, port: int) -> Iterator[str]:
    command = [PYTHON, "-m", "tests.discovery.mcp_server", transport, str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT
    try:
        while True:
            assert process.poll() is None
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
        yield f"http://127.0.0.1:{port}{PATHS[transport]}"
    finally:
        process.terminate()
        process.wait(LIMIT)


@pytest.mark.parametrize("transport", PATHS)
async def test_a_server_tells_its_tools_and_the_filter_chooses_among_them(transport: str) -> None:
    with running(transport, free_port()) as url:
        found = await discover(mcp(url, transport))
        allowed = await discover(mcp(url, transport, toolFilter={"allowlist": ["forecast"]}))
        blocked = await discover(mcp(url, transport, toolFilter={"blocklist": ["forecast"]}))
    assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert [each.name for each in found.tools] == ["forecast", "erase_everything"]
    assert found.tools[0].description == "Tell the weather of the next days."
    assert found.tools[0].input_schema is not None
    assert set(found.tools[0].input_schema["properties"]) == {"city", "days"}
    assert found.tools[0].endpoint == url
    assert [each.name for each in allowed.tools] == ["forecast"]
    assert [each.name for each in blocked.tools] == ["erase_everything"]


async def test_a_server_that_comes_back_is_found_again() -> None:
    port = free_port()
    asked = mcp(f"http://127.0.0.1:{port}/mcp")
    assert (await discover(asked)).status is ToolStatus.UNAVAILABLE
    with running("streamable-http", port):
        assert (await discover(asked)).status is ToolStatus.AVAILABLE
    assert (await discover(asked)).status is ToolStatus.UNAVAILABLE


@pytest.mark.parametrize("transport", PATHS)
async def test_a_dead_port_is_named_with_what_to_do(transport: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    found = await discover(mcp(url, transport))
    assert found.status is ToolStatus.UNAVAILABLE
    assert found.error == (
        f'the mcp server "weather" at {url} does not accept connections: check that it runs and'
        " that its address is correct"
    )


@pytest.mark.parametrize("transport", PATHS)
async def test_a_silent_server_costs_no_more_than_the_timeout(transport: str) -> None:
    async with silent_server() as port:
        began = time.monotonic()
        url = f"http://127.0.0.1:{port}/mcp"
        found = await discover(mcp(url, transport, timeout="300ms"))
    assert time.monotonic() - began < 9
    assert found.error is not None
    assert "did not answer within 0.3 s" in found.error


@pytest.mark.parametrize("transport", PATHS)
async def test_a_refused_credential_is_not_shown(transport: str) -> None:
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers["authorization"])
        return web.Response(status=401, text=request.headers["authorization"])

    auth = {"type": "bearer", "secretRef": {"name": "token", "key": "value"}}
    context = DiscoveryContext("shop", credentials={"weather": SecretStr("hunter2\n")})
    async with web_server(refuse) as url:
        found = await discover(mcp(f"{url}/mcp", transport, auth=auth), context)
    assert set(seen) == {"Bearer hunter2"}
    assert found.error is not None
    assert "refused the credential (status 401)" in found.error
    assert "hunter2" not in repr((found, context))


@pytest.mark.parametrize("transport", PATHS)
async def test_garbage_is_an_answer_of_its_own(transport: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    async with web_server(answer) as url:
        found = await discover(mcp(f"{url}/mcp", transport, timeout="2s"))
    assert found.status is ToolStatus.UNAVAILABLE
    assert found.error is not None
    assert "an unexpected answer" in found.error


async def test_a_wrong_tool_costs_itself_and_is_named() -> None:
    listed = [
        {"name": "tides", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}},
        {"name": "currents", "inputSchema": None},
        {"name": "winds", "inputSchema": {}, "icons": 5},
    ]

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json() if request.can_read_body else {}
        result: JsonObject
        match asked.get("method"):
            case "initialize":
                result = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "raw", "version": "1"},
                }
            case "tools/list":
                result = {"tools": listed}
            case _:
                return web.Response(status=202 if asked.get("id") is None else 405)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    async with web_server(answer) as url:
        found = await discover(mcp(f"{url}/mcp"))
    assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert [tool.name for tool in found.tools] == ["tides", "winds"]
    assert found.tools[0].output_schema == {"type": "array"}
    assert found.remarks == (
        (
            'tool "currents": inputSchema: expected an object, found null; the tool is left out:'
            " correct the server"
        ),
        (
            'tool "winds": inputSchema/type: expected "object", found null; icons: expected a list,'
            " found 5; ignored: correct the server"
        ),
    )


async def test_an_endless_answer_is_cut_off() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b" " * (6 << 20), content_type="application/json")

    async with web_server(answer) as url:
        found = await discover(mcp(f"{url}/mcp"))
    assert found.error is not None
    assert "larger than 5 MiB" in found.error


async def test_a_program_in_the_pod_is_not_asked() -> None:
    config = {"transport": "stdio", "command": "weather-server"}
    found = await discover(handler(name="weather", type="mcp", mcpConfig=config))
    assert found.status is ToolStatus.UNKNOWN
    assert found.endpoint == "stdio://weather-server"
    assert found.error is not None
    assert "a program in the agent's pod" in found.error


async def test_an_identity_of_the_pod_leaves_the_question_to_the_pod() -> None:
    auth = {"type": "serviceAccount", "serviceAccount": {"audience": "tools"}}
    found = await discover(mcp("http://127.0.0.1:1/mcp", auth=auth))
    assert found.status is ToolStatus.UNKNOWN


async def test_a_missing_secret_is_named() -> None:
    auth = {"type": "bearer", "secretRef": {"name": "token", "key": "value"}}
    found = await discover(mcp("http://127.0.0.1:1/mcp", auth=auth))
    assert found.error is not None
    assert 'the key "value" of the Secret "token" is missing or empty: add it' in found.error
