"""Conversations that one vendor's model wrote are valid for every other one."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import OpenAISettings, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, TextDelta, ToolCallRequest, ToolSpec
from omnia_runtime.providers.claude.messages import packed_layout
from omnia_runtime.providers.claude.request import messages_body
from omnia_runtime.providers.fitting import Fitting
from omnia_runtime.providers.gemini.request import generate_body, packed_signature
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.openai.responses import packed_reasoning, responses_body
from tests.runtime.conversation_rules import (
    chat_refusals,
    claude_refusals,
    gemini_refusals,
    responses_refusals,
)
from tests.runtime.field_calls import model_of, outcome
from tests.runtime.servers import serving

Rules: TypeAlias = Callable[[Any], Iterator[str]]
MODEL = "m"


def at(host: str, vendor: str = "openai", model: str = MODEL) -> ProviderConfig:
    return ProviderConfig("default", vendor, model, base_url=f"https://{host}/v1")


def chat_of(host: str) -> tuple[ProviderConfig, Any, Rules]:
    return at(host), chat_body, lambda body: chat_refusals(body, host=host)


RESPONSES = ProviderConfig("default", "openai", MODEL, openai=OpenAISettings("responses"))
VENDORS: dict[str, tuple[ProviderConfig, Any, Rules]] = {
    "openai": chat_of("api.openai.com"),
    "mistral": chat_of("api.mistral.ai"),
    "deepseek": chat_of("api.deepseek.com"),
    "gemini's compatible endpoint": chat_of("generativelanguage.googleapis.com"),
    "vllm": (at("localhost", "vllm"), chat_body, chat_refusals),
    "ollama": (at("localhost", "ollama"), chat_body, chat_refusals),
    "responses": (RESPONSES, responses_body, responses_refusals),
    "claude": (ProviderConfig("default", "claude", MODEL), messages_body, claude_refusals),
    "gemini": (ProviderConfig("default", "gemini", "gemini-3"), generate_body, gemini_refusals),
    "gemini 2": (
        ProviderConfig("default", "gemini", "gemini-2.5"),
        generate_body,
        lambda body: gemini_refusals(body, signed=False),
    ),
}
IMAGE = Part("image", media=Media("image/png", data="AA=="))
THOUGHTS = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}


def _returned() -> str:
    """What a server of chat completions gets back with a call."""
    calls = [{"id": "c", "function": {"name": "get", "arguments": "{}"}}]
    delta = {"reasoning_content": "hm", "tool_calls": calls}
    stream = ChatStream(MODEL)
    stream.read(json.dumps({"choices": [{"delta": delta, "finish_reason": "tool_calls"}]}).encode())
    call = stream.finish()[0]
    assert isinstance(call, ToolCallRequest)
    return call.opaque


OPAQUE = [
    "",
    "from nobody",
    packed_layout([*THOUGHTS, None]),
    packed_layout([*THOUGHTS, 5, None, None]),
    packed_signature("c2ln"),
    _returned(),
    packed_reasoning(MODEL, [Raw(json.dumps(REASONING).encode())]),
    packed_reasoning(MODEL, [Raw(json.dumps(REASONING | {"encrypted_content": "e"}).encode())]),
    packed_reasoning("another", [Raw(json.dumps(REASONING).encode())]),
]
TEXTS = st.sampled_from(["", " ", "\n", "hello", "hello \n", "line\u2028", "🌾"])
IDS = st.sampled_from(
    ["", "call_1", "call_1", "toolu_01A", "get:0", "D681PevKs", "function-call-1", "a b", "c" * 70]
)
ARGUMENTS = st.sampled_from(["", "{}", '{"x": 9}', '{"x": 9', "[]", "null", '"{}"', "{'x': 9}"])
NAMES = st.sampled_from(["get", "get", "mcp.get", "get weather", "1st", "gone_tool", "n" * 80])
CALLS = st.builds(ToolCall, IDS, NAMES, ARGUMENTS, st.sampled_from(OPAQUE))
PARTS = st.sampled_from(
    [(), (), (IMAGE,), (Part("text", text=" "),), (Part("text", text="x"), IMAGE)]
)
RESULTS = st.builds(
    lambda text, parts, failed: Message("tool", text, parts, is_error=failed),
    TEXTS | st.sampled_from(['{"a": 1}', "[1]", "null", '{"error": "no"}']),
    PARTS,
    st.booleans(),
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """One turn as it is stored: whole, cancelled, interrupted, failed, or without its results."""
    turn = [Message("user", draw(TEXTS), draw(PARTS))]
    for calls in draw(st.lists(st.lists(CALLS, min_size=1, max_size=3), max_size=2)):
        turn.append(Message("assistant", draw(TEXTS), tool_calls=tuple(calls)))
        count = draw(st.sampled_from([len(calls), len(calls), len(calls) - 1, 0]))
        for call in calls[:count]:
            given_result = draw(RESULTS)
            turn.append(
                Message(
                    "tool",
                    given_result.content,
                    given_result.parts,
                    tool_call_id=call.id,
                    is_error=given_result.is_error,
                )
            )
    end = draw(st.sampled_from(["stop", "stop", "cancelled", "interrupted", "error", "safety", ""]))
    if end:
        turn.append(
            Message(
                "assistant",
                draw(TEXTS),
                draw(st.sampled_from([(), (), (IMAGE,)])),
                finish_reason=end,
            )
        )
    return turn


NEXT = Message("user", "and now?")
TOOLS = (ToolSpec("get", "", {"type": "object"}), ToolSpec("mcp.get", "", {"type": "object"}))


def refusals(vendor: str, history: list[Message]) -> list[str]:
    config, body_of, rules = VENDORS[vendor]
    fitted = Fitting(config).fit(ChatRequest("Be kind.", history, TOOLS)).request
    return list(rules(json.loads(json.dumps(body_of(config, fitted)))))


@pytest.mark.parametrize("vendor", VENDORS)
@given(st.lists(turns(), max_size=3), st.booleans())
def test_every_vendor_takes_the_conversation_of_every_other_one(
    vendor: str, conversation: list[list[Message]], continued: bool
) -> None:
    history = [message for turn in conversation for message in turn] + [NEXT]
    if continued:
        call = ToolCall("call_1", "get", "{}", OPAQUE[2])
        result = Message("tool", "9", (IMAGE,), tool_call_id="call_1")
        history += [Message("assistant", tool_calls=(call,)), result]
    assert refusals(vendor, history) == []


def test_two_messages_of_the_user_are_one_where_they_must_alternate() -> None:
    history = [
        Message("user", "one"),
        Message("assistant", "", finish_reason="cancelled"),
        Message("user", "two", (IMAGE,)),
        Message("user", "three"),
    ]
    sent = [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "three"},
    ]
    config = VENDORS["vllm"][0]
    assert chat_body(config, ChatRequest("", history))["messages"] == [
        {"role": "user", "content": sent}
    ]
    assert chat_body(config, ChatRequest("", [history[0], *history[:2]]))["messages"] == [
        {"role": "user", "content": "one\n\none"}
    ]


def test_results_get_an_answer_before_the_next_message_where_it_is_wanted() -> None:
    history = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("c1", "get"),)),
        Message("tool", "9", tool_call_id="c1"),
        Message("assistant", "", finish_reason="cancelled"),
        NEXT,
    ]
    config = VENDORS["mistral"][0]
    roles = [message["role"] for message in chat_body(config, ChatRequest("", history))["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_texts_are_one_text_and_calls_without_a_text_have_what_their_server_takes() -> None:
    history = [
        Message("user", "", (Part("text", text="one"), Part("text", text="two"))),
        Message("assistant", tool_calls=(ToolCall("c1", "get"),)),
        Message("tool", "9", (Part("video", media=Media("video/mp4")),), tool_call_id="c1"),
    ]
    contents = {
        vendor: [
            message["content"]
            for message in chat_body(VENDORS[vendor][0], ChatRequest("", history))["messages"]
        ]
        for vendor in ("mistral", "vllm")
    }
    returned = "The tool call c1 returned:\n\n[video video/mp4: cannot be shown to you]"
    assert contents == {
        "mistral": ["one\n\ntwo", None, "9", "(no answer)", returned],
        "vllm": ["one\n\ntwo", "", "9", "(no answer)", returned],
    }


REFUSALS: dict[str, tuple[int, Any]] = {
    "stream_options": (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra"}]}),
    "max_tokens": (400, {"error": {"message": "Use 'max_completion_tokens' instead."}}),
}


async def test_a_field_that_a_server_refuses_is_left_out_from_then_on() -> None:
    asked: list[set[str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked.append(body.keys() & {*REFUSALS, "max_completion_tokens"})
        for field, (status, refusal) in REFUSALS.items():
            if field in body:
                return web.json_response(refusal, status=status)
        return web.json_response({"choices": [{"message": {"content": "hi"}}]})

    client = HTTPClient()
    async with serving(answer) as url:
        model = model_of("chat", url, client)
        request = ChatRequest("", [NEXT], parameters=Parameters(max_tokens=9))
        for each in (request, request, ChatRequest("", [NEXT])):
            events = [event async for event in model.stream(each)]
            assert events[0] == TextDelta("hi")
        await client.close()
    assert asked[0] == {"stream_options", "max_tokens"}
    assert asked[2:] == [{"max_completion_tokens"}] * 2 + [set()]


async def test_a_field_that_was_not_sent_is_not_left_out() -> None:
    body = json.dumps({"error": {"message": "stream_options: bad gateway"}}).encode()
    found = await outcome("chat", [body], status=422)
    assert found.error is not None
    assert "bad gateway" in found.error.message
    assert found.requests == 2


async def test_a_refused_value_of_a_field_is_told() -> None:
    body = json.dumps({"error": {"message": "max_tokens is too large"}}).encode()
    found = await outcome("chat", [body], status=400)
    assert found.error is not None
    assert "too large" in found.error.message
    assert found.requests == 1


async def test_the_place_of_an_invalid_field_is_named() -> None:
    detail = [{"loc": ["body", "messages", 0, "name"], "msg": "Field required"}]
    found = await outcome("chat", [json.dumps({"detail": detail}).encode()], status=422)
    assert found.error is not None
    assert "422: Field required (body.messages.0.name)" in found.error.message
    assert found.requests == 1
