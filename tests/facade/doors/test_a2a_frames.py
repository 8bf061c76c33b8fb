"""The stream of a task, whatever the turn says: whole, and accepted by the official messages."""

import json
from typing import Any

from a2a.compat.v0_3 import types as old
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_facade.backend.events import (
    Done,
    Failed,
    MediaChunk,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.doors.a2a import v03
from omnia_facade.doors.a2a.frames import SseWriter, TaskFrames
from omnia_facade.runs.run import Run, RunOptions
from tests.facade.doors.a2a_bed import plain_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
EVENTS: st.SearchStrategy[TurnEvent] = st.one_of(
    st.builds(lambda name, text: ToolCallEvent(ToolCall("c", name, text)), TEXT, TEXT),
    st.builds(lambda text, bad: ToolResultEvent("c", ToolResult(text, bad)), TEXT, st.booleans()),
    st.builds(
        lambda data, last: MediaChunk("m", 1, last, "audio/wav", data),
        st.binary(max_size=4),
        st.booleans(),
    ),
)
MEDIA = st.sampled_from(
    [
        Media("image/png", data="aGk="),
        Media("application/json", data="eyJhIjoxfQ=="),
        Media("application/json", data="bm8="),
        Media("text/plain", url="https://example.com/a"),
        Media("image/png", storage_ref="upload-1"),
    ]
)
OUTCOMES: st.SearchStrategy[Done | Failed] = st.one_of(
    st.builds(
        lambda reason, media, usage: Done(
            "", usage, reason, tuple(Part("document", media=each) for each in media)
        ),
        st.sampled_from(["stop", "max_output_tokens", "safety", "refusal", "cancelled"]),
        st.lists(MEDIA, max_size=3),
        st.none() | st.just(Usage(1, 2)),
    ),
    st.builds(Failed, st.just("INTERNAL_ERROR"), TEXT.filter(bool)),
)
ENDS = {pb.TASK_STATE_COMPLETED, pb.TASK_STATE_FAILED, pb.TASK_STATE_CANCELED}


def written(said: list[str | TurnEvent], outcome: Done | Failed, *, shown: bool) -> list[Any]:
    """Return the events of a stream that begins with the run."""
    run = Run("t-1", TurnRequest("s-1"), None, RunOptions(keep=True))  # type: ignore[arg-type]
    frames = TaskFrames(run, SseWriter(lambda response: response), show_tools=shown)
    text = frames.open()
    for piece in said:
        if isinstance(piece, str):
            run.send_text(piece)
            text += frames.text(piece)
        else:
            text += frames.event(piece)
    run._end(outcome)
    text += frames.end(outcome)
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


@given(st.lists(TEXT | EVENTS, max_size=8), OUTCOMES, st.booleans())
def test_every_stream_is_one_of_the_protocol(
    said: list[str | TurnEvent], outcome: Done | Failed, shown: bool
) -> None:
    found = written(said, outcome, shown=shown)
    parsed = [ParseDict(event, pb.StreamResponse()) for event in found]
    assert parsed[0].HasField("task")
    last = parsed[-1].status_update
    assert last.status.state in ENDS | {pb.TASK_STATE_REJECTED}
    states = [each.status_update.status.state for each in parsed if each.HasField("status_update")]
    assert not set(states[:-1]) - {pb.TASK_STATE_WORKING}
    answer = [
        event
        for event in found
        if event.get("artifactUpdate", {"artifact": {"artifactId": "answer"}})["artifact"][
            "artifactId"
        ]
        == "answer"
    ]
    assert plain_text(answer) == "".join(piece for piece in said if isinstance(piece, str))


KINDS: dict[str, Any] = {
    "task": old.Task,
    "status-update": old.TaskStatusUpdateEvent,
    "artifact-update": old.TaskArtifactUpdateEvent,
}


@given(st.lists(TEXT | EVENTS, max_size=5), OUTCOMES)
def test_every_stream_is_one_of_03_too(said: list[str | TurnEvent], outcome: Done | Failed) -> None:
    events: list[JsonObject] = [v03.event(each) for each in written(said, outcome, shown=True)]
    for event in events:
        KINDS[event["kind"]].model_validate(event)
    assert events[-1]["final"] is True
    assert not any(event.get("final") for event in events[:-1])
