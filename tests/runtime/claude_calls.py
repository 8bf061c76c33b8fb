"""Calls of Claude for the tests: ours, and those of the vendor's SDK."""

import asyncio
import base64
from typing import Any

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, ModelEvent, TextDelta, ToolCallRequest, ToolSpec
from omnia_runtime.providers.claude.adapter import ClaudeModel
from tests.runtime.adapter_calls import LIMIT, stream
from tests.runtime.sdks import anthropic
from tests.runtime.vendors import claude_answer, claude_call, claude_text

KEY = "sk-ant-secret-1234"


MODEL = "claude-sonnet-4-6"


VERSION = "2023-06-01"


HI = ChatRequest("Be kind.", [Message("user", "hi")])


SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}


GET = ToolSpec("get", "gets", SCHEMA)


USAGE = Usage(100, 7, 40)


PNG = base64.b64encode(b"\x89PNG").decode()


TEXT = claude_answer(claude_text("Hel", "lo ä"))


THOUGHT = [
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Which "},
    {"type": "thinking_delta", "thinking": "one?"},
    {"type": "signature_delta", "signature": "c2ln"},
]


THOUGHTFUL = claude_answer(
    THOUGHT,
    [{"type": "redacted_thinking", "data": "eHl6"}],
    claude_text("Looking", ". "),
    THOUGHT,
    claude_text("Found."),
    claude_call("c1", "get", "{}"),
    THOUGHT,
    claude_call("c2", "get", "{}"),
    stop="tool_use",
)


CONFIG = ProviderConfig("default", "claude", MODEL)


SDK_TOOLS: Any = [{"name": "get", "description": "gets", "input_schema": SCHEMA}]


FREE = Pricing(0, 0, 0)


def config(url: str, **fields: Any) -> ProviderConfig:
    fields = {"pricing": FREE} | fields
    return ProviderConfig("default", "claude", MODEL, base_url=url, **fields)


async def ask(
    configured: ProviderConfig, request: ChatRequest = HI, key: str | None = KEY
) -> list[ModelEvent]:
    return await stream(ClaudeModel, configured, request, key)


async def ask_sdk(url: str, **call: Any) -> Any:
    """Make a call with the SDK; the sampling parameters, which it no longer names, go beside."""
    sampling = {name: call.pop(name) for name in ("temperature", "top_p", "top_k") if name in call}
    headers = {"anthropic-version": VERSION}
    async with (
        asyncio.timeout(LIMIT),
        anthropic().AsyncAnthropic(
            api_key=KEY, base_url=url, max_retries=0, default_headers=headers
        ) as sdk,
        sdk.messages.stream(**call, model=MODEL, extra_body=sampling) as stream,
    ):
        return await stream.get_final_message()


def texts(events: list[ModelEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


def called(events: list[ModelEvent]) -> Message:
    """The record of an answer that calls tools."""
    calls = tuple(
        ToolCall(event.id, event.name, event.arguments, event.opaque)
        for event in events
        if isinstance(event, ToolCallRequest)
    )
    return Message("assistant", "".join(texts(events)), tool_calls=calls)
