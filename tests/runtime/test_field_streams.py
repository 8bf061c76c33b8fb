"""Streams as servers in the field send them, in the four wire formats.

What was said is the answer; a failure is an error with the server's own words.
"""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import Finished, TextDelta
from tests.runtime.field_calls import (
    HI,
    LIMIT,
    STREAM,
    Body,
    FieldServer,
    model_of,
    outcome,
    sse,
)
from tests.runtime.servers import serving


def piece(delta: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def call_of(**members: Any) -> dict[str, Any]:
    return piece({"tool_calls": [members]})


def whole(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


DONE = b"data: [DONE]\n\n"
STOP = piece({}, "stop")
CALLS = piece({}, "tool_calls")
NINE = {"x": 9}
GET = ("get", NINE)
FUNCTION = {"name": "get", "arguments": '{"x": 9}'}


def begins(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "m", "usage": usage}}


def block(index: Any, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": members}


def more(index: Any, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def stops(reason: str, **usage: Any) -> list[dict[str, Any]]:
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return [end, {"type": "message_stop"}]


def candidate(*parts: Any, finish: str | None = None, **members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": parts}, "finishReason": finish, **members}]}


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "delta": text}


def ends(**response: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": response}


def said(*texts: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "content": content}


def function_call(**members: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "c", **FUNCTION, **members}


BEGUN = {"name": "get", "arguments": '{"x"'}
ENDED = {"name": "get", "arguments": ": 9}"}
MANY = [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}]
SAID: list[tuple[str, str, Body]] = [
    (
        "chat",
        "choices null",
        sse(piece({"content": "Good "}), {"choices": None}, piece("day"), STOP),
    ),
    ("chat", "delta null", sse(piece({"content": "Good day"}), piece(None, "stop"), DONE)),
    ("chat", "content as a list", sse(piece({"content": MANY}), STOP)),
    ("chat", "unknown members", sse(piece({"content": "Good day", "x": [None]}, y=1), STOP)),
    ("chat", "a whole message", sse(whole(content="Good day"), DONE)),
    (
        "chat",
        "a whole message after its pieces",
        sse(
            piece({"content": "Good "}), piece({"content": "day"}), whole(content="Good day"), DONE
        ),
    ),
    (
        "chat",
        "the message so far beside each piece",
        sse(
            {"choices": [{"delta": {"content": "Good "}, "message": {"content": "Good "}}]},
            {"choices": [{"delta": {"content": "day"}, "message": {"content": "Good day"}}]},
            STOP,
        ),
    ),
    ("chat", "texts of completions", sse({"choices": [{"text": "Good day"}]}, STOP)),
    ("chat", "no finish reason", sse(piece({"content": "Good day"}), DONE)),
    ("chat", "no [DONE]", sse(piece({"content": "Good day"}), STOP)),
    ("chat", "more after the end", sse(piece({"content": "Good day"}), STOP, DONE, piece("no"))),
    ("chat", "noise after the end", sse(piece({"content": "Good day"}), STOP, b"data: {oops\n\n")),
    ("chat", "an error after the end", sse(piece("Good day"), STOP, {"error": "late"})),
    ("chat", "a spaced end", sse(piece({"content": "Good day"}), STOP, b"data:  [DONE] \n\n")),
    (
        "chat",
        "heartbeats",
        sse(
            b"data:\n\ndata: \n\n: x\n\ndata: : waiting\n\nevent: ping\ndata: ping\n\n",
            piece({"content": "Good "}),
            b"event: keepalive\ndata: {}\n\ndata: still here\n\ndata: null\n\n",
            piece({"content": "day"}),
            STOP,
        ),
    ),
    (
        "chat",
        "no empty lines",
        sse(
            b"data: %s\ndata: %s\n\n"
            % tuple(json.dumps(event).encode() for event in (piece({"content": "Good day"}), STOP))
        ),
    ),
    (
        "claude",
        "a whole message in events",
        sse({"type": "message", "content": MANY, "stop_reason": "end_turn"}),
    ),
    (
        "claude",
        "null members",
        sse(
            begins(input_tokens=None),
            block(None, type="text", text=None, citations=None),
            more(None, type="text_delta", text="Good day", partial_json=None),
            *stops("end_turn"),
        ),
    ),
    (
        "claude",
        "deltas without types",
        sse(
            begins(),
            more(0, text="Good day"),
            *stops("end_turn"),
        ),
    ),
    (
        "claude",
        "events whose type is their name",
        sse(
            b'event: content_block_delta\ndata: {"delta": {"text": "Good day"}}\n\n',
            b'event: message_delta\ndata: {"delta": {"stop_reason": "end_turn"}}\n\n',
        ),
    ),
    (
        "claude",
        "heartbeats",
        sse(
            b"data: \n\nevent: ping\ndata: x\n\n",
            begins(),
            more(0, type="text_delta", text="Good day"),
            *stops("end_turn"),
            DONE,
        ),
    ),
    (
        "gemini",
        "null members",
        sse(
            {"candidates": None},
            candidate({"text": "Good day", "thought": None}, None, finish="STOP"),
        ),
    ),
    (
        "gemini",
        "a list of chunks",
        sse([candidate({"text": "Good "}), candidate({"text": "day"}, finish="STOP")]),
    ),
    (
        "gemini",
        "a content that is a text",
        sse({"candidates": [{"content": "Good day", "finishReason": "STOP"}]}),
    ),
    (
        "gemini",
        "a content that is its parts",
        sse({"candidates": [{"content": MANY, "finishReason": "STOP"}]}),
    ),
    ("gemini", "parts as texts", sse(candidate("Good day", finish="STOP"))),
    (
        "gemini",
        "an error after the end",
        sse(candidate({"text": "Good day"}, finish="STOP"), {"error": {"code": 500}}),
    ),
    (
        "responses",
        "a text only when complete",
        sse({"type": "response.output_text.done", "text": "Good day"}, ends()),
    ),
    (
        "responses",
        "a text that is repeated when complete",
        sse(
            delta("Good "),
            delta("day"),
            {"type": "response.output_text.done", "text": "Good day"},
            {"type": "response.output_item.done", "item": said("Good day")},
            ends(output=[said("Good day")]),
        ),
    ),
    ("responses", "a message only at the end", sse(ends(output=[said("Good ", "day")]))),
    ("responses", "the rest only at the end", sse(delta("Good "), ends(output=[said("Good day")]))),
    (
        "responses",
        "unknown events",
        sse({"type": "response.x", "delta": {"a": 1}}, {"type": None}, delta("Good day"), ends()),
    ),
    (
        "responses",
        "a response without members",
        sse(delta("Good day"), {"type": "response.completed", "response": None}),
    ),
]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(kind, body) for kind, _, body in SAID],
    ids=[f"{k}: {n}" for k, n, _ in SAID],
)
async def test_what_was_said_is_the_answer(kind: str, body: Body) -> None:
    found = await outcome(kind, body)
    assert (found.error, found.text, found.reason) == (None, "Good day", "stop")
    assert found.requests == 1


TOOL = {"type": "tool_use", "id": "t", "name": "get"}
CALLED: list[tuple[str, str, Body]] = [
    (
        "chat",
        "arguments as an object",
        sse(call_of(index=0, id="c", function={"name": "get", "arguments": NINE}), CALLS),
    ),
    ("chat", "an id that is a number", sse(call_of(index=0, id=7, function=FUNCTION), CALLS)),
    ("chat", "an index that is null", sse(call_of(index=None, id="c", function=FUNCTION), CALLS)),
    ("chat", "an index that is a text", sse(call_of(index="0", id="c", function=FUNCTION), CALLS)),
    (
        "chat",
        "a function that is null",
        sse(call_of(index=0, id="c", function=FUNCTION), call_of(index=0, function=None), CALLS),
    ),
    (
        "chat",
        "pieces without an index",
        sse(
            call_of(id="c", function={"name": "get", "arguments": '{"x"'}),
            call_of(function={"arguments": ": 9}"}),
            CALLS,
        ),
    ),
    (
        "chat",
        "an index for each piece",
        sse(
            call_of(index=0, id="c", function={"name": "get", "arguments": '{"x"'}),
            call_of(index=1, id="c", function={"arguments": ": 9}"}),
            CALLS,
        ),
    ),
    (
        "chat",
        "an id for each piece",
        sse(
            call_of(index=0, id="c", function={"name": "get", "arguments": '{"x"'}),
            call_of(index=0, id="d", function={"arguments": ": 9}"}),
            CALLS,
        ),
    ),
    (
        "chat",
        "id and name in each piece",
        sse(
            call_of(index=0, id="c", function={"name": "get", "arguments": '{"x"'}),
            call_of(index=0, id="c", function={"name": "get", "arguments": ": 9}"}),
            CALLS,
        ),
    ),
    (
        "chat",
        "arguments that are repeated at the end",
        sse(
            call_of(index=0, id="c", function=FUNCTION),
            call_of(index=0, id="c", function=FUNCTION),
            CALLS,
        ),
    ),
    (
        "chat",
        "empty arguments before the real ones",
        sse(
            call_of(index=0, id="c", function={"name": "get", "arguments": "{}"}),
            call_of(index=0, function={"arguments": '{"x": 9}'}),
            CALLS,
        ),
    ),
    (
        "chat",
        "a call of older servers",
        sse(
            piece({"function_call": {"name": "get", "arguments": '{"x"'}}),
            piece({"function_call": {"arguments": ": 9}"}}),
            piece({}, "function_call"),
        ),
    ),
    (
        "chat",
        "a call said once for new clients and once for old ones",
        sse(
            piece({"tool_calls": [{"index": 0, "function": BEGUN}], "function_call": BEGUN}),
            piece({"tool_calls": [{"index": 0, "function": ENDED}], "function_call": ENDED}),
            CALLS,
        ),
    ),
    (
        "chat",
        "a call said twice in a whole message",
        sse(whole(content=None, tool_calls=[{"function": FUNCTION}], function_call=FUNCTION)),
    ),
    (
        "chat",
        "a call in a whole message",
        sse(whole(content=None, tool_calls=[{"function": FUNCTION}])),
    ),
    ("chat", "a reason that is no reason to call", sse(call_of(index=0, function=FUNCTION), STOP)),
    (
        "claude",
        "input as a text",
        sse(begins(), block(0, **TOOL, input='{"x": 9}'), *stops("tool_use")),
    ),
    (
        "claude",
        "input as an object",
        sse(begins(), block(0, **TOOL, input=NINE), *stops("tool_use")),
    ),
    (
        "claude",
        "no end of the block",
        sse(
            begins(),
            block(0, **TOOL, input=None),
            more(0, type="input_json_delta", partial_json='{"x": 9}'),
            *stops("tool_use"),
        ),
    ),
    (
        "claude",
        "input that comes as an object",
        sse(
            begins(),
            block(0, **TOOL),
            more(0, type="input_json_delta", partial_json=NINE),
            *stops("tool_use"),
        ),
    ),
    (
        "gemini",
        "arguments as a text",
        sse(candidate({"functionCall": {"name": "get", "args": '{"x": 9}'}}, finish="STOP")),
    ),
    (
        "gemini",
        "null members",
        sse(candidate({"functionCall": {"name": "get", "id": None, "args": NINE}}, finish="STOP")),
    ),
    (
        "responses",
        "arguments as an object",
        sse({"type": "response.output_item.done", "item": function_call(arguments=NINE)}, ends()),
    ),
    (
        "responses",
        "an id that is null",
        sse({"type": "response.output_item.done", "item": function_call(call_id=None)}, ends()),
    ),
    ("responses", "a call only at the end", sse(ends(output=[function_call()]))),
    (
        "responses",
        "a call twice",
        sse(
            {"type": "response.output_item.done", "item": function_call()},
            ends(output=[function_call()]),
        ),
    ),
    (
        "responses",
        "an item that is never complete",
        sse(
            {"type": "response.output_item.added", "item": function_call(id="i", arguments="")},
            {"type": "response.function_call_arguments.delta", "item_id": "i", "delta": '{"x"'},
            {"type": "response.function_call_arguments.delta", "item_id": "i", "delta": ": 9}"},
            ends(),
        ),
    ),
]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(kind, body) for kind, _, body in CALLED],
    ids=[f"{k}: {n}" for k, n, _ in CALLED],
)
async def test_a_call_is_put_together(kind: str, body: Body) -> None:
    found = await outcome(kind, body)
    assert (found.error, found.calls, found.reason) == (None, [GET], "tool_use")
    assert found.ids[0]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "chat",
            sse(
                call_of(index=0, function={"name": "get", "arguments": '{"x": 9}'}),
                call_of(index=0, function={"name": "put", "arguments": "{}"}),
                CALLS,
            ),
        ),
        (
            "chat",
            sse(
                call_of(function={"name": "get", "arguments": NINE}),
                call_of(function={"name": "put", "arguments": {}}),
                CALLS,
            ),
        ),
        (
            "claude",
            sse(
                begins(),
                block(None, **TOOL, input=NINE),
                block(None, **TOOL | {"name": "put"}),
                *stops("tool_use"),
            ),
        ),
        (
            "gemini",
            sse(
                candidate(
                    {"functionCall": {"id": "a", "name": "get", "args": NINE}},
                    {"functionCall": {"id": "a", "name": "put"}},
                    finish="STOP",
                )
            ),
        ),
        (
            "responses",
            sse(
                ends(
                    output=[function_call(), function_call(call_id="d", name="put", arguments=None)]
                )
            ),
        ),
    ],
)
async def test_calls_are_told_apart(kind: str, body: Body) -> None:
    found = await outcome(kind, body)
    assert found.calls == [GET, ("put", {})]
    assert len(set(found.ids)) == 2


