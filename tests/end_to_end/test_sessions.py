"""Sessions that outlive `omnia up`."""

import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, Start
from tests.services import MongoServer, PostgresServer, free_port, wait_listening

MANIFESTS = """\
apiVersion: v1
kind: Secret
metadata:
  name: store
stringData:
  url: {url}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: remembers
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You are a friendly assistant.
  session:
    type: {kind}
    storeRef:
      name: store
  provider:
    type: mock
    mock:
      responses:
        scenarios:
          default:
            turns:
              1: first
              2: second
"""


@pytest.mark.parametrize("kind", ["postgres", "mongodb"])
def test_a_conversation_in_a_database_goes_on_after_a_restart(
    start: Start, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    server: PostgresServer | MongoServer = request.getfixturevalue(
        {"postgres": "postgres", "mongodb": "mongo"}[kind]
    )
    manifest = tmp_path / "agent.yaml"
    manifest.write_text(MANIFESTS.format(kind=kind, url=server.url, port=free_port()))
    up = start(manifest)
    url = up.wait("ready", name="remembers")["url"]
    with connect(url) as socket:
        session = str(orjson.loads(socket.recv(LIMIT))["session_id"])
        assert ask(socket) == "first"
    up.stop()

    ready = start(manifest).wait("ready", name="remembers")
    with connect(f"{ready['url']}?session_id={session}") as socket:
        assert ask(socket) == "second"
    wait_listening(urlsplit(ready["history"]).port or 0)
    with urllib.request.urlopen(f"{ready['history']}/api/v1/sessions/{session}") as answer:
        assert orjson.loads(answer.read())["turns"] == 2


def ask(socket: ClientConnection) -> str:
    """Send a message and return the final text."""
    socket.send(orjson.dumps({"type": "message", "content": "hi"}).decode())
    while True:
        frame = orjson.loads(socket.recv(LIMIT))
        if frame["type"] in ("done", "error"):
            return str(frame.get("content", frame.get("error")))
