"""Answers of OpenAI's two APIs, event by event: what each piece adds, says and counts."""

import json
from typing import Any

import pytest

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.openai.responses import unpacked_reasoning
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.vendor_errors import VendorFailure

MODEL = "gpt-5"


def chat(*deltas: dict[str, Any], finish: str = "stop") -> tuple[str, list[ModelEvent], ChatStream]:
    """Return what was said while it streamed, what remained at the end, and the stream."""
    stream = ChatStream(MODEL)
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    said = "".join(stream.read(json.dumps(chunk).encode()) for chunk in chunks)
    stream.read(json.dumps({"choices": [{"delta": {}, "finish_reason": finish}]}).encode())
    return said, stream.finish(), stream


def respond(*events: dict[str, Any], **final: Any) -> tuple[str, list[ModelEvent], ResponseStream]:
    stream = ResponseStream(MODEL)
    said = "".join(stream.read(json.dumps(event).encode()) for event in events)
    last = {"type": "response.completed", "response": {"status": "completed", **final}}
    said += stream.read(json.dumps(last).encode())
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
        # A member that is new, and one that replaces it.
        (
            [{"reasoning_details": [{"type": "t", **more}]} for more in ({}, {"id": 1}, {"id": 2})],
            (256 + 15) + (256 + 24) + 24,
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
        {"type": "reasoning.text", "index": 0, "text": "a", "format": None},
        {"type": "reasoning.text", "index": 1, "text": "b"},
        {"type": "reasoning.text", "index": 1, "text": "c", "format": "f"},
        {"type": "reasoning.text", "index": 1, "format": None},
        {"type": "reasoning.summary", "index": 1, "summary": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "d"},
        {"type": "reasoning.encrypted", "index": 1, "data": "e"},
    ]
    pieces = [{"reasoning_details": [each]} for each in details]
    _, events, _ = chat(*pieces, call(index=0, id="a", **function("get", "{}")))
    (request,) = [each for each in events if isinstance(each, ToolCallRequest)]
    _, _, packed = request.opaque.partition("{")
    found = json.loads("{" + packed)["message"]["reasoning_details"]
    assert found == [
        {"type": "reasoning.text", "index": 0, "text": "a", "format": None},
        {"type": "reasoning.text", "index": 1, "text": "bc", "format": "f"},
        *details[4:],
    ]


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
    _, in_chat, stream = chat({"content": "hi"})
    assert (in_chat, stream.cache_writes) == ([Finished("stop", Usage())], 0)
    _, in_responses, other = respond(delta("hi"))
    assert (in_responses, other.cache_writes) == ([Finished("stop", Usage())], 0)


# Responses


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "delta": text}


def part_done(number: int, **part: Any) -> dict[str, Any]:
    return {
        "type": "response.content_part.done",
        "item_id": "m",
        "content_index": number,
        "part": part,
    }


def item_done(**item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item}


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        # The second part was not streamed, and begins as the first.
        ([delta("a"), part_done(0, **output_text("a")), part_done(1, **output_text("ab"))], "aab"),
        ([part_done(0, **output_text("a")), part_done(0, **output_text("a"))], "a"),
        # Two events about one part, with two ids.
        (
            [
                delta("ab"),
                {"type": "response.output_text.done", "item_id": "n", "text": "ab"},
                part_done(0, **output_text("ab")),
            ],
            "ab",
        ),
        ([delta("a"), part_done(0, **output_text("abc"))], "abc"),
        ([item_done(id="m", content=[output_text("hi")])], "hi"),
        ([item_done(id="m", type="message", content=[output_text("hi")])], "hi"),
        ([item_done(id="m", type="web_search_call", content=[output_text("hi")])], ""),
        ([item_done(id="m", type="message", content=[output_text("hi")])] * 2, "hi"),
        (
            [item_done(id=i, type="message", content=[output_text("hi")]) for i in ("a", "b")],
            "hi\n\nhi",
        ),
        ([part_done(0, type="reasoning_text", text="hm")], ""),
    ],
)
def test_a_text_is_said_once_however_it_comes(events: list[dict[str, Any]], said: str) -> None:
    found, rest, _ = respond(*events)
    assert found == said
    assert reason(rest) == "stop"


