"""The pure halves of the OpenAI and AG-UI doors, with input that is nearly right."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_facade.backend.events import Done, Failed, ToolCallEvent, ToolResultEvent, TurnEvent
from omnia_facade.doors.agui.frames import RunFrames
from omnia_facade.doors.agui.request import read_run
from omnia_facade.doors.errors import DoorFailed
from omnia_facade.doors.history import (
    SentMessage,
    divide,
    results_as_parts,
    seed,
    tool_result,
)
from omnia_facade.doors.openai.completions_frames import Completion, CompletionFrames
from omnia_facade.doors.openai.completions_request import read_completion
from omnia_facade.doors.openai.lineage import digest_of
from omnia_facade.doors.openai.models import AgentModel
from omnia_facade.doors.openai.refusals import error_document
from omnia_facade.doors.openai.responses_frames import ResponseFrames, ResponseHead, input_items
from omnia_facade.doors.openai.responses_request import ResponseId, read_response_request
from omnia_facade.doors.port import Frames
from tests.facade.doors.bed import events_of

FUNCTION = {"name": "pick", "description": "x", "parameters": {"type": "object"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "pick", "arguments": "{}"}}
PIXEL = "data:image/png;base64,aGk="
GOOD: dict[str, tuple[Callable[[bytes], Any], dict[str, Any]]] = {
    "completion": (
        read_completion,
        {
            "model": "agent",
            "messages": [
                {"role": "system", "content": "x"},
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "7"},
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                        {"type": "file", "file": {"file_data": PIXEL, "filename": "a.png"}},
                        {"type": "video_url", "video_url": {"url": "https://example.com/v"}},
                    ],
                },
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "metadata": {"session_id": "s", "a": "b"},
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": "auto",
            "temperature": 1,
            "n": 1,
            "response_format": {"type": "text"},
        },
    ),
    "response": (
        read_response_request,
        {
            "model": "agent",
            "input": [
                {"type": "message", "role": "user", "content": "a"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "b", "annotations": []}],
                },
                {"type": "function_call", "call_id": "c1", "name": "pick", "arguments": "{}"},
                {"type": "reasoning", "summary": []},
                {"type": "function_call_output", "call_id": "c1", "output": "7"},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "c"},
                        {"type": "input_image", "image_url": PIXEL},
                        {"type": "input_file", "file_data": PIXEL, "filename": "a"},
                    ],
                },
            ],
            "conversation": {"id": "s"},
            "stream": False,
            "background": True,
            "metadata": {"a": "b"},
            "tools": [{"type": "function", **FUNCTION}],
            "text": {"format": {"type": "text"}},
        },
    ),
    "run": (
        read_run,
        {
            "threadId": "t",
            "runId": "r",
            "messages": [
                {"id": "1", "role": "user", "content": "a"},
                {"id": "2", "role": "assistant", "content": "b", "toolCalls": [CALL]},
                {"id": "3", "role": "tool", "toolCallId": "c1", "content": "7"},
                {
                    "id": "4",
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "c"},
                        {
                            "type": "image",
                            "source": {"type": "data", "value": "aGk=", "mimeType": "image/png"},
                        },
                    ],
                },
            ],
            "tools": [FUNCTION],
            "context": [{"description": "d", "value": "v"}],
            "state": {},
            "forwardedProps": {"a": "b"},
            "resume": [{"interruptId": "c1", "status": "resolved", "payload": 1}],
        },
    ),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places in a JSON value."""
    found = [path]
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a JSON value with another one at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("name", GOOD)
def test_the_good_request_is_taken(name: str) -> None:
    read, body = GOOD[name]
    request = read(orjson.dumps(body))
    assert request.conversation.parts
    assert request.conversation.results[0].call_id == "c1"


def refusal(read: Callable[[bytes], Any], body: bytes) -> DoorFailed | None:
    """Return why a body is refused; None if it is taken."""
    try:
        read(body)
    except DoorFailed as failed:
        return failed
    return None


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
def test_a_request_that_is_changed_somewhere_is_taken_or_refused(
    name: str, data: st.DataObject
) -> None:
    read, body = GOOD[name]
    path = data.draw(st.sampled_from(places(body)))
    wrong = json.dumps(changed(body, path, data.draw(JSON))).encode()
    cut = data.draw(st.integers(0, len(wrong)))
    for sent in (wrong, wrong[:cut]):
        failed = refusal(read, sent)
        if failed:
            assert failed.message
            assert failed.meaning.status in (400, 404)
            json.dumps(error_document(failed))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CALLS = st.builds(ToolCall, st.text("abc", min_size=1, max_size=3), st.just("pick"), TEXT)
EVENTS = st.lists(
    st.one_of(
        TEXT.filter(bool),
        st.builds(ToolCallEvent, CALLS, st.booleans()),
        st.builds(
            ToolResultEvent, st.text("abc", min_size=1, max_size=3), st.just(ToolResult("{}"))
        ),
    ),
    max_size=12,
)
ENDS = st.one_of(
    st.builds(
        Done,
        TEXT,
        st.none() | st.just(Usage(1, 2)),
        st.sampled_from(
            ["stop", "max_output_tokens", "tool_use", "safety", "refusal", "cancelled", "other"]
        ),
    ),
    st.builds(Failed, st.sampled_from(["INTERNAL_ERROR", "RATE_LIMITED", "STRANGE"]), TEXT),
    st.none(),
)


def written(frames: Frames, events: list[str | TurnEvent], end: Done | Failed | None) -> list[Any]:
    """Return the data of the events of a whole answer; without an end the run is parked."""
    calls = [event for event in events if isinstance(event, ToolCallEvent) and event.by_client]
    text = frames.open()
    for event in events:
        text += frames.text(event) if isinstance(event, str) else frames.event(event)
    text += frames.park(calls) if end is None else frames.end(end)
    return list(events_of(text.encode()))