HUGE = 10**40


@pytest.mark.parametrize(
    ("tokens", "count"),
    [(None, 0), (5.0, 5), ("5", 5), ("five", 0), ([5], 0), (-5, 0), (True, 0), (HUGE, 2**31 - 1)],
)
async def test_a_count_never_costs_the_answer(tokens: Any, count: int) -> None:
    text = "hi"
    bodies = {
        "chat": sse(
            piece({"content": text}),
            STOP,
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 3,
                    "completion_tokens": tokens,
                    "prompt_tokens_details": tokens,
                },
            },
        ),
        "claude": sse(
            begins(input_tokens=3),
            more(0, type="text_delta", text=text),
            *stops("end_turn", output_tokens=tokens),
        ),
        "gemini": sse(
            candidate({"text": text}, finish="STOP")
            | {
                "usageMetadata": {
                    "promptTokenCount": 3,
                    "candidatesTokenCount": tokens,
                }
            }
        ),
        "responses": sse(delta(text), ends(usage={"input_tokens": 3, "output_tokens": tokens})),
    }
    for kind, body in bodies.items():
        found = await outcome(kind, body)
        assert (kind, found.error, found.text, found.usage) == (kind, None, text, (3, count))


FAILED: list[tuple[str, Body, int]] = [
    (
        "chat",
        sse(
            piece({"content": "Goo"}),
            b'event: error\ndata: {"message": "it broke", "code": 502}\n\n',
        ),
        1,
    ),
    ("chat", sse(piece({"content": "Goo"}), b'{"error": {"message": "it broke"}}\n\n'), 1),
    (
        "chat",
        sse(
            {
                "choices": [
                    {
                        "delta": {},
                        "finish_reason": "error",
                        "error": {"message": "it broke", "code": 502},
                    }
                ]
            }
        ),
        3,
    ),
    ("chat", sse({"object": "error", "message": "it broke", "code": 400}), 1),
    ("chat", sse({"error": {"message": "it broke", "code": 503}}, DONE), 3),
    ("chat", sse({"error": [{"message": "it broke"}]}), 1),
    ("chat", sse({"detail": [{"msg": "it broke", "loc": ["x"]}]}), 1),
    ("chat", sse({"code": 1003, "msg": "it broke"}), 1),
    ("chat", sse({"base_resp": {"status_code": 1004, "status_msg": "it broke"}}), 1),
    ("chat", sse(b"data: it broke\n\n"), 3),
    ("chat", sse(piece({"content": "Goo"}), b"event: error\ndata: it broke\n\n", DONE), 1),
    (
        "chat",
        sse(
            {"choices": [{"delta": {"content": "Goo"}, "message": {"content": "Goo"}}]},
            {"error": "it broke"},
        ),
        1,
    ),
    ("claude", sse({"error": {"message": "it broke", "type": "invalid_request_error"}}), 1),
    ("claude", sse(begins(), {"type": "error", "error": "it broke"}), 3),
    ("claude", sse(b'event: error\ndata: {"message": "it broke"}\n\n'), 3),
    ("gemini", sse([{"error": {"code": 400, "message": "it broke"}}]), 1),
    (
        "gemini",
        sse(
            {
                "candidates": [
                    {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "it broke"}
                ]
            }
        ),
        2,
    ),
    ("responses", sse({"error": {"message": "it broke", "code": 400}}), 1),
    (
        "responses",
        sse({"type": "response.failed", "response": {"error": {"message": "it broke"}}}),
        1,
    ),
    (
        "responses",
        sse(ends(status="failed", error={"code": "server_error", "message": "it broke"})),
        3,
    ),
]


