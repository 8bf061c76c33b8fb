"""Servers with a certificate authority of their own, and values from Secrets and ConfigMaps."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from omnia_core.files.config_text import ConfigText
from omnia_core.files.providers import ProviderConfig
from omnia_core.files.tools import ToolHandler
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ProviderError
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.tools.handlers import open_handler
from tests.runtime.grpc_server import certificate
from tests.runtime.mcp_server import serving as serving_mcp
from tests.runtime.mcp_source import started
from tests.runtime.openai_calls import HI, TEXT
from tests.runtime.servers import ChatServer, serving
from tests.runtime.test_openapi_tools import document
from tests.runtime.tooling import LIMIT, called, opened
from tests.services import free_port

PROGRAM = """
import os
from tests.runtime.mcp_server import Calls, make
make(Calls()).run("stdio")
"""
ORIGIN = 'the key "ca.crt" of the ConfigMap "ca"'


def authority(file: Path) -> dict[str, str]:
    return {"text": file.read_text(), "origin": ORIGIN}


def mcp(**more: Any) -> ToolHandler:
    return msgspec.convert({"name": "tools", "type": "mcp", "timeout": "5s", **more}, ToolHandler)


async def test_a_provider_is_reached_by_its_own_authority_and_not_without(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "model")
    client = HTTPClient()
    async with serving(ChatServer(TEXT), tls=tls) as url:
        config = ProviderConfig("default", "openai", "gpt-4o", base_url=f"{url}/v1")
        own = msgspec.structs.replace(config, authority=ConfigText(tls[0].read_text(), ORIGIN))
        events = [event async for event in OpenAIModel(own, None, "KEY", client).stream(HI)]
        with pytest.raises(ProviderError):
            _ = [event async for event in OpenAIModel(config, None, "KEY", client).stream(HI)]
    await client.close()
    assert "".join(getattr(event, "text", "") for event in events) == "Hello ä"


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_an_authority_that_is_none_makes_the_provider_unusable(text: str) -> None:
    config = ProviderConfig("a", "openai", "m", authority=ConfigText(text, ORIGIN))
    with pytest.raises(ValueError, match="ConfigMap"):
        OpenAIModel(config, None, "KEY", HTTPClient())


async def test_a_tool_over_http_is_reached_by_its_own_authority(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"found": True})

    tls = certificate(tmp_path, "tool")
    tool = {"name": "find", "description": "Finds.", "inputSchema": {"type": "object"}}
    async with serving(answer, tls=tls) as url, opened(tmp_path) as tools:
        handler = {"name": "a", "type": "http", "tool": tool, "httpConfig": {"endpoint": url}}
        tools.write({**handler, "authority": authority(tls[0])})
        assert "true" in str((await called(tools.manager(), "find")).content)
        tools.write(handler)
        assert "cannot be reached" in str((await called(tools.manager(), "find")).content)
        tools.write({**handler, "authority": {"origin": ORIGIN}})
        assert f"{ORIGIN} is missing or empty" in tools.problems


async def test_an_mcp_server_gets_headers_also_from_secrets_over_tls(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "mcp")
    secret = tmp_path / "key"
    secret.write_text("one\n")
    async with serving_mcp("streamable-http", free_port(), tls=tls) as served:
        config = {
            "transport": "streamable-http",
            "endpoint": served.url,
            "headers": {"X-Region": "eu"},
            "headersFrom": [{"name": "X-Api-Key", "path": str(secret)}],
        }
        asked = mcp(mcpConfig=config, authority=authority(tls[0]))
        async with started(asked) as begun:
            await begun.until("echo")
            assert served.door.headers[-1]["x-region"] == "eu"
            assert served.door.headers[-1]["x-api-key"] == "one"
            secret.write_text("second\n")
            await begun.call()
            assert "second" in [headers["x-api-key"] for headers in served.door.headers]
        async with started(mcp(mcpConfig=config)) as begun:
            await begun.until_told("certificate")


async def test_a_program_gets_variables_from_secrets_and_is_not_started_without(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "token"
    origin = 'the key "token" of the Secret "docs"'
    config = {
        "transport": "stdio",
        "command": sys.executable,
        "args": ["-c", PROGRAM],
        "workDir": str(Path(__file__).parents[2]),
        "env": {"LEVEL": "info"},
        "envFrom": [{"name": "DOCS_TOKEN", "path": str(secret), "origin": origin}],
    }
    async with started(mcp(mcpConfig=config, timeout="60s")) as begun:
        await begun.until_told(f"{origin} is missing")
        secret.write_text("k3y\n")
        await begun.until("environment")
        said = str((await begun.call("environment")).content)
        assert "k3y" in said
        assert "info" in said


async def test_an_openapi_document_may_be_in_the_file_itself(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path})

    async with serving(answer) as url, opened(tmp_path) as tools:
        text = json.dumps(document(servers=[{"url": f"{url}/v1"}]))
        handler = {"name": "shop", "type": "openapi"}
        tools.write({**handler, "openAPIConfig": {"document": {"text": text}}})
        tools.sources.open(str(tools.path))
        await tools.sources.settled(LIMIT, retry=0)
        assert "getOrder" in tools.names
        said = await called(tools.manager(), "getOrder", id=7)
        assert "/v1/orders/7" in str(said.content)


def test_a_document_that_is_not_there_is_named() -> None:
    config = {"document": {"origin": 'the key "a" of the ConfigMap "b"'}}
    handler = msgspec.convert(
        {"name": "shop", "type": "openapi", "openAPIConfig": config}, ToolHandler
    )
    with pytest.raises(ValueError, match='the key "a" of the ConfigMap "b" is missing or empty'):
        open_handler(handler, HTTPClient())
