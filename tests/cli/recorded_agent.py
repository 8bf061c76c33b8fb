"""An agent with a tool at a real server, and conversations with it in the file of a project."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from omnia_cli.state import Project
from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import Message, SessionSettings
from omnia_core.sessions.audit import AuditTrail, ProviderCall, ToolExecution, timestamp
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: orders}
spec:
  promptPackRef: {name: orders-pack}
  providers: [{name: default, providerRef: {name: orders-model}}]
  toolRegistryRef: {name: orders-tools}
  facade: {type: websocket, handler: runtime}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: orders-pack}
spec:
  version: 1.0.0
  source: {type: configmap, configMapRef: {name: orders-pack}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: orders-pack}
data:
  pack.json: |
    {"id": "orders", "name": "Orders", "version": "1.0.0",
     "template_engine": {"version": "v1", "syntax": "{{variable}}"},
     "prompts": {"main": {"id": "main", "name": "Main", "version": "1.0.0",
       "system_template": "Look orders up. It is {{current_time}}.", "tools": ["look_up"]}},
     "evals": [
       {"id": "date", "type": "regex", "trigger": "every_turn",
        "params": {"pattern": "[0-9] March"}},
       {"id": "used", "type": "tools_called", "trigger": "every_turn",
        "params": {"tools": ["look_up"]}}],
     "tools": {"look_up": {"name": "look_up", "description": "Look an order up.",
       "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: ToolRegistry
metadata: {name: orders-tools}
spec:
  handlers:
    - name: orders
      type: http
      tool:
        name: look_up
        description: Look an order up.
        inputSchema: {type: object, properties: {id: {type: string}}, required: [id]}
      httpConfig: {endpoint: "http://127.0.0.1:PORT/look-up", method: POST}
---
"""
MODEL = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: orders-model}
spec:
  type: mock
  mock:
    responses:
      scenarios:
        default:
          matches:
            - {when: tool_result, content: "ANSWER"}
            - regex: '(?P<id>A-[0-9]+)'
              tool_calls: [{name: look_up, arguments: {id: "{{id}}"}}]
      defaultResponse: Which order?
"""


class ToolServer:
    """A tool server that counts its requests."""

    def __init__(self) -> None:
        self.requests = 0
        counted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                counted.requests += 1
                length = int(self.headers.get("Content-Length", 0))
                order = json.loads(self.rfile.read(length))["id"]
                body = json.dumps(result(order)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    @contextmanager
    def serving(self) -> Iterator[None]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()


def result(order: str) -> dict[str, str]:
    return {"id": order, "date": f"{int(order[2:]) % 28 + 1} March"}


def model(answer: str = "It arrives on {{tool_result.date}}.") -> str:
    return MODEL.replace("ANSWER", answer)


def write_agent(folder: Path, port: int) -> Path:
    folder.mkdir()
    (folder / "agent.yaml").write_text(AGENT.replace("PORT", str(port)) + model())
    return folder


def conversation(order: str) -> tuple[list[Message], AuditTrail]:
    """Return a turn as the agent has it."""
    call = ToolCall("call-1", "look_up", json.dumps({"id": order}))
    found = result(order)
    messages = [
        Message("user", f"Where is {order}?", pack_version="1.0.0"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", json.dumps(found), tool_call_id="call-1"),
        Message("assistant", f"It arrives on {found['date']}.", finish_reason="stop"),
    ]
    now = timestamp()
    trail = AuditTrail(
        "completed",
        turns=1,
        provider_calls=tuple(
            ProviderCall(now, "default", "", "success", cost_usd=0.001, duration_ms=2.0)
            for _ in range(2)
        ),
        tool_calls=(
            ToolExecution(now, "call-1", "look_up", "orders", call.arguments, "success", 5.0),
        ),
    )
    return messages, trail


def record(manifests: Path, state: Path, orders: dict[str, list[str]]) -> None:
    """Store sessions, each with a turn for every order."""
    project = Project.of([manifests], {"XDG_STATE_HOME": str(state)})
    project.create()

    async def store() -> None:
        settings = SessionSettings(ttl=Duration.parse("24h"), namespace="default", agent="orders")
        sessions = SqliteSessionStore(project.sessions, settings)
        for session_id, asked in orders.items():
            length = 0
            for order in asked:
                messages, trail = conversation(order)
                length = await sessions.append(
                    session_id, messages, expected_length=length, audit=trail
                )
        await sessions.close()

    asyncio.run(store())
