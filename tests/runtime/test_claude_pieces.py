"""Answers of Claude, event by event: what each piece adds, says and counts."""

import json
from typing import Any

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.claude.messages import LayoutItem, packed_layout
from omnia_runtime.providers.claude.request import messages_body
from omnia_runtime.providers.claude.stream import MessageStream
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_stream import AnswerReader
from tests.runtime.claude_calls import CONFIG, HI


def read(stream: AnswerReader, *events: dict[str, Any]) -> str:
    return "".join(stream.read(json.dumps(event).encode()) for event in events)


def calls(events: list[ModelEvent]) -> list[tuple[str, str, str]]:
    return [
        (each.id, each.name, each.arguments) for each in events if isinstance(each, ToolCallRequest)
    ]


def reason(events: list[ModelEvent]) -> str:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.reason


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def over(why: str = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": why}, "usage": usage}


TOOL = {"type": "tool_use", "id": "abc", "name": "get"}
JSON = {"type": "input_json_delta"}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([start(0, type="text", text="a"), delta(0, type="text_delta", text="b")], "ab"),
        ([start(0, text="a"), delta(0, text="b")], "ab"),
        # A text of a block that is not known here is not the answer.
        ([start(0, type="citation", text="a"), start(1, type="text", text="b")], "b"),
        ([start(0, type="text", text=""), {"delta": {"text": "a"}}], "a"),
        ([{"type": "message", "content": [{"type": "text", "text": "a"}]}], "a"),
        ([{"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}], "a"),
        ([{"type": "message_start", "message": {"content": [{"type": "text", "text": "a"}]}}], "a"),
        # Events that look like others.
        ([start(0, text="a"), {"type": "citation", "delta": {"text": "b"}}], "a"),
        ([start(0, text="a"), {"content": [{"type": "text", "text": "b"}]}], "a"),
    ],
)
def test_claudes_text_is_said_however_it_comes(events: list[dict[str, Any]], said: str) -> None:
    stream = MessageStream()
    assert read(stream, *events, over()) == said
    assert reason(stream.finish()) == "stop"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([start(0, **TOOL), delta(0, **JSON, partial_json='{"x": 1}')], '{"x": 1}'),
        ([start(0, **TOOL, input={"x": 1})], '{"x": 1}'),
        ([start(0, **TOOL), {"delta": {"partial_json": '{"x": 1}'}}], '{"x": 1}'),
        ([start(0, **TOOL)], "{}"),
        # Nobody began the block that goes on.
        ([start(0, **TOOL), delta(1, **JSON, partial_json='{"x": 1}')], "{}"),
    ],
)
def test_claudes_call_has_the_arguments_of_its_block(
    events: list[dict[str, Any]], expected: str
) -> None:
    for end in ([], [stop(0)]):
        stream = MessageStream()
        assert read(stream, *events, *end, over()) == ""
        rest = stream.finish()
        (found,) = calls(rest)
        assert (found[:2], json.loads(found[2])) == (("abc", "get"), json.loads(expected))
        assert reason(rest) == "tool_use"


def test_blocks_that_claude_does_not_number_are_several() -> None:
    stream = MessageStream()
    second = {**TOOL, "id": "def"}
    read(stream, start(0, **TOOL, input={"x": 1}), start(0, **second), over("tool_use"))
    assert [each[0] for each in calls(stream.finish())] == ["abc", "def"]


def test_an_error_beside_an_empty_piece_is_an_error() -> None:
    stream = MessageStream()
    error = {"type": "overloaded_error", "message": "busy"}
    with pytest.raises(VendorFailure, match="busy"):
        read(stream, {"delta": {"text": ""}, "error": error})
    with pytest.raises(VendorFailure, match="busy") as failed:
        read(stream, {"type": "error", "error": {"message": "busy"}})
    assert failed.value.status == 500


