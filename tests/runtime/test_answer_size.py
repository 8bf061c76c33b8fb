"""An answer has an end: of its text, its reasoning, its tool calls, in all four formats."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from omnia_runtime.ports.model import ToolCallRequest
from omnia_runtime.providers.answer_size import (
    MAX_ARGUMENTS,
    MAX_CALLS,
    MAX_OTHER,
    MAX_TEXT,
    TEXT_PIECE,
    AnswerSize,
)
from omnia_runtime.providers.claude.stream import MessageStream
from omnia_runtime.providers.gemini.stream import ContentStream
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.openai.reasoning import NOTHING, CollectedReasoning
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.vendor_stream import AnswerReader
from tests.runtime.conftest import Start
from tests.runtime.field_calls import outcome, sse
from tests.runtime.program import Stream, client, said
from tests.runtime.scripted import Mounted
from tests.runtime.servers import call_piece, chunk, serving
from tests.runtime.test_stream_mutations import play
from tests.runtime.vendors import gemini_chunk

LONG = "y" * 100_000
# As much of its repetition as is said.
LONG_TEXT = "y" * (MAX_TEXT - TEXT_PIECE * (MAX_TEXT // len(LONG) + 1))
Event = dict[str, Any]
READERS: dict[str, Callable[[], AnswerReader]] = {
    "chat": ChatStream,
    "claude": MessageStream,
    "gemini": ContentStream,
    "responses": lambda: ResponseStream("m"),
}


def more(**delta: Any) -> Event:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def block(index: int, **members: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": members}


def item(kind: str, **members: Any) -> Event:
    return {"type": "response.output_item.done", "item": {"type": kind, **members}}


def delta(kind: str, text: str, **members: Any) -> Event:
    return {"type": f"response.{kind}.delta", "delta": text, **members}


def gemini_call(**args: Any) -> Event:
    return gemini_chunk({"functionCall": {"name": "t", "args": args}})


TEXTS: dict[str, Callable[[str], Event]] = {
    "chat": lambda text: chunk({"content": text}),
    "claude": lambda text: more(type="text_delta", text=text),
    "gemini": lambda text: gemini_chunk({"text": text}),
    "responses": lambda text: delta("output_text", text),
}
ENDS: dict[str, Event] = {
    "chat": chunk({}, "stop"),
    "claude": {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    "gemini": gemini_chunk(finish="STOP"),
    "responses": {"type": "response.completed", "response": {}},
}
# What a server may send for ever, without a word of text: the beginning, and what it repeats.
REASONING: dict[str, tuple[str, list[Event], Event]] = {
    "reasoning_content": ("chat", [], chunk({"reasoning_content": LONG})),
    "reasoning": ("chat", [], chunk({"reasoning": LONG})),
    "reasoning_details": (
        "chat",
        [],
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": LONG}]}),
    ),
    "thinking": ("claude", [block(0, type="thinking")], more(type="thinking_delta", thinking=LONG)),
    "signatures": (
        "claude",
        [block(0, type="thinking")],
        more(type="signature_delta", signature=LONG),
    ),
    "redacted thinking": ("claude", [], block(1, type="redacted_thinking", data=LONG)),
    "thoughts": ("gemini", [], gemini_chunk({"text": LONG, "thought": True})),
    "pictures": (
        "gemini",
        [],
        gemini_chunk({"inlineData": {"mimeType": "image/png", "data": LONG}}),
    ),
    "reasoning items": ("responses", [], item("reasoning", encrypted_content=LONG)),
    "ids of messages": ("responses", [], item("message", id=LONG, content=[])),
}
ARGUMENTS: dict[str, tuple[str, list[Event], Event]] = {
    "chat": (
        "chat",
        [chunk(call_piece(0, id="c", name="t"))],
        chunk(call_piece(0, arguments=LONG)),
    ),
    "chat, the name": ("chat", [], chunk(call_piece(0, id="c", name="t", arguments=LONG))),
    "chat, extra content": (
        "chat",
        [],
        chunk({"tool_calls": [{"index": 0, "id": "c", "extra_content": {"x": LONG}}]}),
    ),
    "claude": (
        "claude",
        [block(0, type="tool_use", id="c", name="t")],
        more(type="input_json_delta", partial_json=LONG),
    ),
    "gemini": ("gemini", [], gemini_call(x=LONG)),
    "responses": (
        "responses",
        [],
        delta("function_call_arguments", LONG, item_id="c", output_index=0),
    ),
    "responses, items": ("responses", [], item("function_call", name="t", arguments=f'"{LONG}"')),
}
CALLS: dict[str, Callable[[int], Event]] = {
    "chat": lambda at: chunk(call_piece(at, id=f"c{at}", name="t", arguments="{}")),
    "claude": lambda at: block(at, type="tool_use", id=f"c{at}", name="t"),
    "gemini": lambda at: gemini_call(x=at),
    "responses": lambda at: item("function_call", id=f"c{at}", call_id=f"c{at}", name="t"),
}


def endless(begin: list[Event], event: Event, limit: int) -> list[bytes]:
    """A stream that goes on for much longer than a limit of characters."""
    return [*sse(*begin), *sse(event) * (2 * limit // len(LONG))]


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_text_without_end_is_said_up_to_the_limit_and_then_an_error(kind: str) -> None:
    found = await outcome(kind, endless([], TEXTS[kind](LONG), MAX_TEXT))
    assert found.text == LONG_TEXT
    assert found.error
    assert found.error.message.startswith('the provider "p"')
    assert "said more than 4 MiB of text in one answer" in found.error.message
    assert "set maxTokens, or check the server" in found.error.message
    assert found.requests == 1


@pytest.mark.parametrize(("kind", "begin", "event"), REASONING.values(), ids=REASONING)
async def test_reasoning_without_end_is_an_error(
    kind: str, begin: list[Event], event: Event
) -> None:
    # Of an answer that had as much but for a few pieces.
    reader = READERS[kind]()
    reader.size.add_other(MAX_OTHER - 5 * len(LONG))
    found = await play(reader, endless(begin, event, 5 * len(LONG)))
    (error,) = found.errors
    assert "said more than 32 MiB of reasoning and media" in error.message
    assert not error.retryable
    assert (found.text, found.calls) == ("", [])


async def test_reasoning_without_end_is_an_error_after_one_request() -> None:
    found = await outcome("chat", endless(*REASONING["reasoning"][1:], MAX_OTHER))
    assert found.error
    assert "said more than 32 MiB of reasoning and media" in found.error.message
    assert (found.text, found.calls, found.requests) == ("", [], 1)


@pytest.mark.parametrize(("kind", "begin", "event"), ARGUMENTS.values(), ids=ARGUMENTS)
async def test_tool_calls_without_end_are_an_error(
    kind: str, begin: list[Event], event: Event
) -> None:
    found = await outcome(kind, endless(begin, event, MAX_ARGUMENTS))
    assert found.error
    assert "said more than 2 MiB of tool calls" in found.error.message
    assert not found.error.retryable
    assert (found.text, found.calls, found.requests) == ("", [], 1)


@pytest.mark.parametrize("kind", CALLS)
async def test_tool_calls_without_number_are_an_error(kind: str) -> None:
    found = await outcome(kind, sse(*map(CALLS[kind], range(MAX_CALLS + 1))))
    assert found.error
    assert f"said more than {MAX_CALLS} tool calls" in found.error.message
    assert found.calls == []


async def test_arguments_in_pieces_that_are_sent_again_at_the_end_count_once() -> None:
    half = json.dumps({"x": "z" * (MAX_ARGUMENTS * 2 // 3)})
    call = {"type": "function_call", "id": "i", "call_id": "c", "name": "t"}
    found = await outcome(
        "responses",
        sse(
            {"type": "response.output_item.added", "item": {**call, "arguments": ""}},
            delta("function_call_arguments", half[:9], item_id="i"),
            delta("function_call_arguments", half[9:], item_id="i"),
            {"type": "response.function_call_arguments.done", "item_id": "i", "arguments": half},
            {"type": "response.output_item.done", "item": {**call, "arguments": half}},
            {"type": "response.completed", "response": {}},
        ),
    )
    assert found.error is None
    assert found.calls == [("t", json.loads(half))]


@pytest.mark.parametrize("kind", TEXTS)
async def test_what_follows_the_end_of_an_answer_without_end_does_not_make_it_complete(
    kind: str,
) -> None:
    ends = {
        "chat": chunk({}, "stop"),
        "claude": {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        "gemini": gemini_chunk(finish="STOP"),
        "responses": {"type": "response.in_progress"},
    }
    found = await outcome(kind, endless([ends[kind]], TEXTS[kind](LONG), MAX_TEXT))
    assert found.error
    assert "said more than" in found.error.message


@pytest.mark.parametrize("kind", TEXTS)
@settings(max_examples=settings().max_examples // 5)  # each has the longest answer
@given(data=st.data())
async def test_any_split_of_the_bytes_gives_the_same_decision(
    kind: str, data: st.DataObject
) -> None:
    # Around the limit: the answer is whole, or is cut at the same character.
    surplus = data.draw(st.sampled_from([-1, 0, 1, 7]))
    whole, rest = divmod(MAX_TEXT, len(LONG) + TEXT_PIECE)
    last = rest - TEXT_PIECE + surplus
    events = [TEXTS[kind](LONG)] * whole + [TEXTS[kind]("z" * last), ENDS[kind]]
    stream = b"".join(sse(*events))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    packets = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    found = await play(READERS[kind](), packets)
    assert found.text == LONG * whole + "z" * min(last, rest - TEXT_PIECE)
    assert bool(found.errors) == (surplus > 0)


@pytest.mark.parametrize("length", [100, 1000, MAX_TEXT])
async def test_a_text_without_end_is_bounded_whatever_the_length_of_its_pieces(length: int) -> None:
    class Endless(ChatStream):
        """Its pieces cost nothing to make."""

        def read(self, data: bytes) -> str:
            return data.decode() * length

    found = await play(Endless(), [b"data: x\n\n" * 1000] * 2000)
    assert MAX_TEXT // (1 + TEXT_PIECE) <= len(found.text) < MAX_TEXT
    (error,) = found.errors
    assert "said more than 4 MiB of text" in error.message


async def test_what_was_said_before_the_limit_is_kept_in_the_conversation(
    mounted: Mounted, start: Start
) -> None:
    asked: list[Any] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json())["messages"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        answer = [chunk({"content": "short"}), chunk({}, "stop")]
        events = endless([], TEXTS["chat"](LONG), MAX_TEXT) if len(asked) == 1 else sse(*answer)
        for event in events:
            await response.write(event)
        return response

    async with serving(serve) as url:
        mounted.write_provider(type="openai", baseURL=url)
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            messages = await stream.ask("talk")
            assert said(messages) == LONG_TEXT
            assert "said more than" in messages[-1].error.message
            assert said(await stream.ask("again")) == "short"
    assert [message["role"] for message in asked[1]][-3:] == ["user", "assistant", "user"]
    assert asked[1][-2]["content"] == LONG_TEXT


def test_the_longest_reasoning_of_todays_models_in_the_smallest_pieces_is_within_the_limits() -> (
    None
):
    size = AnswerSize()
    reasoning = CollectedReasoning(size)
    detail = [{"type": "reasoning.text", "format": "unknown", "index": 0, "text": "four"}]
    text, details = Raw(b'"four"'), Raw(json.dumps(detail).encode())
    # A quarter of it: each piece counts alike.
    for _ in range(100_000):
        reasoning.add(NOTHING, text, details)
    size.add_other(3 * size._other)
    (call,) = reasoning.packed([ToolCallRequest("c", "t", "{}")], "m", [b""])
    assert call.opaque.count("four") == 200_000


@pytest.mark.parametrize("kind", CALLS)
@given(data=st.data())
async def test_any_split_of_the_bytes_gives_the_same_number_of_calls(
    kind: str, data: st.DataObject
) -> None:
    number = data.draw(st.sampled_from([MAX_CALLS, MAX_CALLS + 1]))
    stream = b"".join(sse(*map(CALLS[kind], range(number)), ENDS[kind]))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    packets = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    found = await play(READERS[kind](), packets)
    assert len(found.calls) == (number if number == MAX_CALLS else 0)
    assert bool(found.errors) == (number > MAX_CALLS)