def test_an_event_without_a_type_is_what_its_line_says() -> None:
    stream = ResponseStream(MODEL)
    event = NamedEvent(json.dumps({"delta": "No."}).encode())
    event.name = "response.refusal.delta"
    assert stream.read(event) == "No."
    stream.read(b'{"type": "response.completed", "response": {}}')
    assert reason(stream.finish()) == "refusal"


@pytest.mark.parametrize(
    "events",
    [
        [part_done(0, type="refusal", refusal="No."), part_done(1, **output_text("Never."))],
        [{"type": "response.refusal.done", "refusal": "No."}, part_done(1, **output_text("."))],
        [item_done(id="m", type="message", content=[{"type": "refusal", "refusal": "No."}])],
        [
            item_done(id=i, type="message", content=[c])
            for i, c in (
                ("m", {"type": "refusal", "refusal": "No."}),
                ("n", output_text("Never.")),
            )
        ],
    ],
)
def test_a_refusal_in_any_part_is_one(events: list[dict[str, Any]]) -> None:
    said, rest, _ = respond(*events)
    assert said.startswith("No.")
    assert reason(rest) == "refusal"


def thought(number: int) -> dict[str, Any]:
    return {"id": f"rs_{number}", "type": "reasoning", "summary": [], "encrypted_content": "x"}


FUNCTION_CALL = {"type": "function_call", "name": "get", "arguments": "{}"}
GET = {**FUNCTION_CALL, "id": "i", "call_id": "c"}
# Its beginning, its arguments and its end.
IN_PIECES = (256 + 1 + 3) + 2 + (256 + 1 + 1 + 3)


def added(item_id: str, index: int = 0, **item: Any) -> dict[str, Any]:
    begun = {"type": "function_call", "name": "get", "id": item_id, **item}
    return {"type": "response.output_item.added", "output_index": index, "item": begun}


def more(item_id: str, text: str, index: int = 0) -> dict[str, Any]:
    return {
        "type": "response.function_call_arguments.delta",
        "item_id": item_id,
        "output_index": index,
        "delta": text,
    }


def whole(item_id: str, index: int = 0) -> dict[str, Any]:
    return {
        "type": "response.function_call_arguments.done",
        "item_id": item_id,
        "output_index": index,
        "arguments": "{}",
    }


def test_the_thoughts_before_a_call_go_with_it_and_nothing_else() -> None:
    message = {"id": "m", "type": "message", "content": [output_text("hi")]}
    first = {**FUNCTION_CALL, "call_id": "a"}
    second = {**FUNCTION_CALL, "call_id": "b"}
    for events, output in (
        ([item_done(**thought(1)), item_done(**message), item_done(**first)], []),
        ([], [thought(1), message, first, thought(2)]),
    ):
        said, rest, _ = respond(*events, output=[*output, second])
        found = [each for each in rest if isinstance(each, ToolCallRequest)]
        assert said == "hi"
        assert [each.id for each in found] == ["a", "b"]
        assert unpacked_reasoning(found[0].opaque, MODEL) == [thought(1)]
        assert unpacked_reasoning(found[1].opaque, MODEL) == []
        assert reason(rest) == "tool_use"


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([item_done(id="i", call_id="abc", **FUNCTION_CALL)], 256 + 1 + 3 + 3 + 2),
        ([{"type": "response.reasoning_summary_text.delta", "delta": "think"}], 5),
        ([part_done(0, **output_text("a"))], 256 + len("m/None/0")),
        ([item_done(id="abc", type="message", content=[])], 256 + 3),
        # The arguments in pieces, and once more as a whole.
        ([added("i"), more("i", "{"), more("i", "}"), whole("i")], IN_PIECES),
        ([added("i"), whole("i")], IN_PIECES),
        ([added("i"), more("i", "{}"), item_done(**GET)], IN_PIECES),
    ],
)
def test_every_part_of_an_event_is_counted_once(events: list[dict[str, Any]], total: int) -> None:
    _, _, stream = respond(*events)
    assert stream.size.total == total


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        ({"incomplete_details": {"reason": "content_filter"}}, "safety"),
        ({"status": "incomplete"}, "max_output_tokens"),
        ({"status": "completed", "output_text": "hi"}, "stop"),
        ({"output": [FUNCTION_CALL]}, "tool_use"),
    ],
)
def test_the_end_says_why(final: dict[str, Any], expected: str) -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    }
    _, rest, stream = respond(delta("hi"), usage=usage, **final)
    assert reason(rest) == expected
    last = rest[-1]
    assert isinstance(last, Finished)
    assert (last.usage, stream.cache_writes) == (Usage(5, 7, 3), 2)


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


