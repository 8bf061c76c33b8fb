"""Manifests that are edited while `omnia up` runs."""

import time
from collections.abc import Callable
from pathlib import Path

import orjson
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.conftest import LIMIT, Start
from tests.services import free_port

Example = Callable[[str], Path]

# A conversation may send 50 messages a second.
BREATH = 0.025

HELLO = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: {name}
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You are a friendly assistant.
  provider:
    type: mock
    mock:
      responses:
        defaultResponse: {answer}
"""


def ask(socket: ClientConnection, content: str) -> str:
    """Send a message and return the final text."""
    socket.send(orjson.dumps({"type": "message", "content": content}).decode())
    while True:
        frame = orjson.loads(socket.recv(LIMIT))
        if frame["type"] in ("done", "error"):
            return str(frame.get("content", frame.get("error")))


def ask_until(socket: ClientConnection, expected: str) -> None:
    """Ask until the answer is as expected."""
    began = time.monotonic()
    while (answer := ask(socket, "hi")) != expected:
        assert time.monotonic() - began < LIMIT, f"still answers {answer!r}"
        time.sleep(BREATH)


def test_an_edit_changes_the_next_turn_of_a_conversation_and_leaves_other_agents_alone(
    start: Start, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    second.write_text(HELLO.format(name="second", port=free_port(), answer="other"))
    up = start(first, second)
    one, other = up.wait("ready", name="first"), up.wait("ready", name="second")

    with connect(one["url"]) as socket, connect(other["url"]) as bystander:
        assert ask(socket, "hi") == "one"
        first.write_text(first.read_text().replace("one", "two"))
        ask_until(socket, "two")
        assert ask(bystander, "hi") == "other"

    assert up.wait("reloaded")["name"] == "first"
    assert not [event for event in up.events if event["event"] == "ready"]


def test_an_edit_of_a_pack_is_in_use_in_the_conversation_under_way(
    start: Start, example: Example
) -> None:
    folder = example("support-agent")
    up = start(folder)
    url = up.wait("ready")["url"]
    pack = folder / "promptpack.yaml"

    with connect(url) as socket:
        ask(socket, "hello")
        # without the tool the mock's call has nowhere to go, and the model is told so
        pack.write_text(pack.read_text().replace('"tools": ["lookup_order"],', '"tools": ["x"],'))
        began = time.monotonic()
        while "oak desk" in ask(socket, "Where is order A-1001?"):
            assert time.monotonic() - began < LIMIT
            time.sleep(BREATH)

    up.wait("reloaded", name="support-agent")


def test_a_broken_edit_is_named_and_the_last_good_one_stays_in_use(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "agent.yaml"
    good = HELLO.format(name="first", port=free_port(), answer="one")
    file.write_text(good)
    up = start(file)
    url = up.wait("ready")["url"]

    with connect(url) as socket:
        file.write_text(good.replace("provider:", "provder:"))
        failed = up.wait("failed", name="first")
        assert ask(socket, "hi") == "one"
        file.write_text(good.replace("one", "two"))
        ask_until(socket, "two")

    assert f"the change is not in use: {file}:" in failed["reason"]
    assert "provder" in failed["reason"]


def test_a_repair_to_the_former_text_is_reported(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    good = HELLO.format(name="first", port=free_port(), answer="one")
    file.write_text(good)
    up = start(file)
    up.wait("serving")

    for broken in (good.replace("provider:", "provder:"), good + "  - no"):
        file.write_text(broken)
        failed = up.wait("failed")
        file.write_text(good)
        assert up.wait("repaired")["name"] == failed["name"]


def test_a_reference_that_breaks_leaves_the_agent_as_it_was(start: Start, example: Example) -> None:
    folder = example("support-agent")
    up = start(folder)
    url = up.wait("ready")["url"]
    up.wait("serving")
    agent = folder / "agent.yaml"
    text = agent.read_text()

    agent.write_text(text.replace("name: support-tools", "name: gone"))
    failed = up.wait("failed", name="support-agent")
    with connect(url) as socket:
        assert ask(socket, "hi")
    agent.write_text(text)

    assert failed["reason"].startswith(f"the change is not in use: {agent}:")
    assert 'there is no ToolRegistry "gone"' in failed["reason"]
    up.wait("repaired", name="support-agent")


def test_agents_come_and_go_with_their_manifests(start: Start, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    up = start(tmp_path)
    up.wait("serving")

    second.write_text(HELLO.format(name="second", port=free_port(), answer="two"))
    url = up.wait("ready", name="second")["url"]
    with connect(url) as socket:
        assert ask(socket, "hi") == "two"
        second.unlink()
        for _ in socket:
            pass
    assert socket.close_code == 1001