@pytest.mark.parametrize(("kind", "body", "requests"), FAILED)
async def test_a_failure_in_a_stream_is_an_error_with_the_words_of_the_server(
    kind: str, body: Body, requests: int
) -> None:
    found = await outcome(kind, body)
    assert found.error is not None
    assert "it broke" in found.error.message
    assert (found.reason, found.requests) == ("", requests)


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("chat", sse(DONE), "before its answer"),
        ("chat", sse(piece({}, "a_new_one")), '"a_new_one"'),
        ("chat", sse(piece({"content": "Goo"}, "network_error")), "network_error"),
        ("chat", sse(CALLS), "tool call that it did not send"),
        (
            "chat",
            sse(call_of(index=0, id="c", function={"arguments": "{}"}), CALLS),
            "name of its tool",
        ),
        ("chat", sse(b'data: {"choices": [{"delta": {"content": "Goo\n\n', STOP), "malformed"),
        ("claude", sse(*stops("tool_use")), "tool call that it did not send"),
        ("claude", sse({"type": "message_stop"}), "before its answer"),
        ("gemini", sse(candidate(finish="UNEXPECTED_TOOL_CALL")), "UNEXPECTED_TOOL_CALL"),
    ],
)
async def test_no_answer_is_an_error_and_no_empty_success(
    kind: str, body: Body, words: str
) -> None:
    found = await outcome(kind, body)
    assert found.error is not None
    assert words in found.error.message
    assert found.reason == ""


