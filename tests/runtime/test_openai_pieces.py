"""Answers of chat completions, event by event: what each piece adds, says and counts."""

import json
from typing import Any

import pytest

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.vendor_errors import VendorFailure

MODEL = "gpt-5"


def chat(*deltas: dict[str, Any], finish: str = "stop") -> tuple[str, list[ModelEvent], ChatStream]:
    """Return what was said while it streamed, what remained at the end, and the stream."""
    stream = ChatStream(MODEL)
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    said = "".join(stream.read(json.dumps(chunk).encode()) for chunk in chunks)
    stream.read(json.dumps({"choices": [{"delta": {}, "finish_reason": finish}]}).encode())
    return said, stream.finish(), stream


def call(**members: Any) -> dict[str, Any]:
    return {"tool_calls": [members]}


def function(name: str | None = None, arguments: str | None = None) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def calls(events: list[ModelEvent]) -> list[tuple[str, str]]:
    return [(each.name, each.arguments) for each in events if isinstance(each, ToolCallRequest)]


def reason(events: list[ModelEvent]) -> str:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.reason


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        # Id and name in every piece, and the arguments once more each time.
        (
            [
                call(index=0, id="a", **function("get", '{"x"')),
                call(index=0, id="a", **function("get", '{"x": 1}')),
            ],
            [("get", '{"x": 1}')],
        ),
        # A second call at the same index, without an id of its own.
        (
            [
                call(index=0, id="a", **function("get", '{"x": 1}')),
                call(index=0, **function("get", '{"x": 2}')),
            ],
            [("get", '{"x": 1}'), ("get", '{"x": 2}')],
        ),
        (
            [
                call(index=0, **function("get", '{"x": 1}')),
                call(index=0, id="b", **function("get", '{"x": 2}')),
            ],
            [("get", '{"x": 1}'), ("get", '{"x": 2}')],
        ),
        # The id comes with a later piece, which repeats the name.
        (
            [
                call(index=0, **function("get", '{"x":')),
                call(index=0, id="a", **function("get", " 1}")),
            ],
            [("get", '{"x": 1}')],
        ),
        # The name comes last.
        (
            [call(index=0, **function("", "{}")), call(index=0, **function("get", ""))],
            [("get", "{}")],
        ),
        # The arguments, and then an empty object.
        (
            [
                call(index=0, id="a", **function("get", '{"x": 1}')),
                call(index=0, id="a", **function("", "{}")),
            ],
            [("get", '{"x": 1}')],
        ),
        # The rest of a name.
        (
            [call(index=0, id="a", **function("ge", "")), call(index=0, **function("get", "{}"))],
            [("get", "{}")],
        ),
        # The same call in both members.
        (
            [
                {
                    **call(index=0, id="a", **function("get", "{}")),
                    "function_call": {"name": "get", "arguments": "{}"},
                }
            ],
            [("get", "{}")],
        ),
        ([{"function_call": {"name": "get", "arguments": "{}"}}], [("get", "{}")]),
        ([{"tool_calls": [], "content": "hi"}], []),
        ([{"tool_calls": [{"id": "a", "name": "get", "arguments": "{}"}]}], [("get", "{}")]),
        # Without an index the id says which call goes on.
        (
            [
                call(id="a", **function("get", '{"x":')),
                call(id="b", **function("put", "{}")),
                call(id="a", **function("", " 1}")),
            ],
            [("get", '{"x": 1}'), ("put", "{}")],
        ),
        (
            [
                call(id="a", **function("get", "{}")),
                call(id="b", **function("put", '{"x":')),
                call(id="b", **function("", " 1}")),
            ],
            [("get", "{}"), ("put", '{"x": 1}')],
        ),
        # Without an id too, the last call goes on.
        (
            [
                call(**function("get", "{}")),
                call(**function("put", '{"x":')),
                call(**function("", " 1}")),
            ],
            [("get", "{}"), ("put", '{"x": 1}')],
        ),
        # The index is that of the piece.
        (
            [
                call(index=0, id="a", **function("get", '{"x":')),
                call(index=1, id="a", **function("", " 1}")),
            ],
            [("get", '{"x": 1}')],
        ),
        # The calls of an answer have the same id.
        (
            [
                call(index=0, id="a", **function("get", '{"x": 1}')),
                call(index=1, id="a", **function("get", '{"x": 2}')),
            ],
            [("get", '{"x": 1}'), ("get", '{"x": 2}')],
        ),
        # An id that is none, and a last piece that says nothing.
        (
            [call(index=0, id="null", **function("get", "{}")), call(index=1, **function())],
            [("get", "{}")],
        ),
    ],
)
def test_the_pieces_of_calls_come_together(
    deltas: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    _, events, _ = chat(*deltas)
    assert calls(events) == expected
    ids = [each.id for each in events if isinstance(each, ToolCallRequest)]
    assert len(set(ids)) == len(expected)
    assert all(ids)
    assert reason(events) == ("tool_use" if expected else "stop")


def test_a_call_without_the_name_of_its_tool_is_an_error() -> None:
    with pytest.raises(VendorFailure, match="without the name of its tool"):
        chat(call(index=0, id="a", **function("", "{}")))


def test_an_id_that_comes_alone_is_that_of_its_call() -> None:
    _, events, _ = chat(call(index=0, id="a"), call(index=0, **function("get", "{}")))
    assert events[0] == ToolCallRequest("a", "get", "{}")


@pytest.mark.parametrize(
    ("deltas", "total"),
    [
        ([call(id="abc", **function("get", "{}"))], 8),
        ([call(index=0, id="abc", **function("get", "{}"))], 40),
        ([call(index=0, id="abc", **function("get", " "))] * 2, 40),
        ([call(id="abc", **function("get", "{}"), extra_content={"a": 1})], 16),
        ([{"reasoning_content": "think"}], 5),
        ([{"reasoning": "think"}], 5),
        ([{"reasoning_details": [{"type": "t", "text": "x"}]}], 256 + 28),
        ([{"reasoning_details": [{"type": "t", "text": "x"}]}] * 2, 256 + 28 + 1),
        # A member that is new, and one that replaces it.
        (
            [
                {"reasoning_details": [{"type": "t", **m}]}
                for m in ({}, *({"id": n} for n in "123"))
            ],
            (256 + 15) + (256 + 26) + 2 * 26,
        ),
    ],
)
def test_every_part_of_a_piece_is_counted_once(deltas: list[dict[str, Any]], total: int) -> None:
    _, _, stream = chat(*deltas, {"content": "done"})
    assert stream.size.total == total


def test_a_refusal_stays_one_when_more_follows() -> None:
    for deltas in (
        [{"refusal": "No."}, call(index=0, id="a", **function("get", "{}"))],
        [{"refusal": "No."}, {"content": "Never."}],
        [{"content": "Well."}, {"refusal": "No."}],
    ):
        said, events, _ = chat(*deltas)
        assert "No." in said
        assert reason(events) == "refusal"


def test_a_whole_message_may_refuse() -> None:
    stream = ChatStream(MODEL)
    message = {"role": "assistant", "content": None, "refusal": "No."}
    assert stream.read(json.dumps({"choices": [{"message": message}]}).encode()) == "No."
    assert reason(stream.finish()) == "refusal"


def test_pieces_of_a_detail_continue_the_last_one() -> None:
    details = [
        {"text": "without a type"},
        {"type": "reasoning.text", "index": 0, "text": "a", "format": None},
        {"type": "reasoning.text", "index": 1, "text": "b"},
        {"type": "reasoning.text", "index": 1, "text": "c", "format": "f"},
        {"type": "reasoning.text", "index": 1, "text": None, "format": None},
        {"type": "reasoning.summary", "index": 1, "summary": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "d"},
        {"type": "reasoning.encrypted", "index": 1, "data": "e"},
        {"type": "reasoning.text", "index": 2, "text": "x"},
        {"type": "reasoning.text", "index": 2, "text": "y"},
    ]
    pieces = [{"reasoning_details": [each]} for each in details]
    _, events, _ = chat(*pieces, call(index=0, id="a", **function("get", "{}")))
    (request,) = [each for each in events if isinstance(each, ToolCallRequest)]
    _, _, packed = request.opaque.partition("{")
    found = json.loads("{" + packed)["message"]["reasoning_details"]
    assert found == [
        details[0],
        {"type": "reasoning.text", "index": 0, "text": "a", "format": None},
        {"type": "reasoning.text", "index": 1, "text": "bc", "format": "f"},
        *details[5:8],
        {"type": "reasoning.text", "index": 2, "text": "xy"},
    ]


def test_empty_reasoning_is_not_sent_back() -> None:
    empty: dict[str, Any] = {"reasoning_content": "", "reasoning": None, "reasoning_details": []}
    _, events, _ = chat(empty, call(index=0, id="a", **function("get", "{}")))
    assert events[0] == ToolCallRequest("a", "get", "{}")


def test_the_usage_of_a_chunk_without_choices_is_that_of_the_answer() -> None:
    stream = ChatStream(MODEL)
    details = {"cached_tokens": 3, "cache_write_tokens": 2}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": details}
    stream.read(json.dumps({"choices": [{"delta": {"content": "a"}}]}).encode())
    stream.read(json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]}).encode())
    stream.read(json.dumps({"choices": [], "usage": usage}).encode())
    assert stream.finish() == [Finished("stop", Usage(5, 7, 3))]
    assert stream.cache_writes == 2


