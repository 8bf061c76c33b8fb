"""Tools that the client executes and pictures in both directions, through the whole system."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Start
from tests.services import free_port

META = {"apiVersion": "omnia.altairalabs.ai/v1alpha1"}


def manifest(folder: Path, port: int, responses: dict[str, Any]) -> Path:
    """An agent with one tool, which its client executes."""
    documents = [
        {
            **META,
            "kind": "AgentRuntime",
            "metadata": {"name": "guide"},
            "spec": {
                "prompt": {"system": "You guide."},
                "provider": {"type": "mock", "mock": {"responses": responses}},
                "toolRegistryRef": {"name": "browser"},
                "facade": {"type": "websocket", "port": port},
            },
        },
        {
            **META,
            "kind": "ToolRegistry",
            "metadata": {"name": "browser"},
            "spec": {
                "handlers": [
                    {
                        "name": "browser",
                        "type": "client",
                        "tool": {
                            "name": "locate",
                            "description": "asks where the user is",
                            "inputSchema": {"type": "object"},
                        },
                        "clientConfig": {"consentMessage": "May I know?"},
                    }
                ]
            },
        },
    ]
    path = folder / "guide.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def until(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """Return the next frame of one of the kinds."""
    while True:
        frame: dict[str, Any] = orjson.loads(socket.recv(LIMIT))
        if frame["type"] in kinds:
            return frame


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"type": "tool_result", "tool_result": {"result": {"city": "Bern"}}}, "Bern"),
        ({"type": "tool_result", "tool_result": {"error": "no signal"}}, "no signal"),
        ({"type": "tool_call_nack", "tool_call_nack": {"reason": "private"}}, "private"),
    ],
)
def test_a_client_executes_its_tool_and_the_model_hears_of_it(
    start: Start, tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    port = free_port()
    script = {
        "matches": [
            {"when": "tool_result", "content": "Heard: {{tool_result}}"},
            {"contains": "where", "tool_calls": [{"name": "locate"}]},
        ]
    }
    up = start(manifest(tmp_path, port, script))
    up.wait("ready")
    with connect(f"ws://127.0.0.1:{port}/ws") as socket:
        until(socket, "connected")
        socket.send(orjson.dumps({"type": "message", "content": "where am I?"}), text=True)
        call = until(socket, "tool_call")["tool_call"]
        assert (call["name"], call["execution"]) == ("locate", "client")
        assert call["consent_message"] == "May I know?"
        ack = {"type": "tool_call_ack", "tool_call_ack": {"call_id": call["id"]}}
        socket.send(orjson.dumps(ack), text=True)
        answer[answer["type"]]["call_id"] = call["id"]
        socket.send(orjson.dumps(answer), text=True)
        assert said in until(socket, "done", "error")["content"]


def test_a_pipe_refuses_the_tool_at_once_and_the_model_hears_why(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    script = {
        "matches": [
            {"when": "tool_result", "content": "Heard: {{tool_result}}"},
            {"contains": "where", "tool_calls": [{"name": "locate"}]},
        ]
    }
    start(manifest(tmp_path, free_port(), script)).wait("serving")
    done = subprocess.run(
        [*OMNIA, "chat", "guide", "where am I?"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done
    assert "nobody can be asked" in done.stdout


def test_a_picture_goes_in_and_another_comes_out(start: Start, tmp_path: Path) -> None:
    port = free_port()
    picture = base64.b64encode(b"not really").decode()
    parts = [
        {"type": "text", "text": "as you wish"},
        {"type": "image", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    script = {"scenarios": {"default": {"turns": {1: {"type": "multimodal", "parts": parts}}}}}
    up = start(manifest(tmp_path, port, script))
    up.wait("ready")
    sent = [
        {"type": "text", "text": "paint it red"},
        {"type": "image", "media": {"data": picture, "mime_type": "image/png"}},
    ]
    with connect(f"ws://127.0.0.1:{port}/ws") as socket:
        until(socket, "connected")
        socket.send(orjson.dumps({"type": "message", "parts": sent}), text=True)
        done = until(socket, "done", "error")
    assert done["content"] == "as you wish"
    assert done["parts"][1] == {
        "type": "image",
        "media": {"data": picture, "mime_type": "image/png"},
    }