JSON = "application/json"
CHAT_ANSWER = whole(content="Good day")
CLAUDE_ANSWER = {"type": "message", "content": MANY, "stop_reason": "end_turn"}
GEMINI_ANSWER = [candidate({"text": "Good "}), candidate({"text": "day"}, finish="STOP")]
RESPONSE = {"object": "response", "status": "completed", "output": [said("Good day")]}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("content_type", [JSON, STREAM, "text/plain"])
@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("chat", CHAT_ANSWER),
        ("claude", CLAUDE_ANSWER),
        ("gemini", GEMINI_ANSWER),
        ("gemini", candidate(*MANY, finish="STOP")),
        ("responses", RESPONSE),
    ],
)
async def test_an_answer_that_is_not_streamed_is_read(
    kind: str, answer: Any, content_type: str, indent: int | None
) -> None:
    text = json.dumps(answer, indent=indent)
    for body in ([text.encode()], [b"\xef\xbb\xbf\n", *(letter.encode() for letter in text)]):
        found = await outcome(kind, body, content_type)
        assert (found.error, found.text, found.reason) == (None, "Good day", "stop")


@pytest.mark.parametrize("kind", ["chat", "claude", "gemini", "responses"])
@pytest.mark.parametrize(
    ("body", "content_type", "words", "requests"),
    [
        (b'{"error": {"message": "no such model", "code": 404}}', JSON, "no such model", 1),
        (b'[{"error": {"message": "no such model", "code": 404}}]', JSON, "no such model", 1),
        (b'{"detail": "no such model"}', JSON, "no such model", None),
        (b'{"error": {"message": "try later", "code": 503}}', JSON, "try later", 3),
        (
            b"<html><head><title>x</title></head><p>Please\n sign in",
            "text/html",
            "Please sign in",
            1,
        ),
        (b"<html><p>Please", "text/html", "text/html", 1),
        (b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson", "application/x-ndjson", 1),
        (b'{"status": "up"}', JSON, '{"status": "up"}', 1),
        (b"Please wait", "text/plain", "text/plain", 1),
        (b"\n", "text/plain", "text/plain", 3),
    ],
)
async def test_status_200_with_something_else_is_an_error_that_says_what_it_is(
    kind: str, body: bytes, content_type: str, words: str, requests: int | None
) -> None:
    found = await outcome(kind, [body], content_type)
    assert found.error is not None
    assert words in found.error.message
    assert requests in (None, found.requests)


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (
            401,
            {},
            {"error": {"message": "Budget of team a is used up"}},
            "Budget of team a is used up; its key",
        ),
        (403, {}, {"error": {"message": "not in your region"}}, "not in your region"),
        (400, {}, {"detail": [{"msg": "too long"}]}, "too long"),
        (307, {"Location": "/v2/x"}, {}, 'a redirect to "/v2/x"'),
        (429, {}, {"error": {"message": "no money", "code": "insufficient_quota"}}, "no money"),
    ],
)
async def test_a_refusal_keeps_the_words_of_the_server_and_is_not_repeated(
    status: int, headers: dict[str, str], body: Any, words: str
) -> None:
    found = await outcome("chat", [json.dumps(body).encode()], JSON, status=status, headers=headers)
    assert found.error is not None
    assert words in found.error.message
    assert found.requests == 1


