"""An answer has an end in time: silence is counted in pieces of the answer, not in bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import chain, repeat
from typing import Any

import pytest
from aiohttp import web

from omnia_core.files.providers import OpenAISettings, Pricing, ProviderConfig, ProviderDefaults
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatModel, ProviderError, TextDelta
from omnia_runtime.providers.claude.adapter import ClaudeModel
from omnia_runtime.providers.gemini.adapter import GeminiModel
from omnia_runtime.providers.openai.adapter import OpenAIModel
from tests.runtime.field_calls import HI
from tests.runtime.servers import call_piece, chunk, serving
from tests.runtime.vendors import claude_answer, claude_text, gemini_chunk

LIMIT = 40.0
MODELS: dict[str, Any] = {
    "chat": OpenAIModel,
    "responses": OpenAIModel,
    "claude": ClaudeModel,
    "gemini": GeminiModel,
}
ENDS: dict[str, list[dict[str, Any]]] = {
    "chat": [chunk({"content": "hi"}), chunk({}, "stop")],
    "claude": claude_answer(claude_text("hi")),
    "gemini": [gemini_chunk({"text": "hi"}), gemini_chunk(finish="STOP")],
    "responses": [
        {"type": "response.output_text.delta", "delta": "hi"},
        {"type": "response.completed", "response": {}},
    ],
}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


HEARTBEATS: dict[str, tuple[str, bytes]] = {
    "comments": ("chat", b": OPENROUTER PROCESSING\n\n"),
    "empty events": ("chat", b"data:\n\n"),
    "blank lines": ("chat", b"\n"),
    "chunks without text": ("chat", event(chunk({"role": "assistant", "content": ""}))),
    "reasoning that is null": ("chat", event(chunk({"content": "", "reasoning_content": None}))),
    "pings by name": ("claude", b'event: ping\ndata: {"type": "ping"}\n\n'),
    "usage": ("gemini", event({"usageMetadata": {"promptTokenCount": 3}})),
    "states": ("responses", event({"type": "response.in_progress", "response": {}})),
}
PROGRESS: dict[str, tuple[str, bytes]] = {
    "text": ("chat", event(chunk({"content": "x"}))),
    "reasoning": ("chat", event(chunk({"reasoning_content": "x"}))),
    "arguments": ("chat", event(chunk(call_piece(0, arguments="x")))),
    "thinking": (
        "claude",
        event({"type": "content_block_start", "content_block": {"type": "thinking"}})
        + event(
            {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "x"}}
        ),
    ),
    "thoughts": ("gemini", event(gemini_chunk({"text": "x", "thought": True}))),
    "summaries": ("responses", event({"type": "response.reasoning_summary.delta", "delta": "x"})),
}


class Dripping:
    """Sends a piece again and again, then an end."""

    def __init__(self, piece: bytes, times: int, end: bytes = b"", pause: float = 0.05) -> None:
        self._pieces = chain(repeat(piece, times), [end])
        self._pause = pause
        self.calls = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.calls += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self._pieces:
            await response.write(piece)
            await asyncio.sleep(self._pause)
        return response


def model_of(kind: str, url: str, client: HTTPClient, **defaults: str) -> ChatModel:
    config = ProviderConfig(
        "p",
        "openai" if kind in ("chat", "responses") else kind,
        "m",
        base_url=url,
        pricing=Pricing(0, 0, 0),
        openai=OpenAISettings("responses") if kind == "responses" else OpenAISettings(),
        defaults=ProviderDefaults(**defaults),  # type: ignore[arg-type] # texts only
    )
    model: ChatModel = MODELS[kind](config, None, "", client)
    return model


async def answer(kind: str, server: Dripping, **defaults: str) -> str:
    """Return the text, or the message of the error."""
    client = HTTPClient()

    async def said() -> AsyncIterator[str]:
        async for piece in model_of(kind, url, client, **defaults).stream(HI):
            if isinstance(piece, TextDelta):
                yield piece.text

    try:
        async with serving(server) as url, asyncio.timeout(LIMIT):
            return "".join([text async for text in said()])
    except ProviderError as error:
        return error.message
    finally:
        await client.close()


async def test_heartbeats_without_end_are_an_error_after_ten_times_the_longest_silence() -> None:
    calls = (
        answer(kind, Dripping(beat, 1000), stream_idle_timeout="500ms")
        for kind, beat in HEARTBEATS.values()
    )
    found = dict(zip(HEARTBEATS, await asyncio.gather(*calls), strict=True))
    assert {name: "sent only heartbeats for 5 s" in text for name, text in found.items()} == (
        dict.fromkeys(HEARTBEATS, True)
    )


async def test_a_server_may_show_for_longer_than_the_longest_silence_that_it_is_alive() -> None:
    calls = (
        answer(
            kind,
            Dripping(beat, 30, b"".join(map(event, ENDS[kind]))),
            stream_idle_timeout="1s",
        )
        for kind, beat in HEARTBEATS.values()
    )
    assert await asyncio.gather(*calls) == ["hi"] * len(HEARTBEATS)


async def test_every_piece_of_an_answer_is_progress_but_all_of_it_has_its_time_too() -> None:
    calls = (
        answer(kind, Dripping(piece, 1000), stream_idle_timeout="200ms", stream_timeout="4s")
        for kind, piece in PROGRESS.values()
    )
    found = dict(zip(PROGRESS, await asyncio.gather(*calls), strict=True))
    assert {name: "did not end its answer within 4 s" in text for name, text in found.items()} == (
        dict.fromkeys(PROGRESS, True)
    )


async def test_a_json_body_without_end_has_its_time_too() -> None:
    text = await answer("chat", Dripping(b" {", 1000), stream_timeout="1s")
    assert "did not end its answer within 1 s (streamTimeout)" in text


@pytest.mark.parametrize("blank", [b"\n" * 10_000, b" \r\n" * 10_000])
async def test_white_space_without_end_is_an_error(blank: bytes) -> None:
    assert "sent only white space" in await answer("chat", Dripping(blank, 10, pause=0))
