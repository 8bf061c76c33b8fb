"""Calls and results of any depth in a conversation: every vendor's request can be written."""

from collections.abc import Callable

import orjson
import pytest
from msgspec import Raw

from omnia_core.conversation.tools import ToolCall
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import MAX_DEPTH, JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.providers.claude.messages import claude_messages
from omnia_runtime.providers.gemini.request import generate_body
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.openai.responses import (
    packed_reasoning,
    responses_body,
    unpacked_reasoning,
)

OPENAI = ProviderConfig("default", "openai", "gpt-5")
GEMINI = ProviderConfig("default", "gemini", "gemini-3")
BODIES: dict[str, Callable[[ChatRequest], JsonObject]] = {
    "claude": lambda request: {"messages": claude_messages(request.messages)},
    "gemini": lambda request: generate_body(GEMINI, request),
    "chat": lambda request: chat_body(OPENAI, request),
    "responses": lambda request: responses_body(OPENAI, request),
}


def nested(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 900, 20_000])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_conversation_goes_on_after_a_nested_call(
    body: Callable[[ChatRequest], JsonObject], levels: int
) -> None:
    text = nested(levels)
    called = Message("assistant", "", tool_calls=(ToolCall("c", "look", text),))
    answered = Message("tool", text, tool_call_id="c")
    request = ChatRequest("", [Message("user", "hi"), called, answered])
    assert b"look" in orjson.dumps(body(request))


def test_a_reasoning_item_that_is_nested_too_deeply_costs_only_itself() -> None:
    good = Raw(b'{"type":"reasoning","encrypted_content":"x"}')
    packed = packed_reasoning("m", [Raw(nested(300).encode()), good])
    assert unpacked_reasoning(packed, "m") == [{"type": "reasoning", "encrypted_content": "x"}]