def test_claudes_event_without_a_type_is_what_its_line_says() -> None:
    stream = MessageStream()
    event = NamedEvent(json.dumps({"delta": {"stop_reason": "max_tokens"}}).encode())
    event.name = "message_delta"
    read(stream, start(0, type="text", text="a"))
    stream.read(event)
    assert reason(stream.finish()) == "max_output_tokens"


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([start(0, **TOOL, input={"x": 1})], 3 + 3 + 8),
        ([start(0, **TOOL, input={}), delta(0, **JSON, partial_json="{}")], 3 + 3 + 2 + 2),
        ([start(0, type="thinking", thinking="abc", signature="de")], 256 + 5),
        (
            [start(0, type="thinking"), delta(0, type="thinking_delta", thinking="abc")],
            256 + 3,
        ),
        (
            [start(0, type="thinking"), delta(0, type="signature_delta", signature="abc")],
            256 + 3,
        ),
        ([start(0, type="redacted_thinking", data="abc")], 256 + 3),
    ],
)
def test_every_part_of_claudes_answer_is_counted_once(
    events: list[dict[str, Any]], total: int
) -> None:
    stream = MessageStream()
    read(stream, *events, over())
    assert stream.size.total == total


def test_claudes_counts_are_totals_and_stay_when_a_later_event_has_none() -> None:
    stream = MessageStream()
    first = {
        "input_tokens": 5,
        "output_tokens": 1,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
    }
    read(stream, {"type": "message_start", "message": {"usage": first}})
    read(stream, start(0, type="text", text="a"), over(output_tokens=7))
    assert stream.finish() == [Finished("stop", Usage(10, 7, 3))]
    assert stream.cache_writes == 2


@pytest.mark.parametrize(("length", "cached"), [(4093, False), (4094, True)])
def test_a_prefix_is_cached_from_the_least_that_the_vendor_takes(
    length: int, *, cached: bool
) -> None:
    # An empty list of tools has two characters.
    (block,) = messages_body(CONFIG, ChatRequest("x" * length, HI.messages))["system"]
    assert ("cache_control" in block) is cached


def test_only_the_end_of_an_answer_in_two_parts_loses_its_white_space() -> None:
    history = [Message("user", "hi"), Message("assistant", "One, "), Message("assistant", "two. ")]
    last = messages_body(CONFIG, ChatRequest("", history))["messages"][-1]
    assert [block["text"] for block in last["content"]] == ["One, ", "two."]


def test_a_conversation_without_a_word_is_sent_as_none() -> None:
    assert messages_body(CONFIG, ChatRequest("", [Message("user", "")]))["messages"] == []


@pytest.mark.parametrize(
    "part",
    [
        Part("image"),
        Part("document"),
        Part("image", media=Media("image/png")),
        Part("document", media=Media("text/plain")),
        Part("document", media=Media("application/pdf")),
        Part("document", media=Media("application/zip", data="AAAA")),
        Part("image", media=Media("image/tiff", data="AAAA")),
    ],
)
def test_a_part_without_content_or_of_another_type_is_refused_before_it_is_sent(part: Part) -> None:
    request = ChatRequest("", [Message("user", "", parts=(part,))])
    with pytest.raises(VendorFailure, match="does not accept"):
        messages_body(CONFIG, request)


def test_claudes_answer_that_does_not_stream_goes_back_as_one_that_did() -> None:
    texts = {"type": "text", "text": "hi"}
    whole, streamed = MessageStream(), MessageStream()
    blocks: list[dict[str, Any]] = [
        {"type": "redacted_thinking", "data": "x"},
        {**TOOL, "input": {}},
        texts,
    ]
    read(whole, {"type": "message", "content": blocks, "stop_reason": "tool_use"})
    assert whole.done
    for index, block in enumerate(blocks):
        read(streamed, start(index, **block), stop(index))
    read(streamed, over("tool_use"))
    assert whole.finish() == streamed.finish()