async def test_a_refusal_in_the_form_of_a_stream_keeps_its_words() -> None:
    error = {"error": {"message": "No stream begins.", "code": "500"}}
    body = [b"event: error\n", *sse(error), b"data: [DONE]\n\n"]
    found = await outcome("chat", body, status=500)
    assert found.error is not None
    assert "answered with status 500: No stream begins. (after" in str(found.error)


async def test_a_refusal_without_a_key_says_so() -> None:
    found = await outcome("chat", [b"no"], "text/plain", status=401, key=None)
    assert found.error is not None
    assert found.error.message.endswith(
        'with status 401: no; it has no key: name its Secret in the Provider "p"'
    )


async def test_a_cut_after_the_end_of_an_answer_costs_nothing() -> None:
    class Cut(FieldServer):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            response = await super().__call__(request)
            assert request.transport
            await asyncio.sleep(0.02)
            request.transport.abort()
            return response

    client = HTTPClient()
    body = sse(piece({"content": "Good day"}), STOP)
    async with serving(Cut(body, STREAM, 200, {})) as url, asyncio.timeout(LIMIT):
        events = [event async for event in model_of("chat", url, client).stream(HI)]
        await client.close()
    assert [type(event) for event in events] == [TextDelta, Finished]


async def test_bytes_that_are_no_text_are_replaced() -> None:
    body = sse(b'data: {"choices": [{"delta": {"content": "a\xff"}}]}\n\n', STOP)
    assert (await outcome("chat", body)).text == "a\ufffd"
    body = sse(b'data: {"choices": [{"delta": {"content": "a\\ud83d"}}]}\n\n', STOP)
    assert (await outcome("chat", body)).text == "a\ufffd"
