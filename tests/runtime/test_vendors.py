"""What holds for claude and gemini alike."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ProviderError
from omnia_runtime.providers.claude.adapter import ClaudeModel
from omnia_runtime.providers.gemini.adapter import GeminiModel
from omnia_runtime.providers.retry import ModelRetryPolicy, RetryingModel
from tests.runtime.claude_calls import THOUGHT
from tests.runtime.program import Program, Stream, client, said
from tests.runtime.scripted import Mounted, http_tool, pack
from tests.runtime.servers import serving
from tests.runtime.vendors import (
    VendorServer,
    claude_answer,
    claude_call,
    claude_text,
    gemini_chunk,
)

LIMIT = 100.0
KEY = "a-secret-key-of-some-length"
HI = ChatRequest("", [Message("user", "hi")])
MODELS = pytest.mark.parametrize("make", [ClaudeModel, GeminiModel])


@MODELS
@pytest.mark.parametrize("padding", range(250, 300, 7))
async def test_a_key_that_a_vendor_repeats_is_in_no_log_and_no_error(
    make: type[ClaudeModel] | type[GeminiModel], padding: int
) -> None:
    server, client = VendorServer(), HTTPClient()
    # the key stands where the message is shortened
    server.refusal = (500, {}, {"error": {"message": "x" * padding + KEY}})
    async with serving(server) as url, asyncio.timeout(LIMIT):
        config = ProviderConfig("default", "claude", "m", base_url=url)
        vendor = make(config, SecretStr(KEY), "THE_KEY_VARIABLE", client)
        model = RetryingModel(vendor, "default", policy=ModelRetryPolicy(first_wait=0.0))
        with capture_logs() as logs, pytest.raises(ProviderError) as caught:
            await anext(model.stream(HI))
        await client.close()
    assert logs
    assert len(server.bodies) > 1
    told = f"{logs} {caught.value.message}"
    assert "xxx" in told
    assert KEY[:6] not in told


CLAUDE_CALL = claude_answer(THOUGHT, claude_call("c1", "lookup", '{"id":"42"}'), stop="tool_use")
GEMINI_CALL = [
    gemini_chunk(
        {
            "functionCall": {"id": "c1", "name": "lookup", "args": {"id": "42"}},
            "thoughtSignature": "c2ln",
        },
        finish="STOP",
    )
]


@pytest.mark.parametrize(
    ("vendor", "call", "text"),
    [
        ("claude", CLAUDE_CALL, claude_answer(claude_text("It is ", "sent."))),
        ("gemini", GEMINI_CALL, [gemini_chunk({"text": "It is sent."}, finish="STOP")]),
    ],
)
async def test_a_turn_with_a_tool_in_a_whole_runtime(
    mounted: Mounted, start: Callable[..., Program], vendor: str, call: Any, text: Any
) -> None:
    model = VendorServer(call)

    async def tool(request: web.Request) -> web.StreamResponse:
        model.events = text
        return web.json_response({"status": "sent"})

    mounted.write_pack(pack("Be kind.", parameters={"max_tokens": 99}))
    async with serving(model) as url, serving(tool) as tool_url:
        mounted.write_tools(http_tool(tool_url))
        mounted.write_provider(type=vendor, model=f"{vendor}-3-x", baseURL=url)
        program = start(OMNIA_PROVIDER_DEFAULT_API_KEY=KEY)
        async with client(mounted) as stub:
            stream = Stream(stub)
            answer = await stream.ask("where is order 42?")
            await stream.ask("thanks")
    assert said(answer) == "It is sent."
    assert answer[-1].done.usage.input_tokens == 200
    first, second, third = (str(body) for body in model.bodies)
    assert "Be kind." in first
    # the signature of a thought goes back, in Claude's case only while the turn goes on
    assert ["c2ln" in each for each in (first, second, third)] == [
        False,
        True,
        vendor == "gemini",
    ]
    assert "It is sent." in third
    assert KEY not in program.errors.read_text()