def said(events: list[str | TurnEvent]) -> str:
    return "".join(event for event in events if isinstance(event, str))


@given(EVENTS, ENDS, st.booleans())
def test_every_completion_is_read_back(
    events: list[str | TurnEvent], end: Done | Failed | None, usage: bool
) -> None:
    frames = CompletionFrames(Completion("chatcmpl-1", 'a"gent', 1), include_usage=usage)
    chunks = written(frames, events, end)
    choices = [
        chunk["choices"][0] for chunk in chunks if chunk != "[DONE]" and chunk.get("choices")
    ]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == said(events)
    regular = end is None or (isinstance(end, Done) and end.finish_reason != "cancelled")
    assert (chunks[-1] == "[DONE]") is regular
    if regular:
        reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
        assert len(reasons) == 1
        assert reasons[0] in ("stop", "length", "content_filter", "tool_calls")


@given(EVENTS, ENDS, st.integers(-1, 20))
def test_every_response_has_events_without_gaps_and_is_streamed_again_alike(
    events: list[str | TurnEvent], end: Done | Failed | None, after: int
) -> None:
    head = ResponseHead("resp_s_1", "1", "s", "agent", 1)
    frames = ResponseFrames(head, lambda: 2.0)
    sent = written(frames, events, end)
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    final = sent[-1]["response"]
    assert final == frames.document
    text = "".join(
        part["text"]
        for item in final["output"]
        if item["type"] == "message"
        for part in item["content"]
    )
    assert text == said(events)
    added = [event["item"]["id"] for event in sent if event["type"].endswith("item.added")]
    done = [event["item"]["id"] for event in sent if event["type"].endswith("item.done")]
    assert added == done
    assert len(set(added)) == len(added)
    again = written(ResponseFrames(head, lambda: 2.0, after), events, end)
    assert again == [event for event in sent if event["sequence_number"] > after]


@given(EVENTS, ENDS, st.booleans())
def test_every_run_is_well_formed(
    events: list[str | TurnEvent], end: Done | Failed | None, show: bool
) -> None:
    frames = RunFrames(
        "t", "r", model="agent", message="m", show_tools=show, ignored={"omnia.ignored": ["state"]}
    )
    sent = written(frames, events, end)
    assert sent[0]["type"] == "RUN_STARTED"
    assert sent[-1]["type"] == ("RUN_ERROR" if isinstance(end, Failed) else "RUN_FINISHED")
    deltas = [event["delta"] for event in sent if event["type"] == "TEXT_MESSAGE_CONTENT"]
    assert "".join(deltas) == said(events)
    open_message = ""
    for event in sent:
        assert None not in event.values()
        if event["type"] == "TEXT_MESSAGE_START":
            assert not open_message
            open_message = event["messageId"]
        elif event["type"] == "TEXT_MESSAGE_CONTENT":
            assert event["messageId"] == open_message
        elif event["type"] == "TEXT_MESSAGE_END":
            assert event["messageId"] == open_message
            open_message = ""
        elif event["type"] not in ("RUN_ERROR", "CUSTOM"):
            assert not open_message


MESSAGES = st.lists(
    st.builds(
        SentMessage,
        st.sampled_from(["user", "assistant", "tool"]),
        st.lists(st.builds(Part, st.just("text"), TEXT), max_size=2).map(tuple),
        st.lists(CALLS, max_size=2).map(tuple),
        st.text("abc", max_size=2),
    ),
    max_size=8,
)


@given(MESSAGES)
def test_no_word_of_a_conversation_is_lost_when_it_is_divided(messages: list[SentMessage]) -> None:
    divided = divide(messages)
    new = "".join(part.text for part in divided.parts)
    for message in messages[len(divided.before) :]:
        if message.role == "user":
            assert message.text in new
    told = "".join(part.text for part in results_as_parts(divided))
    for result in divided.results:
        assert result.text in told
        json.loads(tool_result(result).result_json)
    seeded = "\n".join(message.content for message in seed(divided.before))
    for message in divided.before:
        assert message.text in seeded
    assert {message.role for message in seed(messages)} <= {"user", "assistant"}


@given(MESSAGES, MESSAGES)
def test_the_key_of_a_conversation_grows_with_it(
    before: list[SentMessage], more: list[SentMessage]
) -> None:
    assert digest_of([*before, *more]) == digest_of(more, digest_of(before))


def test_white_space_does_not_make_another_conversation() -> None:
    def one(text: str) -> bytes:
        return digest_of([SentMessage("user", (Part("text", text),))])

    assert one("a  b\n") == one("a b") != one("ab")
    assert digest_of([]) == digest_of([SentMessage("assistant")])


@given(st.text("abc._:-09", min_size=1, max_size=128).filter(lambda text: text.isascii()))
def test_the_id_of_a_response_has_its_session(session: str) -> None:
    made = ResponseId(session, "0123456789abcdef" * 2)
    assert ResponseId.parse(str(made)) == made


@given(st.text() | st.just([{"role": "user", "content": "a"}, {"type": "reasoning"}]))
def test_the_input_is_listed_as_items(value: Any) -> None:
    items = input_items(orjson.dumps(value), "n")
    assert len({item["id"] for item in items}) == len(items)
    assert all(item["type"] for item in items)


def test_the_model_has_four_names() -> None:
    model = AgentModel("agent", "space", 1)
    for name in ("", "agent", "default", "omnia/space/agent"):
        model.check(name)
    with pytest.raises(DoorFailed, match="is not served here"):
        model.check("omnia/other/agent")
