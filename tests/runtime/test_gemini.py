"""What is read from Gemini, with the vendor's SDK as the witness."""

import asyncio
import base64
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import Pricing, ProviderDefaults
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    MediaProduced,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers.gemini.adapter import GeminiModel
from tests.runtime.adapter_calls import LIMIT
from tests.runtime.gemini_calls import (
    HI,
    KEY,
    OLD,
    PICTURE,
    PNG,
    TEXT,
    USAGE,
    ask,
    ask_sdk,
    canonical,
    config,
    texts,
)
from tests.runtime.sdks import genai
from tests.runtime.servers import serving
from tests.runtime.vendors import VendorServer, gemini_chunk
from tests.services import free_port

# The SDK inherits from a class of aiohttp that asks not to be inherited from.
pytestmark = [
    pytest.mark.usefixtures("genai_sdk"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]


async def test_text_streams_and_the_vendors_sdk_reads_the_same_from_the_same_server() -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(url, system_instruction="Be kind.")

    assert texts(events) == ["Hel", "lo ä"]
    assert "".join(chunk.text or "" for chunk in theirs) == "Hello ä"
    assert server.bodies[0] == canonical(server.bodies[1])
    assert server.urls[0] == server.urls[1]
    assert events[-1] == Finished("stop", USAGE)
    used = theirs[-1].usage_metadata
    assert used
    assert (used.prompt_token_count, used.cached_content_token_count) == (100, 40)


async def test_the_key_is_in_the_header_of_the_sdk_and_nowhere_else() -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        await ask(config(url))
        await ask_sdk(url)
        await ask(config(url), key=None)
    assert server.headers[0]["x-goog-api-key"] == server.headers[1]["x-goog-api-key"] == KEY
    assert "x-goog-api-key" not in server.headers[2]
    assert KEY not in server.urls[0]


async def test_whole_tool_calls_are_read_as_the_sdk_reads_them() -> None:
    server = VendorServer(
        [
            gemini_chunk({"text": "Looking."}),
            gemini_chunk(
                {
                    "functionCall": {"id": "c1", "name": "get", "args": {"id": "7"}},
                    "thoughtSignature": "c2ln",
                },
                {"functionCall": {"id": "c2", "name": "put"}},
            ),
            gemini_chunk(finish="STOP"),
        ]
    )
    async with serving(server) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(url)
    assert events[1:] == [
        ToolCallRequest("c1", "get", '{"id": "7"}', "gemini:c2ln"),
        ToolCallRequest("c2", "put", "{}"),
        Finished("tool_use", USAGE),
    ]
    calls = [call for chunk in theirs for call in chunk.function_calls or []]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("c1", "get", {"id": "7"}),
        ("c2", "put", None),
    ]


async def test_calls_without_an_id_get_different_ones() -> None:
    calls = [{"functionCall": {"name": "get", "args": {"id": name}}} for name in "ab"]
    async with serving(VendorServer([gemini_chunk(*calls, finish="STOP")])) as url:
        events = await ask(config(url))
    ids = {event.id for event in events if isinstance(event, ToolCallRequest)}
    assert len(ids) == 2
    assert "" not in ids


async def test_a_picture_that_the_model_made_is_handed_over_and_sent_back() -> None:
    blob = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    server = VendorServer(
        [gemini_chunk({"text": "Here."}), gemini_chunk({"inlineData": blob}, finish="STOP")]
    )
    async with serving(server) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(url)
        made = [event.part for event in events if isinstance(event, MediaProduced)]
        said = Message("assistant", "Here.", tuple(made))
        await ask(config(url, model=OLD), ChatRequest("", [Message("user", "hi"), said]))
    assert made == [PICTURE]
    assert [part.inline_data.data for part in theirs[1].parts or () if part.inline_data] == [PNG]
    assert server.bodies[2]["contents"][1]["parts"][1] == {"inlineData": blob}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "max_output_tokens"),
        ("SAFETY", "safety"),
        ("RECITATION", "safety"),
        ("PROHIBITED_CONTENT", "safety"),
        ("SPII", "safety"),
        ("BLOCKLIST", "safety"),
        ("OTHER", "refusal"),
        ("A_REASON_OF_TOMORROW", "stop"),
    ],
)
async def test_finish_reasons_are_mapped(finish: str, reason: str) -> None:
    async with serving(VendorServer([gemini_chunk({"text": "a"}, finish=finish)])) as url:
        last = (await ask(config(url)))[-1]
    assert last == Finished(reason, USAGE)  # type: ignore[arg-type] # the table's strings


