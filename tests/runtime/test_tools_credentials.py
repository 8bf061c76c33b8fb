"""What tool servers are shown: the handler's credential, never the caller's."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from omnia_core.files.tools import ToolAuth
from omnia_runtime.tools.credentials import Credential, CredentialUnusable
from tests.runtime import grpc_server, mcp_server
from tests.runtime.scripted import http_tool
from tests.runtime.servers import serving
from tests.runtime.tooling import opened
from tests.services import free_port

ORIGIN = 'the key "token" of the Secret "crm"'


async def echo(request: web.Request) -> web.StreamResponse:
    """Tell which headers arrived."""
    names = {name.lower() for name in request.headers}
    headers = {name: ", ".join(request.headers.getall(name)) for name in names}
    return web.json_response(headers)


def auth(path: Path, kind: str = "bearer") -> dict[str, Any]:
    """The auth block of a handler."""
    return {"auth": {"type": kind, "path": str(path), "origin": ORIGIN}}


def replace(path: Path, text: str) -> None:
    """Replace a file as the kubelet does: another file under the same name."""
    beside = path.with_name("new")
    beside.write_text(text)
    beside.replace(path)


async def test_no_credential_of_the_caller_reaches_a_tool(tmp_path: Path) -> None:
    async with serving(echo) as url, opened(tmp_path, http_tool(url)) as tools:
        headers = msgspec.json.decode((await tools.call()).content)
    assert "authorization" not in headers
    assert "of-the-caller" not in str(headers)
    assert headers.keys() <= {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-length",
        "content-type",
        "x-omnia-session-id",
        "x-omnia-tool-call-id",
        "x-omnia-tool-name",
    }


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("bearer", "abc\n", "Bearer abc"),
        ("serviceAccount", "eyJ.x.y", "Bearer eyJ.x.y"),
        ("basic", "user:pass\n", "Basic " + base64.b64encode(b"user:pass").decode()),
    ],
)
async def test_a_server_is_shown_the_credential_of_its_handler(
    tmp_path: Path, kind: str, content: str, shown: str
) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    async with serving(echo) as url, opened(tmp_path, http_tool(url) | auth(path, kind)) as tools:
        headers = msgspec.json.decode((await tools.call()).content)
    assert headers["authorization"] == shown


async def test_a_new_credential_is_used_from_the_next_call_on(tmp_path: Path) -> None:
    path = tmp_path / "token"
    async with serving(echo) as url, opened(tmp_path, http_tool(url) | auth(path)) as tools:
        before = tools.sources.open(str(tools.path)).sources
        missing = await tools.call()
        shown = []
        for token in ("one", "two", "six"):
            replace(path, token)
            shown.append(msgspec.json.decode((await tools.call()).content)["authorization"])
        path.unlink()
        gone = await tools.call()
        assert tools.sources.open(str(tools.path)).sources == before
    assert shown == ["Bearer one", "Bearer two", "Bearer six"]
    for result in (missing, gone):
        assert result.is_error
        assert "the Secret" in result.content


async def test_neither_arguments_nor_fixed_headers_replace_a_credential(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("real")
    config: dict[str, Any] = {
        "headerParams": {"a": "AUTHORIZATION", "b": "X-Fixed"},
        "headers": {"authorization": "Bearer fixed", "x-fixed": "f"},
    }
    async with (
        serving(echo) as url,
        opened(tmp_path, http_tool(url, **config) | auth(path)) as tools,
    ):
        headers = msgspec.json.decode((await tools.call(a="Bearer mine", b="mine")).content)
    assert headers["authorization"] == "Bearer real"
    assert headers["x-fixed"] == "f"


@pytest.mark.parametrize("content", ["", " \n", "a\nb", "tök", "x" * 100_000])
def test_a_credential_that_fits_in_no_header_is_named_and_not_shown(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(CredentialUnusable) as caught:
        Credential(ToolAuth("bearer", str(path), ORIGIN)).headers()
    assert ORIGIN in str(caught.value)
    assert not content.strip() or content.strip() not in str(caught.value)


async def test_a_credential_is_in_no_log_and_no_error(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401, text="who are you?")

    path = tmp_path / "token"
    path.write_text("s3cr3t-value")
    handlers = [
        http_tool("http://127.0.0.1:1/x", "dead") | auth(path),
        http_tool("http://user:s3cr3t-value@127.0.0.1:1/x?k=s3cr3t-value", "plain"),
    ]
    with capture_logs() as logs:
        async with (
            serving(refuse) as url,
            opened(tmp_path, http_tool(url) | auth(path), *handlers) as tools,
        ):
            results = [await tools.call(each) for each in ("lookup", "dead", "plain")]
    assert all(each.is_error for each in results)
    assert "401" in results[0].content
    assert "s3cr3t-value" not in str(results) + str(logs)


def test_a_kind_of_proof_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match="workloadIdentity"):
        Credential(ToolAuth("workloadIdentity", "/x"))


async def test_a_grpc_server_is_shown_it_too_and_waits_for_one_that_comes_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    server = grpc_server.GRPCTools("echo")
    async with grpc_server.serving(server) as address:
        handler = {"name": "g", "type": "grpc", "grpcConfig": {"endpoint": address}} | auth(path)
        async with opened(tmp_path, handler) as tools:
            assert ORIGIN in tools.problems
            path.write_text("one")
            await tools.until_offered("echo")
            assert not (await tools.call("echo")).is_error
            replace(path, "two")
            assert not (await tools.call("echo")).is_error
    assert [each["authorization"] for each in server.metadata] == ["Bearer one", "Bearer two"]


async def test_an_mcp_server_without_its_credential_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    async with mcp_server.serving("streamable-http", free_port()) as served:
        config = {"transport": "streamable-http", "endpoint": served.url}
        handler = {"name": "m", "type": "mcp", "mcpConfig": config} | auth(path)
        async with opened(tmp_path, handler) as tools:
            assert ORIGIN in tools.problems
            path.write_text("one")
            await tools.changed()
            assert "echo" in tools.names
            assert not (await tools.call("echo", text="a")).is_error
