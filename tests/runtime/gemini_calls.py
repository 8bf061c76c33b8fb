"""Calls of Gemini for the tests: ours, and those of the vendor's SDK."""

import asyncio
import base64
from typing import Any

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, ModelEvent, TextDelta, ToolSpec
from omnia_runtime.providers.gemini.adapter import GeminiModel
from tests.runtime.adapter_calls import LIMIT, stream
from tests.runtime.sdks import genai
from tests.runtime.vendors import gemini_chunk

KEY = "AIza-secret-1234"


OLD, NEW = "gemini-2.5-flash", "gemini-3.6-flash"


UNSIGNED = "skip_thought_signature_validator"


HI = ChatRequest("Be kind.", [Message("user", "hi")])


SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}


GET = ToolSpec("get", "gets", SCHEMA)


USAGE = Usage(100, 7, 40)


PNG = b"\x89PNG"


PICTURE = Part("image", media=Media("image/png", data=base64.b64encode(PNG).decode()))


FREE = Pricing(0, 0, 0)


TEXT = [
    gemini_chunk({"text": "Hel"}),
    gemini_chunk({"text": "lo "}, {"text": "ä"}),
    gemini_chunk({"text": ""}, finish="STOP"),
]


# Protocol buffers' JSON has two spellings of a name; the SDK mixes them.
CAMEL = {
    "mime_type": "mimeType",
    "file_uri": "fileUri",
    "inline_data": "inlineData",
    "parameters_json_schema": "parametersJsonSchema",
}


def config(url: str, **fields: Any) -> ProviderConfig:
    fields.setdefault("pricing", FREE)
    model = fields.pop("model", NEW)
    return ProviderConfig("default", "gemini", model, base_url=url, **fields)


async def ask(
    configured: ProviderConfig, request: ChatRequest = HI, key: str | None = KEY
) -> list[ModelEvent]:
    return await stream(GeminiModel, configured, request, key)


async def ask_sdk(url: str, contents: Any = "hi", model: str = NEW, **settings: Any) -> list[Any]:
    options = genai().types.HttpOptions(base_url=url, api_version="v1beta")
    settings.setdefault(
        "automatic_function_calling", genai().types.AutomaticFunctionCallingConfig(disable=True)
    )
    async with asyncio.timeout(LIMIT), genai().Client(api_key=KEY, http_options=options).aio as sdk:
        stream = await sdk.models.generate_content_stream(
            model=model, contents=contents, config=genai().types.GenerateContentConfig(**settings)
        )
        return [chunk async for chunk in stream]


def canonical(value: Any) -> Any:
    """The same message in one spelling, and without a configuration that sets nothing."""
    if isinstance(value, list):
        return [canonical(each) for each in value]
    if isinstance(value, dict):
        return {
            CAMEL.get(key, key): canonical(each)
            for key, each in value.items()
            if (key, each) != ("generationConfig", {})
        }
    return value


def texts(events: list[ModelEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]