async def test_calls_of_an_answer_that_was_stopped_are_not_made() -> None:
    call = {"functionCall": {"name": "get", "args": {}}}
    async with serving(VendorServer([gemini_chunk(call, finish="SAFETY")])) as url:
        assert await ask(config(url)) == [Finished("safety", USAGE)]


async def test_a_blocked_prompt_ends_for_safety() -> None:
    chunk = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9},
    }
    async with serving(VendorServer([chunk])) as url:
        assert await ask(config(url)) == [Finished("safety", Usage(9))]


async def test_a_prompt_that_is_blocked_for_no_reason_is_answered() -> None:
    answer = gemini_chunk({"text": "a"}, finish="STOP")
    answer["promptFeedback"] = {"blockReason": "BLOCK_REASON_UNSPECIFIED"}
    async with serving(VendorServer([answer])) as url:
        assert await ask(config(url)) == [TextDelta("a"), Finished("stop", USAGE)]


async def test_the_message_of_an_end_stays_when_a_later_chunk_has_none() -> None:
    first = gemini_chunk(finish="MALFORMED_FUNCTION_CALL")
    first["candidates"][0]["finishMessage"] = "it broke"
    chunks = [first, gemini_chunk(finish="MALFORMED_FUNCTION_CALL")]
    async with serving(VendorServer(chunks)) as url:
        with pytest.raises(ProviderError, match="it broke"):
            await ask(config(url))


@pytest.mark.parametrize(
    ("finish", "retryable"),
    [
        ("MALFORMED_RESPONSE", True),
        ("MALFORMED_FUNCTION_CALL", True),
        ("UNEXPECTED_TOOL_CALL", True),
        ("A_REASON_OF_TOMORROW", True),
        ("MISSING_THOUGHT_SIGNATURE", False),
    ],
)
async def test_an_end_without_an_answer_is_an_error(finish: str, retryable: bool) -> None:
    async with serving(VendorServer([gemini_chunk(finish=finish)])) as url:
        with pytest.raises(ProviderError, match=finish) as caught:
            await ask(config(url))
    assert caught.value.retryable is retryable


async def test_thoughts_are_no_answer() -> None:
    chunk = gemini_chunk({"text": "hm", "thought": True}, {"text": "a"}, finish="STOP")
    async with serving(VendorServer([chunk])) as url:
        assert texts(await ask(config(url))) == ["a"]


@pytest.mark.parametrize(("code", "retryable"), [(503, True), (429, True), (400, False)])
async def test_an_error_within_the_stream_is_told(code: int, retryable: bool) -> None:
    error = {"error": {"code": code, "message": f"because {KEY}", "status": "UNAVAILABLE"}}
    async with serving(VendorServer([TEXT[0], error])) as url:
        with pytest.raises(ProviderError, match=r'"default" .*because \*\*\*') as caught:
            await ask(config(url))
        with pytest.raises(genai().errors.APIError):
            await ask_sdk(url)
    assert (caught.value.status, caught.value.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("status", "details"),
    [
        (401, []),
        (403, []),
        (400, [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]),
    ],
)
async def test_a_refused_key_is_told_without_the_key(status: int, details: list[Any]) -> None:
    server = VendorServer()
    body = {"error": {"code": status, "message": f"API key {KEY} not valid", "details": details}}
    server.refusal = (status, {}, body)
    async with serving(server) as url:
        with pytest.raises(ProviderError) as caught:
            await ask(config(url))
        with pytest.raises(genai().errors.ClientError):
            await ask_sdk(url)
    assert "THE_KEY_VARIABLE" in caught.value.message
    assert KEY not in repr(caught.value)
    assert (caught.value.status, caught.value.retryable) == (status, False)


