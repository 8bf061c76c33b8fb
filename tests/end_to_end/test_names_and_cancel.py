"""A session gets a name, and its turn is stopped, from the command line."""

import json
import subprocess
from pathlib import Path

import orjson
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Start
from tests.services import free_port

MANIFESTS = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata:
  name: talks
spec:
  type: mock
  model: talk
  mock:
    responses:
      scenarios:
        default:
          turns:
            1: first
            2: second
            3: {{content: one two three four, inter_chunk_ms: 60000}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata:
  name: names
spec:
  type: mock
  model: names
  mock:
    responses:
      defaultResponse: '"Lost parcel in Rome"'
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
    type: sqlite
    naming:
      enabled: true
      maxWords: 2
      provider: cheap
  providers:
    - name: default
      providerRef: {{name: talks}}
    - name: cheap
      providerRef: {{name: names}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: another
spec:
  facade:
    type: websocket
    port: {other}
  prompt:
    system: You are a friendly assistant.
  provider:
    type: mock
"""


def until(socket: ClientConnection, kind: str) -> dict[str, object]:
    while True:
        frame: dict[str, object] = orjson.loads(socket.recv(LIMIT))
        if frame["type"] in (kind, "error"):
            return frame


def say(socket: ClientConnection) -> None:
    socket.send(orjson.dumps({"type": "message", "content": "hi"}).decode())


def test_a_session_is_found_by_its_name_and_its_turn_stopped(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    manifest = tmp_path / "agents.yaml"
    manifest.write_text(MANIFESTS.format(port=free_port(), other=free_port()))
    up = start(manifest)
    url = str(up.wait("ready", name="remembers")["url"])
    up.wait("ready", name="another")
    up.wait("serving")

    def omnia(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [*OMNIA, "sessions", *arguments]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, check=False, timeout=LIMIT
        )

    with connect(url) as socket:
        session = str(until(socket, "connected")["session_id"])
        for _ in range(2):
            say(socket)
            until(socket, "done")
        found: list[str] = []
        for _ in range(50):  # The name is made beside the answers.
            listed = omnia("list", "--json", "--name", "lost", "-f", str(manifest)).stdout
            found = [json.loads(line)["id"] for line in listed.splitlines()]
            if found:
                break
        assert found == [session]
        table = omnia("list", "-f", str(manifest)).stdout.decode()
        assert "Lost parcel" in table
        shown = omnia("show", session, "-f", str(manifest)).stdout.decode()
        assert shown.startswith("Lost parcel\n")

        say(socket)
        until(socket, "chunk")
        cancelled = omnia("cancel", session)
        assert (cancelled.returncode, cancelled.stderr) == (0, b"")
        done = until(socket, "done")
        assert (done["finish_reason"], done["content"]) == ("cancelled", "one ")
        assert done["session_name"] == "Lost parcel"
        again = omnia("cancel", session)
        assert again.returncode == 1
        assert b"no turn of the session is running" in again.stderr
        unknown = omnia("cancel", "nobody", "--agent", "remembers")
        assert unknown.returncode == 1
        assert b"unknown or has expired" in unknown.stderr

    with connect(f"{url}?session_id={session}") as socket:
        until(socket, "connected")
        connected = until(socket, "connected")["connected"]
        assert isinstance(connected, dict)
        assert connected["session_name"] == "Lost parcel"