def test_an_answer_without_its_usage_counts_as_no_tokens() -> None:
    _, events, stream = chat({"content": "hi"})
    assert (events, stream.cache_writes) == ([Finished("stop", Usage())], 0)


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [{"delta": {"content": "b"}}], "usage": {"prompt_tokens": 5}},
        {"choices": [{"delta": {"content": "b"}, "usage": {"prompt_tokens": 5}}]},
        {"choices": [], "usage": {"prompt_tokens": 5}},
    ],
    ids=["chunk", "choice", "alone"],
)
def test_usage_is_found_wherever_a_server_puts_it(last: dict[str, Any]) -> None:
    stream = ChatStream(MODEL)
    first = {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}
    for event in (first, last):
        stream.read(json.dumps(event).encode())
    assert stream.finish() == [Finished("stop", Usage(5, 0, 0))]


@pytest.mark.parametrize("beside", ["chunk", "choice", "chunk, and an empty one in the choice"])
def test_an_error_beside_a_text_is_raised_when_the_text_was_said(beside: str) -> None:
    error = {"error": {"message": "busy", "code": 503}}
    empty: dict[str, Any] = {"error": {}} if "empty" in beside else {}
    choice = {"delta": {"content": "half"}, **(error if beside == "choice" else empty)}
    event = {"choices": [choice], **(error if beside.startswith("chunk") else {})}
    stream = ChatStream(MODEL)
    assert stream.read(json.dumps(event).encode()) == "half"
    assert stream.done
    with pytest.raises(VendorFailure, match="busy"):
        stream.finish()


