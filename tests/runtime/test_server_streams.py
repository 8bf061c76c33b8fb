"""Streams as servers and gateways really send them, with all the members that they add.

A row has the server, what is special about it, and its events.
"""

import json
from typing import Any

import pytest

from tests.runtime.field_calls import Body, outcome, sse

DONE = b"data: [DONE]\n\n"
WRITTEN = '{"x": 9}'
GET = ("get", {"x": 9})
PUT = ("put", {"y": [1]})


def chunk(delta: Any, finish: Any = None, *, beside: Any = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **(beside or {})}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **members}


def called(name: Any = None, arguments: Any = None, **members: Any) -> dict[str, Any]:
    """A piece of a call."""
    return {**members, "function": {"name": name, "arguments": arguments}}


def calls(*pieces: Any, finish: str | None = None) -> dict[str, Any]:
    return chunk({"role": "assistant", "content": None, "tool_calls": list(pieces)}, finish)


def both(text: str, finish: str | None = None) -> dict[str, Any]:
    """A chunk of Together: the text is in two members."""
    delta = {"token_id": 7, "role": "assistant", "content": text, "tool_calls": None}
    return chunk(delta, finish, beside={"text": text, "seed": None}, usage=None)


SAFE = {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
UNCHECKED = {"content_filter_result": {"error": {"code": "content_filter_error"}}}
PROMPT = {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0, **SAFE}]}
OFFSETS = {"choices": [{"index": 0, "content_filter_offsets": {"check_offset": 4}, **SAFE}]}
PERPLEXITY = {"citations": ["u"], "search_results": [{"title": "t"}]}
THOUGHT = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
TEXT = {"candidates": [{"content": {"parts": [{"text": "Good day"}]}, "index": 0}]}


def gemini(finish: str, *parts: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish}]}


def response(status: str, *output: Any, **members: Any) -> dict[str, Any]:
    return {"object": "response", "status": status, "output": list(output), **members}


def completed(*output: Any, **members: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": response("completed", *output, **members)}


def unwrapped(name: str, found: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(found)}\n\n".encode()


MESSAGE = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "Good day"}]}
PART = {"type": "response.content_part.done", "part": MESSAGE["content"][0]}
DELTA = {"type": "response.output_text.delta", "item_id": "m", "delta": "Good day"}
CLAUDE = [
    {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 11}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Good day"},
    },
    {"type": "content_block_stop", "index": 0},
]


def claude_end(reason: Any) -> list[Any]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"}]