def test_claudes_call_goes_back_with_all_that_came_before_it() -> None:
    stream = MessageStream()
    thinking = [
        start(0, type="thinking", thinking="a"),
        delta(0, type="signature_delta", signature="s"),
        delta(0, type="thinking_delta", thinking="b"),
        stop(0),
    ]
    texts = [start(2, type="text", text="hi"), delta(2, type="text_delta", text=" you")]
    read(stream, *thinking, start(1, type="redacted_thinking", data="d"), *texts)
    read(stream, start(3, **TOOL), stop(3), over("tool_use"))
    thought = {"type": "thinking", "thinking": "ab", "signature": "s"}
    layout: list[LayoutItem] = [thought, {"type": "redacted_thinking", "data": "d"}, 6, None]
    assert stream.finish()[0] == ToolCallRequest("abc", "get", "{}", packed_layout(layout))


@pytest.mark.parametrize(
    ("events", "why", "expected", "made"),
    [
        ([start(0, **TOOL, input={"x": 1})], "tool_use", "tool_use", 1),
        ([start(0, **TOOL, input={"x": 1})], "end_turn", "tool_use", 1),
        ([start(0, **TOOL, input={"x": 1})], "max_tokens", "max_output_tokens", 1),
        (
            [start(0, **TOOL), delta(0, **JSON, partial_json="{")],
            "max_tokens",
            "max_output_tokens",
            0,
        ),
        ([start(0, **TOOL, input={"x": 1})], "refusal", "refusal", 0),
        ([start(0, type="text", text="a")], "tool_use", "stop", 0),
    ],
)
def test_claudes_end_says_why_and_which_calls_are_made(
    events: list[dict[str, Any]], why: str, expected: str, made: int
) -> None:
    stream = MessageStream()
    read(stream, *events, over(why))
    rest = stream.finish()
    assert (reason(rest), len(calls(rest))) == (expected, made)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([start(0, type="text", text="a")], "before its answer"),
        ([{"type": "message_stop"}], "before its answer"),
        ([over("tool_use")], "a tool call that it did not send"),
        ([start(0, type="tool_use", id="abc"), over()], "without the name of its tool"),
    ],
)
def test_half_an_answer_of_claude_is_an_error(events: list[dict[str, Any]], problem: str) -> None:
    stream = MessageStream()
    read(stream, *events)
    with pytest.raises(VendorFailure, match=problem):
        stream.finish()


@pytest.mark.parametrize(
    ("calls_before", "kinds"), [(1, ["thinking", "tool_use"]), (2, ["tool_use"])]
)
def test_thinking_goes_back_only_with_all_the_calls_of_its_answer(
    calls_before: int, kinds: list[str]
) -> None:
    thought = {"type": "thinking", "thinking": "a", "signature": "s"}
    opaque = packed_layout([thought, *[None] * calls_before])
    history = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("c1", "get", "{}", opaque),)),
        Message("tool", "1", tool_call_id="c1"),
    ]
    sent = messages_body(CONFIG, ChatRequest("", history))["messages"][1]["content"]
    assert [block["type"] for block in sent] == kinds


def test_claudes_reason_stays_when_a_later_event_has_none() -> None:
    whole = {"type": "message_start", "message": {"content": [], "stop_reason": "max_tokens"}}
    for first in (over("max_tokens"), whole):
        stream = MessageStream()
        later = {"type": "message_delta", "delta": {"stop_reason": None}}
        read(stream, start(0, type="text", text="a"), first, later)
        assert reason(stream.finish()) == "max_output_tokens"


def test_claudes_stop_ends_the_reading() -> None:
    stream = MessageStream()
    read(stream, start(0, type="text", text="a"))
    assert not stream.done
    assert not stream.complete
    read(stream, {"type": "ping"}, {"type": "message_stop"})
    assert stream.done
    assert reason(stream.finish()) == "stop"


def test_a_reason_without_a_content_is_no_whole_message() -> None:
    stream = MessageStream()
    assert read(stream, {"stop_reason": "end_turn"}) == ""
    assert not stream.done
