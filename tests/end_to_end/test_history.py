"""What `omnia up` did, as the history tells it."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Answer, Start
from tests.services import PostgresServer, free_port

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
    port: {agent_port}
  prompt:
    system: You are a friendly assistant.
  session:
    type: postgres
    storeRef:
      name: store
  provider:
    type: mock
    model: talk
    mock:
      responses:
        scenarios:
          default:
            turns:
              1: first
              2: second
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: sums-up
spec:
  mode: function
  facade:
    type: grpc
    port: {function_port}
  prompt:
    system: Summarise.
  session:
    type: postgres
    storeRef:
      name: store
  provider:
    type: mock
    model: sum
    mock:
      responses:
        defaultResponse: '{{"summary": "short"}}'
  inputSchema:
    type: object
  outputSchema:
    type: object
    required: [summary]
"""


@pytest.fixture
async def empty(postgres: PostgresServer) -> PostgresServer:
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("DROP SCHEMA IF EXISTS omnia CASCADE")
    await connection.close()
    return postgres


def test_the_history_tells_exactly_what_happened(
    start: Start,
    tmp_path: Path,
    empty: PostgresServer,
    curl: Any,
    environment: dict[str, str],
) -> None:
    manifest = tmp_path / "agents.yaml"
    manifest.write_text(
        MANIFESTS.format(url=empty.url, agent_port=free_port(), function_port=free_port())
    )
    up = start(manifest)
    agent = up.wait("ready", name="remembers")
    function = up.wait("ready", name="sums-up")
    up.wait("serving")
    assert agent["history"] == function["history"]

    with connect(agent["url"]) as socket:
        session = str(orjson.loads(socket.recv(LIMIT))["session_id"])
        assert [ask(socket), ask(socket)] == ["first", "second"]
    json_type = ("-H", "content-type: application/json")
    called: Answer = curl(function["url"], *json_type, "-d", '{"text": "long"}')
    assert called.body["output"] == {"summary": "short"}

    def omnia(*arguments: str) -> str:
        command = [*OMNIA, "sessions", *arguments]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, check=True, timeout=LIMIT
        )
        return done.stdout.decode()

    listed: list[Any] = []
    for _ in range(50):  # the record of a call follows its answer
        listed = [json.loads(line) for line in omnia("list", "--json").splitlines()]
        if len(listed) == 2:
            break
    assert [(each["agent"], each["tag"], each["status"], each["turns"]) for each in listed] == [
        ("sums-up", "function", "completed", 1),
        ("remembers", "agent", "completed", 2),
    ]
    assert (listed[0]["id"], listed[1]["id"]) == (called.body["invocation_id"], session)

    shown = json.loads(omnia("show", session, "--json"))
    said = [each["message"] for each in shown["messages"]]
    assert [(each["role"], each["content"]) for each in said] == [
        ("user", "hi"),
        ("assistant", "first"),
        ("user", "hi"),
        ("assistant", "second"),
    ]
    assert [(each["turn"], each["model"], each["status"]) for each in shown["provider-calls"]] == [
        (1, "talk", "success"),
        (2, "talk", "success"),
    ]
    assert [(each["turn"], each["kind"]) for each in shown["events"]] == [
        (turn, kind) for turn in (1, 2) for kind in ("turn_began", "turn_ended")
    ]
    assert shown["tool-calls"] == []
    tokens = sum(each["input_tokens"] for each in shown["provider-calls"])
    assert shown["session"]["input_tokens"] == tokens

    groups: Answer = curl(f"{agent['history']}/api/v1/aggregates?group_by=agent")
    assert [(each["group"], each["turns"]["count"]) for each in groups.body["groups"]] == [
        ("remembers", 2),
        ("sums-up", 1),
    ]
    follow(session, agent["url"], environment)


def follow(session: str, url: str, environment: dict[str, str]) -> None:
    """Tail the session while it goes on."""
    process = subprocess.Popen(
        [*OMNIA, "sessions", "tail", session], env=environment, cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout
    try:
        seen = [process.stdout.readline().decode() for _ in range(4)]
        assert "turn_began" in seen[0] or "user: hi" in seen[0]
        with connect(f"{url}?session_id={session}") as socket:
            ask(socket, "once more")
        for line in process.stdout:
            if b"user: once more" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def ask(socket: ClientConnection, text: str = "hi") -> str:
    """Send a message and return the final text."""
    socket.send(orjson.dumps({"type": "message", "content": text}).decode())
    while True:
        frame = orjson.loads(socket.recv(LIMIT))
        if frame["type"] in ("done", "error"):
            return str(frame.get("content", frame.get("error")))
