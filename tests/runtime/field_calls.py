"""Calls of the four wire formats against a server that answers with given bytes."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from aiohttp import web

from omnia_core.env import SecretStr
from omnia_core.files.providers import OpenAISettings, Pricing, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers.claude.adapter import ClaudeModel
from omnia_runtime.providers.gemini.adapter import GeminiModel
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.retry import RetryingModel, Timing
from tests.runtime.servers import serving

LIMIT = 100.0
HI = ChatRequest("", [Message("user", "hi")])
KEY = "sk-of-the-test"
STREAM = "text/event-stream"
Body: TypeAlias = Sequence[bytes]


def sse(*events: Any) -> list[bytes]:
    """Events; bytes are sent as they are."""
    return [
        event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    ]


def model_of(kind: str, url: str, client: HTTPClient, key: str | None = KEY) -> ChatModel:
    secret = SecretStr(key) if key else None
    settings = OpenAISettings("responses") if kind == "responses" else OpenAISettings()
    vendor = "openai" if kind in ("chat", "responses") else kind
    config = ProviderConfig(
        "p", vendor, "m", base_url=url, pricing=Pricing(0, 0, 0), openai=settings
    )
    models: dict[str, Any] = {"openai": OpenAIModel, "claude": ClaudeModel, "gemini": GeminiModel}
    model: ChatModel = models[vendor](config, secret, "THE_KEY", client)
    return model


class FieldServer:
    """Answers every call with the same bytes, one write for each piece; counts the calls."""

    def __init__(self, body: Body, content_type: str, status: int, headers: dict[str, str]) -> None:
        self.body = body
        self.content_type = content_type
        self.status = status
        self.headers = headers
        self.calls = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.calls += 1
        headers = {"Content-Type": self.content_type, **self.headers}
        response = web.StreamResponse(status=self.status, headers=headers)
        await response.prepare(request)
        for piece in self.body:
            await response.write(piece)
        return response


class Outcome:
    """What came of a call.

    Attributes:
        calls: name and arguments.
        requests: how often the server was asked.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.calls: list[tuple[str, Any]] = []
        self.ids: list[str] = []
        self.reason = ""
        self.usage = (0, 0)
        self.error: ProviderError | None = None
        self.requests = 0

    def add(self, event: ModelEvent) -> None:
        if isinstance(event, TextDelta):
            self._pieces.append(event.text)
        elif isinstance(event, ToolCallRequest):
            self.calls.append((event.name, json.loads(event.arguments)))
            self.ids.append(event.id)
        elif isinstance(event, Finished):
            self.reason = event.reason
            self.usage = (event.usage.input_tokens, event.usage.output_tokens)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


async def outcome(
    kind: str,
    body: Body,
    content_type: str = STREAM,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    key: str | None = KEY,
) -> Outcome:
    found, client = Outcome(), HTTPClient()
    server = FieldServer(body, content_type, status, headers or {})
    timing = Timing(sleep=lambda _: asyncio.sleep(0))
    try:
        async with serving(server) as url, asyncio.timeout(LIMIT):
            model = RetryingModel(model_of(kind, url, client, key), "p", timing=timing)
            async for event in model.stream(HI):
                found.add(event)
    except ProviderError as error:
        found.error = error
    finally:
        await client.close()
    found.requests = server.calls
    return found