@pytest.mark.parametrize("beside", ["chunk", "choice"])
def test_an_error_beside_a_text_is_raised_when_the_text_was_said(beside: str) -> None:
    error = {"error": {"message": "busy", "code": 503}}
    choice = {"delta": {"content": "half"}, **(error if beside == "choice" else {})}
    event = {"choices": [choice], **(error if beside == "chunk" else {})}
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


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.failed", "response": {"error": {"message": "busy"}}},
        {"type": "response.failed", "error": {"message": "busy"}},
        # A member of a wrong type, so that the event is read leniently.
        {"type": "response.failed", "delta": 1, "error": {"message": "busy"}},
        {"object": "response", "status": "failed", "error": {"message": "busy"}},
        # The events of a list.
        [{"type": "response.failed", "error": {"message": "busy"}}],
    ],
)
def test_a_response_that_failed_is_an_error_in_the_servers_words(event: object) -> None:
    with pytest.raises(VendorFailure, match="busy"):
        ResponseStream(MODEL).read(json.dumps(event).encode())


@pytest.mark.parametrize(
    "told", [{"status": "failed"}, {"status": "cancelled"}, {"error": {"message": "busy"}}]
)
def test_a_response_has_failed_by_its_status_or_by_its_error(told: dict[str, Any]) -> None:
    with pytest.raises(VendorFailure):
        respond(**told)


def test_a_call_without_an_id_of_its_own_has_that_of_its_item() -> None:
    called = {"type": "function_call", "id": "i", "name": "get", "arguments": "{}"}
    stream = ResponseStream(MODEL)
    event = {"object": "response", "status": "completed", "output": [called]}
    stream.read(json.dumps(event).encode())
    assert [each.id for each in stream.finish() if isinstance(each, ToolCallRequest)] == ["i"]


@pytest.mark.parametrize("output", [None, "text", []])
def test_a_response_without_an_output_is_no_answer_yet(output: object) -> None:
    stream = ResponseStream(MODEL)
    event = {"object": "response", "status": "queued", "output": output}
    assert stream.read(json.dumps(event).encode()) == ""
    with pytest.raises(VendorFailure, match="before its answer"):
        stream.finish()


def test_a_response_that_did_not_stream_is_the_answer() -> None:
    message = {"type": "message", "content": [output_text("hi")]}
    answer = {"object": "response", "status": "completed", "output": [message]}
    for event in (answer, [answer], {**answer, "type": "response.completed"}):
        stream = ResponseStream(MODEL)
        assert stream.read(json.dumps(event).encode()) == "hi"
        assert reason(stream.finish()) == "stop"


def test_an_end_for_a_reason_that_is_not_known_is_one_after_a_text() -> None:
    _, rest, _ = respond(delta("hi"), incomplete_details={"reason": "something new"})
    assert reason(rest) == "stop"
    _, rest, _ = respond(delta("hi"), incomplete_details={"reason": None}, status="incomplete")
    assert reason(rest) == "max_output_tokens"
    with pytest.raises(VendorFailure, match="without a word"):
        respond(incomplete_details={"reason": "something new"})


def test_a_call_in_pieces_counts_though_it_is_never_complete() -> None:
    for events, expected in (
        ([added("i"), more("i", '{"x": 1}')], [("get", '{"x": 1}')]),
        # A tool without arguments.
        ([added("i")], [("get", "{}")]),
        ([added("i"), added("j", 1, name="put")], [("get", "{}"), ("put", "{}")]),
        # A new id in every event.
        (
            [added("i"), more("x", '{"x":'), added("j", 1), more("y", "[]", 1), more("z", "1}")],
            [("get", '{"x":1}'), ("get", "[]")],
        ),
        # Nothing of a call but its beginning.
        ([added("i", name=None), delta("hi")], []),
    ):
        _, rest, _ = respond(*events)
        assert calls(rest) == expected


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
