"""What tools and providers may name, on one machine: Secrets, ConfigMaps, an own authority."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from websockets.sync.client import connect

from tests.end_to_end.conftest import Start
from tests.end_to_end.test_reload import ask
from tests.end_to_end.test_tool_credentials import API, answered
from tests.runtime.grpc_server import certificate
from tests.runtime.servers import ChatServer, chunk, serving
from tests.runtime.test_own_authority import PROGRAM
from tests.services import free_port

ROOT = Path(__file__).parents[2]


def document(kind: str, name: str, **body: Any) -> dict[str, Any]:
    version = "v1" if kind in ("Secret", "ConfigMap") else API
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}


def agent(provider: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {
        "prompt": {"system": "Help.", "toolPolicy": {"maxRounds": 2}},
        "provider": provider,
        "facade": {"type": "websocket", "port": free_port()},
        **more,
    }
    return document("AgentRuntime", "a", spec=spec)


def test_a_program_gets_its_secret_and_a_document_is_read_from_a_config_map(
    start: Start, tmp_path: Path
) -> None:
    matches = [
        {"when": "tool_result", "content": "It has {{tool_result.DOCS_TOKEN}}"},
        {"regex": ".", "tool_calls": [{"name": "environment", "arguments": {}}]},
    ]
    responses = {"defaultResponse": "?", "scenarios": {"default": {"matches": matches}}}
    secret = {"name": "DOCS_TOKEN", "secretRef": {"name": "docs", "key": "token"}}
    program = {
        "transport": "stdio",
        "command": sys.executable,
        "args": ["-c", PROGRAM],
        "workDir": str(ROOT),
        "envFrom": [secret],
    }
    api = {
        "openapi": "3.1.0",
        "info": {},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {"/x": {"get": {"operationId": "x"}}},
    }
    handlers = [
        {"name": "program", "type": "mcp", "mcpConfig": program, "timeout": "60s"},
        {
            "name": "shop",
            "type": "openapi",
            "openAPIConfig": {"specConfigMapRef": {"name": "api", "key": "openapi.json"}},
        },
    ]
    file = tmp_path / "agent.yaml"
    file.write_text(
        yaml.safe_dump_all(
            [
                agent(
                    {"type": "mock", "mock": {"responses": responses}},
                    toolRegistryRef={"name": "tools"},
                ),
                document("ToolRegistry", "tools", spec={"handlers": handlers}),
                document("Secret", "docs", stringData={"token": "k3y"}),
                document("ConfigMap", "api", data={"openapi.json": json.dumps(api)}),
            ]
        )
    )
    ready = start(file).wait("ready", name="a")
    with connect(ready["url"]) as socket:
        answered(socket, "It has k3y")


async def test_a_provider_is_reached_by_the_authority_of_a_config_map(
    start: Start, tmp_path: Path
) -> None:
    tls = certificate(tmp_path, "model")
    text = [chunk({"content": "over TLS"}), chunk({}, "stop")]
    async with serving(ChatServer(text), tls=tls) as url:
        provider = {
            "type": "openai",
            "model": "gpt",
            "baseURL": f"{url}/v1",
            "tls": {"caConfigMapRef": {"name": "ca"}},
        }
        file = tmp_path / "agent.yaml"
        authority = document("ConfigMap", "ca", data={"ca.crt": tls[0].read_text()})
        file.write_text(yaml.safe_dump_all([agent(provider), authority]))
        ready = start(file).wait("ready", name="a")
        assert await asked(ready["url"]) == "over TLS"


async def asked(url: str) -> str:
    def talk() -> str:
        with connect(url) as socket:
            return ask(socket, "hi")

    return await asyncio.to_thread(talk)


def test_a_custom_framework_needs_neither_prompt_nor_provider(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    spec = {"framework": {"type": "custom", "image": "registry.example.com/graph:1"}}
    file.write_text(yaml.safe_dump(document("AgentRuntime", "graph", spec=spec)))
    failed = start(file).wait("failed")
    assert "images are not run here" in failed["reason"]
