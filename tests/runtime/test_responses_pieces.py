"""Answers of the Responses API, event by event: what each piece adds, says and counts."""

import json
from typing import Any

import pytest

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.openai.responses import unpacked_reasoning
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.vendor_errors import VendorFailure
from tests.runtime.field_calls import outcome, sse
from tests.runtime.test_openai_pieces import calls, reason

MODEL = "gpt-5"


def respond(*events: dict[str, Any], **final: Any) -> tuple[str, list[ModelEvent], ResponseStream]:
    stream = ResponseStream(MODEL)
    said = "".join(stream.read(json.dumps(event).encode()) for event in events)
    last = {"type": "response.completed", "response": {"status": "completed", **final}}
    said += stream.read(json.dumps(last).encode())
    return said, stream.finish(), stream


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
        ([{"type": "response.output_text.delta", "delta": None}, delta("a")], "a"),
        # An item of no type, without content, and a message without content.
        ([delta("a"), item_done(id="x"), delta("b")], "ab"),
        ([delta("a"), item_done(id="m", type="message")], "a"),
        # Messages without an id.
        ([item_done(id="", type="message", content=[output_text("hi")])] * 2, "hi\n\nhi"),
        # Two parts that are the same.
        (
            [
                {"type": "response.output_text.done", "content_index": number, "text": "a"}
                for number in (0, 1)
            ],
            "aa",
        ),
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


def added(item_id: str | None, index: int | None = 0, **item: Any) -> dict[str, Any]:
    begun = {"type": "function_call", "name": "get", "id": item_id, **item}
    return {"type": "response.output_item.added", "output_index": index, "item": begun}


def more(item_id: str | None, text: str, index: int | None = 0) -> dict[str, Any]:
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
        ([item_done(**thought(1))], 256 + len(json.dumps(thought(1)))),
        ([added(None), more(None, "{}")], (256 + 2 + 3) + 2 + (256 + 3)),
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
    with pytest.raises(VendorFailure):
        ResponseStream(MODEL).read(json.dumps({"output": [], **told}).encode())


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


async def test_a_call_without_the_name_of_its_tool_is_an_error() -> None:
    final = {"status": "completed", "output": [{**FUNCTION_CALL, "name": None}]}
    end = {"type": "response.completed", "response": {"status": "completed"}}
    for events in (
        [delta("hi"), {**end, "response": final}],
        [added("i", name=None), more("i", "{}"), end],
    ):
        found = await outcome("responses", sse(*events))
        assert found.error
        assert "without the name of its tool" in found.error.message


def test_a_response_that_did_not_stream_is_the_answer() -> None:
    message = {"type": "message", "content": [output_text("hi")]}
    answer = {"object": "response", "status": "completed", "output": [message]}
    for event in (
        answer,
        [answer],
        {**answer, "type": "response.completed"},
        {"type": "answer", "response": answer},
        {"output": [message]},
        {"output": [], "status": "completed", "output_text": "hi"},
    ):
        stream = ResponseStream(MODEL)
        assert stream.read(json.dumps(event).encode()) == "hi"
        assert reason(stream.finish()) == "stop"


def test_an_end_for_a_reason_that_is_not_known_is_one_after_a_text() -> None:
    _, rest, _ = respond(delta("hi"), incomplete_details={"reason": "something new"})
    assert reason(rest) == "stop"
    _, rest, _ = respond(delta("hi"), incomplete_details={"reason": None}, status="incomplete")
    assert reason(rest) == "max_output_tokens"
    _, rest, _ = respond(item_done(**GET), incomplete_details={"reason": "something new"})
    assert reason(rest) == "tool_use"
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
        # The arguments are in the beginning.
        ([added("i", arguments="[]")], [("get", "[]")]),
        # Only the ids tell them apart, or only the positions.
        (
            [added(i, None, name=i) for i in "ij"] + [more(i, f'["{i}"]', None) for i in "ij"],
            [("i", '["i"]'), ("j", '["j"]')],
        ),
        (
            [added(None, i, name=str(i)) for i in (0, 1)]
            + [more(None, f"[{i}]", i) for i in (0, 1)],
            [("0", "[0]"), ("1", "[1]")],
        ),
        # Items twice, without ids, without arguments, and cut.
        ([item_done(**GET)] * 2, [("get", "{}")]),
        ([item_done(**FUNCTION_CALL)] * 2, [("get", "{}")] * 2),
        ([item_done(type="function_call", name="get")], [("get", "{}")]),
        ([item_done(**GET, status="incomplete"), delta("hi")], []),
        # The beginning of a call that is complete, and the arguments of one that never began.
        ([item_done(**GET), added("i")], [("get", "{}")]),
        ([item_done(**GET), more("j", "[]", 1)], [("get", "{}")]),
    ):
        _, rest, _ = respond(*events)
        assert calls(rest) == expected


def test_an_answer_without_its_usage_counts_as_no_tokens() -> None:
    _, events, stream = respond(delta("hi"))
    assert (events, stream.cache_writes) == ([Finished("stop", Usage())], 0)