def test_a_whole_message_that_comes_twice_is_said_once() -> None:
    stream = ChatStream(MODEL)
    event = {"choices": [{"message": {"role": "assistant", "content": "hi"}}]}
    said = [stream.read(json.dumps(event).encode()) for _ in range(2)]
    assert said == ["hi", ""]
    assert stream.finish() == [Finished("stop", Usage())]


WHOLE = call(index=0, id="a", **function("get", "{}"))
CUT = call(index=0, id="a", **function("get", "{"))


@pytest.mark.parametrize(
    ("delta", "finish", "expected", "made"),
    [
        (WHOLE, "tool_calls", "tool_use", 1),
        (WHOLE, "stop", "tool_use", 1),
        (WHOLE, "length", "max_output_tokens", 1),
        (CUT, "length", "max_output_tokens", 0),
        (WHOLE, "content_filter", "safety", 1),
        ({"content": "hi"}, "tool_calls", "stop", 0),
        ({"content": ""}, "length", "max_output_tokens", 0),
    ],
)
def test_the_end_says_why_and_which_calls_are_made(
    delta: dict[str, Any], finish: str, expected: str, made: int
) -> None:
    _, events, _ = chat(delta, finish=finish)
    assert (reason(events), len(calls(events))) == (expected, made)


@pytest.mark.parametrize(("delta", "expected"), [({"content": "hi"}, "stop"), (WHOLE, "tool_use")])
def test_an_answer_without_a_reason_ends_with_the_end_of_its_stream(
    delta: dict[str, Any], expected: str
) -> None:
    stream = ChatStream(MODEL)
    stream.read(json.dumps({"choices": [{"delta": delta}]}).encode())
    with pytest.raises(VendorFailure, match="before its answer"):
        stream.finish()
    stream.read(b"[DONE]")
    assert reason(stream.finish()) == expected
    empty = ChatStream(MODEL)
    empty.read(b"[DONE]")
    with pytest.raises(VendorFailure, match="before its answer"):
        empty.finish()