GOOD, DAY = (json.dumps(chunk({"content": text})).encode() for text in ("Good ", "day"))
# What some servers always send in the place of an error.
NOTHING: list[Any] = ["", {}, False, [], {"message": "", "code": 0}]
SAID: list[tuple[str, str, Body]] = [
    (
        "Azure: filters beside and between the pieces",
        "chat",
        sse(
            PROMPT,
            chunk({"content": "Good "}, beside=SAFE),
            OFFSETS,
            chunk({"content": "day"}),
            chunk({}, "stop", beside=UNCHECKED),
            OFFSETS,
            DONE,
        ),
    ),
    ("Together: the text in two members", "chat", sse(both("Good "), both("day"), both("", "eos"))),
    (
        "Perplexity: the message so far",
        "chat",
        sse(
            chunk({"content": "Good "}, beside={"message": {"content": "Good "}}, **PERPLEXITY),
            chunk({"content": "day"}, "stop", beside={"message": {"content": "Good day"}}),
        ),
    ),
    (
        "MiniMax: the whole message at the end",
        "chat",
        sse(
            chunk({"content": "Good "}, base_resp={"status_code": 0, "status_msg": ""}),
            chunk({"content": "day"}),
            {"choices": [{"message": {"content": "Good day"}, "finish_reason": "stop"}]},
        ),
    ),
    (
        "Mistral: thoughts as parts",
        "chat",
        sse(chunk({"content": THOUGHT}), chunk({"content": "Good day"}), chunk({}, "stop")),
    ),
    (
        "a gateway: thoughts as parts with a text",
        "chat",
        sse(
            chunk({"content": [{"type": "thinking", "text": "hm"}]}),
            chunk({"content": [{"type": "text", "text": "Good day"}]}),
            chunk({}, "stop"),
        ),
    ),
    (
        "SGLang: a reason that is an object",
        "chat",
        sse(chunk({"content": "Good day"}), chunk({}, {"type": "stop", "matched": 2})),
    ),
    (
        "DashScope: a reason that is the text null",
        "chat",
        sse(
            chunk({"content": "Good "}, "null"),
            chunk({"content": "day"}, "null"),
            chunk({}, "stop"),
        ),
    ),
    *(
        (
            f"a gateway: an error that is {json.dumps(nothing)}",
            "chat",
            sse(
                chunk({"content": "Good day"}, error=nothing),
                chunk({}, "stop", beside={"error": nothing}, error=nothing),
            ),
        )
        for nothing in NOTHING
    ),
    (
        "a gateway: two events in one line",
        "chat",
        sse(b"data: " + GOOD + DAY + b"\n\n", chunk({}, "stop")),
    ),
    (
        "a gateway: two events in one line with its field",
        "chat",
        sse(b"data: " + GOOD + b"data: " + DAY + b"\n\n", chunk({}, "stop")),
    ),
    (
        "OpenRouter: a comment, and counts in a chunk after the end",
        "chat",
        sse(
            b": OPENROUTER PROCESSING\n\n",
            chunk({"content": "Good day"}, provider="x"),
            chunk({"content": ""}, "stop", beside={"native_finish_reason": "end_turn"}),
            chunk({"content": ""}, usage=USAGE | {"cost": 0.1}),
        ),
    ),
    (
        "watsonx: event names, ids, and a closing event",
        "chat",
        sse(
            b"id: 1\nevent: message\ndata: "
            + json.dumps(chunk({"content": "Good day"})).encode()
            + b"\n\nid: 2\nevent: message\ndata: "
            + json.dumps(chunk({}, "stop")).encode()
            + b"\n\nid: 3\nevent: close\ndata: {}\n\n"
        ),
    ),
    (
        "a gateway: a reason in each chunk",
        "gemini",
        sse(
            gemini("STOP"),
            gemini("FINISH_REASON_UNSPECIFIED", {"text": "Good day"}),
            gemini("STOP"),
        ),
    ),
    (
        "Vertex: a reason to block that is none",
        "gemini",
        sse(
            {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}, **TEXT}, gemini("STOP")
        ),
    ),
    ("a gateway: an empty error", "gemini", sse({**TEXT, "error": {}}, gemini("STOP"))),
    (
        "Claude: a search of the server between the texts",
        "claude",
        sse(
            *CLAUDE,
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search"},
            },
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": '{"query": "x"}'},
            },
            {"type": "content_block_stop", "index": 1},
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "web_search_tool_result", "content": [{"title": "t"}]},
            },
            {"type": "content_block_stop", "index": 2},
            *claude_end("end_turn"),
        ),
    ),
    ("only a part that is complete", "responses", sse(PART, completed())),
    ("the text beside the output", "responses", sse(completed(output_text="Good day"))),
    ("a message without a type", "responses", sse(completed({"content": MESSAGE["content"]}))),
    (
        "an item that is null",
        "responses",
        sse({"type": "response.output_item.added", "item": None}, DELTA, completed(MESSAGE)),
    ),
    (
        "Copilot: another id in each event",
        "responses",
        sse(
            DELTA,
            {"type": "response.output_text.done", "item_id": "n", "text": "Good day"},
            PART | {"item_id": "o"},
            completed(MESSAGE | {"id": "p"}),
        ),
    ),
    (
        "a response without the object around it",
        "responses",
        sse(
            unwrapped("response.created", response("in_progress")),
            unwrapped("response.completed", response("completed", MESSAGE)),
        ),
    ),
]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(kind, body) for _, kind, body in SAID],
    ids=[f"{kind}: {name}" for name, kind, _ in SAID],
)
async def test_what_a_server_said_is_the_answer(kind: str, body: Body) -> None:
    found = await outcome(kind, body)
    assert (found.error, found.text, found.calls) == (None, "Good day", [])
    assert (found.reason, found.requests) == ("stop", 1)


