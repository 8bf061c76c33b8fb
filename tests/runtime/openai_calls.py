"""Calls of OpenAI's protocols for the tests."""

from typing import Any

from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, ModelEvent
from omnia_runtime.providers.openai.adapter import OpenAIModel
from tests.runtime.adapter_calls import stream
from tests.runtime.servers import USAGE, chunk

KEY = "sk-secret-1234"
HI = ChatRequest("Be kind.", [Message("user", "hi")])
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}
TEXT = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo ä"}),
    chunk({}, "stop"),
    chunk({}, usage=USAGE),
]


def config(url: str, **fields: Any) -> ProviderConfig:
    return ProviderConfig(
        "default", fields.pop("type", "openai"), "gpt-4o", base_url=f"{url}/v1", **fields
    )


async def ask(
    configured: ProviderConfig, request: ChatRequest = HI, key: str | None = KEY
) -> list[ModelEvent]:
    return await stream(OpenAIModel, configured, request, key)