def test_a_message_beside_its_last_piece_is_not_the_end() -> None:
    stream = ChatStream(MODEL)
    event = {"choices": [{"delta": {"content": "a"}, "message": {"content": "a"}}]}
    assert stream.read(json.dumps(event).encode()) == "a"
    assert not stream.complete


def test_the_reasoning_of_a_whole_message_goes_with_its_calls() -> None:
    stream = ChatStream(MODEL)
    stream.read(json.dumps({"choices": [{"message": {**WHOLE, "reasoning": "hm"}}]}).encode())
    (request, _) = stream.finish()
    assert isinstance(request, ToolCallRequest)
    assert '"reasoning":"hm"' in request.opaque


def test_a_whole_message_ends_as_its_server_says() -> None:
    stream = ChatStream(MODEL)
    choice = {"message": {"role": "assistant", "content": "hi"}, "finish_reason": "length"}
    assert stream.read(json.dumps({"choices": [choice]}).encode()) == "hi"
    assert stream.finish() == [Finished("max_output_tokens", Usage())]


def test_a_text_in_both_members_is_said_once() -> None:
    stream = ChatStream(MODEL)
    events = [
        {"choices": [{"delta": {"content": "a"}, "text": "a"}]},
        {"choices": [{"delta": {"content": ""}, "text": "b"}]},
        {"choices": [{"text": "c", "finish_reason": "stop"}]},
    ]
    assert [stream.read(json.dumps(event).encode()) for event in events] == ["a", "b", "c"]


def test_a_text_behind_many_blanks_is_said_at_once() -> None:
    stream = ChatStream(MODEL, think_tags=True)
    blanks = " " * 1000
    event = {"choices": [{"delta": {"content": blanks}}]}
    assert stream.read(json.dumps(event).encode()) == blanks


def test_a_refusal_that_streamed_stays_one_when_the_whole_message_follows() -> None:
    stream = ChatStream(MODEL)
    first = {"choices": [{"delta": {"refusal": "No."}}]}
    last = {"choices": [{"message": {"role": "assistant", "content": "No."}}]}
    assert [stream.read(json.dumps(each).encode()) for each in (first, last)] == ["No.", ""]
    assert reason(stream.finish()) == "refusal"


def test_the_calls_of_a_whole_message_are_each_their_own() -> None:
    stream = ChatStream(MODEL)
    pieces = [{"index": 0, "function": {"name": "get", "arguments": text}} for text in ("", "{}")]
    event = {"choices": [{"message": {"role": "assistant", "tool_calls": pieces}}]}
    stream.read(json.dumps(event).encode())
    assert calls(stream.finish()) == [("get", "{}"), ("get", "{}")]
