"""A SessionRetentionPolicy that is saved while `omnia up` runs."""

from pathlib import Path

import orjson
import pytest
from websockets.sync.client import connect

from tests.end_to_end.conftest import LIMIT, Start
from tests.services import free_port

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: helper
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: Be kind.
  provider:
    type: mock
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: SessionRetentionPolicy
metadata:
  name: retention
spec:
  ttlAfterInactive: {ttl}
"""


def say(url: str, session: str | None = None) -> tuple[str, str]:
    """Say something on a connection of its own; return the session, and how the turn ended."""
    with connect(url if session is None else f"{url}?session_id={session}") as socket:
        hello = orjson.loads(socket.recv(LIMIT))
        assert hello["type"] == "connected"
        spoken = session or hello["session_id"]
        said = {"type": "message", "content": "hi", "session_id": spoken}
        socket.send(orjson.dumps(said).decode())
        while True:
            frame = orjson.loads(socket.recv(LIMIT))
            if frame["type"] in ("done", "error"):
                return spoken, str(frame.get("error", {}).get("code", frame["type"]))


def silent_for(seconds: float, url: str) -> None:
    """Let time pass without using any session: nobody says anything on a new connection."""
    with connect(url) as socket:
        assert orjson.loads(socket.recv(LIMIT))["type"] == "connected"
        with pytest.raises(TimeoutError):
            socket.recv(seconds)


def test_a_policy_that_is_saved_ends_idle_sessions_from_then_on(
    start: Start, tmp_path: Path
) -> None:
    file, port = tmp_path / "agent.yaml", free_port()
    file.write_text(AGENT.format(port=port, ttl="1h"))
    up = start(file)
    before = up.wait("ready")
    session, ended = say(before["url"])
    assert ended == "done"
    assert say(before["url"], session) == (session, "done")

    file.write_text(AGENT.format(port=port, ttl="1s"))
    after = up.wait("ready")
    assert up.wait("reloaded")["name"] == "helper"
    assert after["pids"]["runtime"] != before["pids"]["runtime"]
    session, ended = say(after["url"])
    assert ended == "done"
    silent_for(1.2, after["url"])
    assert say(after["url"], session) == (session, "SESSION_EXPIRED")