BEGUN = {"type": "function_call", "id": "a", "call_id": "c", "name": "get", "arguments": ""}
CALLED: list[tuple[str, str, Body, list[Any]]] = [
    (
        "llama-cpp-python: one call in two members",
        "chat",
        sse(
            chunk(
                {
                    "function_call": {"name": "get", "arguments": '{"x"'},
                    "tool_calls": [called("get", '{"x"', index=0, id="c")],
                }
            ),
            chunk(
                {
                    "function_call": {"name": "get", "arguments": ": 9}"},
                    "tool_calls": [called("get", ": 9}", index=0, id="c")],
                }
            ),
            chunk({}, "tool_calls"),
        ),
        [GET],
    ),
    (
        "Qwen: empty ids and names, and a last piece without anything",
        "chat",
        sse(
            calls(called("get", "", index=0, id="c")),
            calls(called("", '{"x"', index=0, id="")),
            calls(called(None, ": 9}", index=0, id="")),
            calls(called("", "", index=1, id="")),
            chunk({}, "tool_calls"),
        ),
        [GET],
    ),
    (
        "a gateway: the arguments so far in each piece",
        "chat",
        sse(
            calls(called("get", '{"x"', index=0, id="c")),
            calls(called("get", '{"x": 9', index=0, id="c")),
            calls(called("get", WRITTEN, index=0, id="c")),
            chunk({}, "tool_calls"),
        ),
        [GET],
    ),
    (
        "Workers AI: a call without the object of its function",
        "chat",
        sse(calls({"index": 0, "name": "get", "arguments": {"x": 9}}, finish="tool_calls")),
        [GET],
    ),
    (
        "Mistral: calls whose ids are the text null",
        "chat",
        sse(
            calls(called("put", '{"y": [1]}', id="null"), called("get", "{}", id="null")),
            calls(called("get", WRITTEN, id="null"), finish="tool_calls"),
        ),
        [PUT, ("get", {}), GET],
    ),
    (
        "calls without arguments, ids and numbers",
        "chat",
        sse(
            calls(called("get", "", index=0)), calls(called("put", "", index=0)), chunk({}, "stop")
        ),
        [("get", {}), ("put", {})],
    ),
    (
        "Gemini's compatible endpoint: whole calls with one number and no id",
        "chat",
        sse(
            calls(called("get", WRITTEN, index=0, id="")),
            calls(called("get", '{"x": 8}', index=0, id=""), finish="stop"),
        ),
        [GET, ("get", {"x": 8})],
    ),
    (
        "a call, and end_turn",
        "claude",
        sse(
            CLAUDE[0],
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "tool_use", "id": "t", "name": "get", "input": {"x": 9}},
            },
            *claude_end("end_turn"),
        ),
        [GET],
    ),
    (
        "Copilot: another id in each event",
        "responses",
        sse(
            {"type": "response.output_item.added", "output_index": 0, "item": BEGUN},
            {
                "type": "response.function_call_arguments.delta",
                "output_index": 0,
                "item_id": "b",
                "delta": '{"x"',
            },
            {
                "type": "response.function_call_arguments.done",
                "output_index": 0,
                "item_id": "d",
                "arguments": WRITTEN,
            },
            completed(),
        ),
        [GET],
    ),
]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [(kind, body, expected) for _, kind, body, expected in CALLED],
    ids=[f"{kind}: {name}" for name, kind, _, _ in CALLED],
)
async def test_the_calls_of_a_server_are_put_together(
    kind: str, body: Body, expected: list[Any]
) -> None:
    found = await outcome(kind, body)
    assert (found.error, found.calls, found.reason) == (None, expected, "tool_use")
    assert len(set(found.ids)) == len(expected)


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("chat", sse(chunk({"content": "Goo"}, "content_filter: PROHIBITED_CONTENT")), "safety"),
        ("chat", sse(chunk({}, "content_filter: PROHIBITED_CONTENT")), "safety"),
        ("chat", sse(chunk({"content": "Goo"}, {"type": "length"})), "max_output_tokens"),
    ],
)
async def test_a_reason_with_a_detail_means_what_it_says(
    kind: str, body: Body, reason: str
) -> None:
    found = await outcome(kind, body)
    assert (found.error, found.reason, found.requests) == (None, reason, 1)


GOO = chunk({"content": "Goo"})
RAW = {"raw": '{"error": {"message": "it broke"}}', "provider_name": "x"}
FAILED: list[tuple[str, str, Body, int]] = [
    (
        "llama.cpp: a field of its own",
        "chat",
        sse(b'error: {"code": 400, "message": "it broke"}\n\n', DONE),
        1,
    ),
    (
        "llama.cpp: a field of its own, after a piece",
        "chat",
        sse(GOO, b'error: {"code": 500, "message": "it broke"}\n\n', DONE),
        1,
    ),
    (
        "OpenRouter: the words of the server behind it",
        "chat",
        sse({"error": {"message": "Provider returned error", "code": 400, "metadata": RAW}}),
        1,
    ),
    (
        "SGLang: an aborted answer",
        "chat",
        sse(GOO, chunk({}, {"type": "abort", "message": "it broke"})),
        1,
    ),
    ("a text in brackets", "chat", sse(b"data: [ERROR] it broke\n\n"), 3),
    ("a proxy: a line between the events", "chat", sse(b"it broke\n"), 3),
    ("a proxy: a line after a piece", "claude", sse(*CLAUDE, b"it broke"), 1),
    ("a proxy: a page after a piece", "chat", sse(GOO, b"<html><p>it broke</p></html>"), 1),
    (
        "a failed response without the object around it",
        "responses",
        sse(unwrapped("response.failed", response("failed", error={"message": "it broke"}))),
        1,
    ),
]


@pytest.mark.parametrize(
    ("kind", "body", "requests"),
    [(kind, body, requests) for _, kind, body, requests in FAILED],
    ids=[name for name, *_ in FAILED],
)
async def test_the_failure_of_a_server_is_an_error_with_its_words(
    kind: str, body: Body, requests: int
) -> None:
    found = await outcome(kind, body)
    assert found.error is not None
    assert "it broke" in found.error.message
    assert (found.reason, found.requests) == ("", requests)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("chat", sse(chunk({"content": "Good day"}, "null"))),
        ("chat", sse(chunk({"content": "Good day"}, "None"))),
        ("claude", sse(*CLAUDE, claude_end("null")[0])),
        ("gemini", sse(gemini("FINISH_REASON_UNSPECIFIED", {"text": "Good day"}))),
        ("responses", sse(DELTA, response("in_progress"))),
    ],
)
async def test_a_cut_answer_whose_reason_is_none_is_not_complete(kind: str, body: Body) -> None:
    found = await outcome(kind, body)
    assert found.error is not None
    assert "before its answer" in found.error.message
    assert (found.text, found.reason, found.requests) == ("Good day", "", 1)