@pytest.mark.parametrize(
    ("status", "retryable"), [(429, True), (500, True), (529, True), (400, False)]
)
async def test_a_refusal_says_why_and_whether_to_try_again(status: int, retryable: bool) -> None:
    server = VendorServer()
    server.refusal = (status, {}, {"error": {"code": status, "message": f"because {KEY}"}})
    async with serving(server) as url:
        with pytest.raises(ProviderError, match=rf"{status}: because \*\*\*") as caught:
            await ask(config(url))
    assert caught.value.retryable is retryable
    assert caught.value.retry_after is None


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    server, waits = VendorServer(), []
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    limited: Any = {"error": {"message": "quota", "details": [{"@type": "x"}, info]}}
    date = formatdate(time() + 60, usegmt=True)
    async with serving(server) as url:
        for headers in ({}, {"Retry-After": "7"}, {"Retry-After": date}):
            server.refusal = (429, headers, limited)
            with pytest.raises(ProviderError) as caught:
                await ask(config(url))
            waits.append(caught.value.retry_after)
    assert waits[:2] == [34.5, 7]
    assert waits[2] is not None
    assert 0 < waits[2] <= 60


async def test_an_unreachable_server_is_named() -> None:
    port = free_port()
    with pytest.raises(ProviderError, match=rf"127\.0\.0\.1:{port}") as caught:
        await ask(config(f"http://127.0.0.1:{port}"))
    assert caught.value.retryable


@pytest.mark.parametrize("cut", [False, True])
async def test_a_stream_that_ends_early_is_an_error_after_what_was_said(cut: bool) -> None:
    begun = [gemini_chunk({"text": word}) for word in ("one ", "two ", "three")]
    client = HTTPClient()
    async with serving(VendorServer(begun, cut=cut)) as url, asyncio.timeout(LIMIT):
        stream = GeminiModel(config(url), None, "", client).stream(HI)
        said = [await anext(stream) for _ in range(3)]
        with pytest.raises(ProviderError) as caught:
            await anext(stream)
        await client.close()
    assert texts(said) == ["one ", "two ", "three"]
    assert caught.value.retryable


async def test_a_silent_server_is_given_up() -> None:
    defaults = ProviderDefaults(stream_idle_timeout="50ms")
    async with serving(VendorServer(TEXT[:1], hold=True)) as url:
        with pytest.raises(ProviderError, match="silent") as caught:
            await ask(config(url, defaults=defaults))
    assert caught.value.retryable


async def test_what_is_no_chunk_is_an_error() -> None:
    async with serving(VendorServer([{"candidates": 1}])) as url:
        with pytest.raises(ProviderError, match=r'last that it sent: \{"candidates": 1\}'):
            await ask(config(url))


async def test_a_closed_stream_closes_its_connection_at_once() -> None:
    server, client = VendorServer(TEXT[:1], hold=True), HTTPClient()
    async with serving(server) as url, asyncio.timeout(LIMIT):
        stream = GeminiModel(config(url), None, "", client).stream(HI)
        assert await anext(stream) == TextDelta("Hel")
        await stream.aclose()
        await server.left.wait()
        await client.close()


async def test_cost_counts_thoughts_and_what_was_cached() -> None:
    async with serving(VendorServer(TEXT)) as url:
        last = (await ask(config(url, pricing=Pricing(1.0, 2.0, 0.25))))[-1]
    assert isinstance(last, Finished)
    assert last.usage.cost_usd == pytest.approx(0.060 + 0.040 * 0.25 + 0.007 * 2)
