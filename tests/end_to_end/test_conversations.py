"""Conversations by clients that this project did not write, with agents that `omnia up` runs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.end_to_end.conftest import LIMIT, ROOT, Example, Share, Start
from tests.programs import PYTHON
from tests.services import free_port

THREE_TURNS = ("hello", "Where is order A-1001?", "And order Z-9?")


def frames_of_turn(frames: list[dict[str, Any]], turn: int) -> list[dict[str, Any]]:
    """Return the frames from the end of the turn before to the `done` of turn number `turn`."""
    ends = [index for index, frame in enumerate(frames) if frame["type"] == "done"]
    begin = ends[turn - 2] + 1 if turn > 1 else 0
    return frames[begin : ends[turn - 1] + 1]


def assert_three_turns_with_a_tool(frames: list[dict[str, Any]]) -> None:
    assert frames[0]["type"] == "connected"
    assert len({frame["session_id"] for frame in frames}) == 1
    assert [frame["type"] for frame in frames].count("done") == 3

    greeting = frames_of_turn(frames, 1)
    assert [frame["type"] for frame in greeting].count("chunk") > 1

    looked_up = frames_of_turn(frames, 2)
    types = [frame["type"] for frame in looked_up]
    assert types.index("tool_call") < types.index("tool_result") < types.index("chunk")
    call = looked_up[types.index("tool_call")]["tool_call"]
    assert (call["name"], call["arguments"]) == ("lookup_order", {"order_id": "A-1001"})
    result = looked_up[types.index("tool_result")]["tool_result"]
    assert result["id"] == call["id"]
    assert result["result"]["item"] == "oak desk"
    done = looked_up[-1]
    assert "oak desk" in done["content"]
    assert "12 March" in done["content"]
    chunks = [frame["content"] for frame in looked_up if frame["type"] == "chunk"]
    assert len(chunks) > 1
    assert "".join(chunks) == done["content"]
    assert done["usage"]["input_tokens"] > 0
    assert done["usage"]["output_tokens"] > 0

    unknown = frames_of_turn(frames, 3)
    assert "there is no order Z-9" in unknown[-1]["content"]


def test_node_holds_three_turns_with_a_tool_over_http(
    share: Share, need_program: Callable[[str, str], str]
) -> None:
    node = need_program("node", "apt-get install nodejs npm")
    client = ROOT / "tests/clients/node"
    if not (client / "node_modules/ws").is_dir():
        pytest.fail(
            "Node's ws package is not installed: run `make test`, or npm ci in " + str(client)
        )
    url = share("support-agent").url

    done = subprocess.run(
        [node, str(client / "talk.mjs"), url, *THREE_TURNS],
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert_three_turns_with_a_tool([orjson.loads(line) for line in done.stdout.splitlines()])


def test_the_websockets_command_line_holds_three_turns_with_a_tool_over_http(
    share: Share,
) -> None:
    url = share("support-agent").url
    client = subprocess.Popen(
        [sys.executable, "-m", "websockets", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdin
    assert client.stdout

    frames: list[dict[str, Any]] = []
    for turn, text in enumerate(THREE_TURNS, start=1):
        client.stdin.write(orjson.dumps({"type": "message", "content": text}) + b"\n")
        client.stdin.flush()
        while [frame["type"] for frame in frames].count("done") < turn:
            line = client.stdout.readline()
            assert line, "the client ended"
            if found := re.search(rb"< (\{.*\})", line):
                frames.append(orjson.loads(found[1]))
    client.stdin.close()
    client.wait(LIMIT)
    client.stdout.close()

    assert_three_turns_with_a_tool(frames)


def test_omnia_chat_streams_and_shows_tool_calls(share: Share) -> None:
    done = subprocess.run(
        [PYTHON, "-m", "omnia_cli", "chat", "support-agent"],
        input=b"hello\nWhere is order A-1002?\n",
        capture_output=True,
        check=False,
        timeout=LIMIT,
        env=share("support-agent").environment,
    )

    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "→ lookup_order" in text
    assert "floor lamp" in text
    assert "tokens out" in text
    assert "prompt 1.0.0" in text


ANSWERS = {
    "echo-agent": ("ping", "Echo: ping"),
    "demo-agent": ("hello", ""),
    "hello-agent": ("hello", "Hello! My answers are scripted"),
    "rollout-agent": ("hello", "I am the"),
    "forgetful-agent": ("hello", "Hello! My answers are scripted"),
}


def test_every_agent_of_the_examples_answers(
    start: Start, example: Example, environment: dict[str, str]
) -> None:
    start(*map(example, ANSWERS)).wait("serving")

    for name, (message, expected) in ANSWERS.items():
        done = subprocess.run(
            [PYTHON, "-m", "omnia_cli", "chat", name],
            input=message.encode(),
            capture_output=True,
            check=False,
            timeout=LIMIT,
            env=environment,
        )

        assert done.returncode == 0, done.stderr.decode()
        assert len(done.stdout.decode().splitlines()) > 1, name
        assert expected in done.stdout.decode()
        assert "Mock response from" not in done.stdout.decode(), "an example has words of its own"


SLOW = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: slow
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You count.
  provider:
    type: mock
    mock:
      responses:
        defaultResponse: one two three four five six seven eight nine ten
        inter_chunk_ms: 300
"""


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    manifest = tmp_path / "slow.yaml"
    manifest.write_text(SLOW.format(port=free_port()))
    start(manifest).wait("serving")
    chat = subprocess.Popen(
        [PYTHON, "-u", "-m", "omnia_cli", "chat", "slow"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"PYTHONUNBUFFERED": "1"},
    )
    assert chat.stdin
    assert chat.stdout

    chat.stdin.write(b"count\n")
    chat.stdin.flush()
    text = ""
    while "two" not in text:
        piece = os.read(chat.stdout.fileno(), 100).decode()
        assert piece, text
        text += piece
    chat.send_signal(signal.SIGINT)
    while "cancelled" not in text:
        piece = os.read(chat.stdout.fileno(), 100).decode()
        assert piece, text
        text += piece
    chat.stdin.close()
    code = chat.wait(LIMIT)
    chat.stdout.close()

    assert code == 0
    assert "ten" not in text
