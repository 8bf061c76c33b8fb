"""Tools that want a credential, on one machine: from a Secret, or from the environment."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, Start
from tests.end_to_end.test_reload import ask
from tests.services import free_port

API = "omnia.altairalabs.ai/v1alpha1"


class Crm(http.server.BaseHTTPRequestHandler):
    """Serves an OpenAPI document and one operation, which tells who asked."""

    def do_GET(self) -> None:
        """Answer."""
        paths = {"/whoami": {"get": {"operationId": "whoami"}}}
        body: dict[str, Any] = {"who": self.headers.get("Authorization", "nobody")}
        if self.path == "/openapi.json":
            body = {"openapi": "3.1.0", "info": {}, "paths": paths}
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def crm() -> Iterator[str]:
    """The address of a tool server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Crm)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def manifests(crm: str, token: str | None) -> str:
    """An agent whose model always asks who it is."""
    matches = [
        {
            "when": "tool_result",
            "contains": '"who"',
            "content": "You are {{tool_result.who}}",
        },
        {"when": "tool_result", "content": "It failed: {{tool_result}}"},
        {"regex": ".", "tool_calls": [{"name": "whoami", "arguments": {}}]},
    ]
    responses = {"defaultResponse": "?", "scenarios": {"default": {"matches": matches}}}
    agent = {
        "promptPackRef": {"name": "pack"},
        "toolRegistryRef": {"name": "tools"},
        "facade": {"type": "websocket", "port": free_port()},
        "provider": {"type": "mock", "mock": {"responses": responses}},
    }
    auth = {"type": "bearer", "secretRef": {"name": "crm", "key": "CRM_TOKEN"}}
    handler = {
        "name": "crm",
        "type": "openapi",
        "openAPIConfig": {"specURL": f"{crm}/openapi.json"},
        "auth": auth,
    }
    documents = [
        {"apiVersion": API, "kind": "AgentRuntime", "metadata": {"name": "a"}, "spec": agent},
        {
            "apiVersion": API,
            "kind": "ToolRegistry",
            "metadata": {"name": "tools"},
            "spec": {"handlers": [handler]},
        },
        {
            "apiVersion": API,
            "kind": "PromptPack",
            "metadata": {"name": "pack"},
            "spec": {
                "version": "1.0.0",
                "source": {"type": "configmap", "configMapRef": {"name": "pack"}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "pack"},
            "data": {"pack.json": json.dumps(PACK)},
        },
    ]
    if token is not None:
        documents.append(secret(token))
    return yaml.safe_dump_all(documents)


PACK = {
    "id": "pack",
    "name": "Pack",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "prompts": {
        "main": {"id": "main", "name": "Main", "version": "1.0.0", "system_template": "Help."}
    },
}


def secret(token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "crm"},
        "stringData": {"CRM_TOKEN": token},
    }


def answered(socket: ClientConnection, expected: str) -> None:
    """Ask until the answer is as expected: it takes a moment until a changed file is read."""
    began = time.monotonic()
    while (answer := ask(socket, "hi")) != expected:
        assert time.monotonic() - began < LIMIT, f"still answers {answer!r}"


def test_a_new_token_is_used_in_the_conversation_under_way(
    start: Start, tmp_path: Path, crm: str
) -> None:
    file = tmp_path / "agent.yaml"
    text = manifests(crm, "one")
    file.write_text(text)
    up = start(file)
    ready = up.wait("ready", name="a")

    with connect(ready["url"]) as socket:
        answered(socket, "You are Bearer one")
        file.write_text(text.replace("CRM_TOKEN: one", "CRM_TOKEN: two"))
        answered(socket, "You are Bearer two")


def test_a_token_that_is_not_among_the_manifests_comes_from_the_environment(
    start: Start, tmp_path: Path, crm: str
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(manifests(crm, None))
    ready = start(file, CRM_TOKEN="from-the-environment").wait("ready", name="a")

    with connect(ready["url"]) as socket:
        answered(socket, "You are Bearer from-the-environment")
