"""The UI message stream: what is written, and what the AI SDK reads."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.sse.ui_messages import DONE, UIMessageWriter
from tests.services import LIMIT

CLIENT = Path(__file__).parents[1] / "clients/node"
CALL = ToolCall("c1", "weather", '{"city": "Rome"}')


@pytest.fixture
def read_by_ai_sdk(need_program: Callable[[str, str], str]) -> Callable[[str], Any]:
    """Read a stream as the AI SDK's useChat does."""
    node = need_program("node", "apt-get install nodejs npm")
    if not (CLIENT / "node_modules/ai").is_dir():
        pytest.fail(f"The package ai is not installed: run `make test`, or npm ci in {CLIENT}")

    def read(stream: str) -> Any:
        done = subprocess.run(
            [node, "read_ui_messages.mjs"],
            cwd=CLIENT,
            input=stream.encode(),
            capture_output=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return read


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]


def whole(writer: UIMessageWriter) -> str:
    return (
        writer.start({"sessionId": "s1"})
        + writer.text("Let me ")
        + writer.text("look.")
        + writer.tool_called(CALL)
        + writer.tool_called(ToolCall("c2", "broken", "not JSON"))
        + writer.tool_answered(CALL, ToolResult('{"sky": "blue", "big": 123456789012345678901}'))
        + writer.tool_answered(ToolCall("c2", "broken"), ToolResult("no", is_error=True))
        + writer.text("It is blue.")
        + writer.file(Media("image/png", "aGk="))
        + writer.end_answer()
        + writer.data("session", {"sessionId": "s1"})
        + writer.finish("stop")
        + DONE
    )


def test_the_ai_sdk_reads_text_tools_media_and_data(
    read_by_ai_sdk: Callable[[str], Any],
) -> None:
    found = read_by_ai_sdk(whole(UIMessageWriter("m1")))
    assert found["errors"] == []
    message = found["message"]
    assert (message["id"], message["metadata"]) == ("m1", {"sessionId": "s1"})
    parts = [part for part in message["parts"] if part["type"] != "step-start"]
    assert [part["type"] for part in parts] == [
        "text", "dynamic-tool", "dynamic-tool", "text", "file", "data-session",
    ]  # fmt: skip
    assert [part["text"] for part in parts if part["type"] == "text"] == [
        "Let me look.", "It is blue.",
    ]  # fmt: skip
    weather, broken = parts[1:3]
    assert (weather["state"], weather["input"]) == ("output-available", {"city": "Rome"})
    assert weather["output"]["sky"] == "blue"
    assert (broken["state"], broken["errorText"]) == ("output-error", "no")
    assert parts[4]["url"] == "data:image/png;base64,aGk="
    # Two model calls: the second one saw the results.
    assert sum(part["type"] == "step-start" for part in message["parts"]) == 2


def test_the_ai_sdk_reads_an_error_and_an_abort(read_by_ai_sdk: Callable[[str], Any]) -> None:
    failed = UIMessageWriter("m1")
    text = failed.start({}) + failed.text("half") + failed.error("the model is gone") + DONE
    found = read_by_ai_sdk(text)
    assert any("the model is gone" in error for error in found["errors"])
    aborted = UIMessageWriter("m2")
    text = aborted.start({}) + aborted.text("half") + aborted.end_answer() + aborted.abort() + DONE
    found = read_by_ai_sdk(text)
    assert found["errors"] == []
    assert [part["text"] for part in found["message"]["parts"] if part["type"] == "text"] == [
        "half"
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stop", "stop"),
        ("max_output_tokens", "length"),
        ("safety", "content-filter"),
        ("refusal", "content-filter"),
        ("error", "error"),
        ("tool_use", "other"),
    ],
)
def test_finish_reasons_are_those_of_the_ai_sdk(ours: str, theirs: str) -> None:
    assert events(UIMessageWriter("m").finish(ours)) == [{"type": "finish", "finishReason": theirs}]


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), max_size=8))
def test_whatever_is_said_arrives(pieces: list[str]) -> None:
    writer = UIMessageWriter("m")
    sent = "".join(writer.text(piece) for piece in pieces) + writer.end_answer()
    assert all("\n" not in line for line in sent.split("\n\n"))
    found = events(sent)
    said = "".join(each["delta"] for each in found if each["type"] == "text-delta")
    expected = "".join(
        piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for piece in pieces
    )
    assert said == expected
    kinds = [each["type"] for each in found]
    assert kinds.count("text-start") == kinds.count("text-end") == bool(pieces)
