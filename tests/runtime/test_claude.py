"""What is read from the Messages API, with the vendor's SDK as the witness."""

import asyncio
from email.utils import formatdate
from time import time

import pytest

from omnia_core.files.providers import Pricing, ProviderDefaults
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import Finished, ProviderError, TextDelta, ToolCallRequest
from omnia_runtime.providers.claude.adapter import ClaudeModel
from tests.runtime.adapter_calls import LIMIT
from tests.runtime.claude_calls import (
    HI,
    KEY,
    TEXT,
    USAGE,
    VERSION,
    ask,
    ask_sdk,
    config,
    texts,
)
from tests.runtime.sdks import anthropic
from tests.runtime.servers import serving
from tests.runtime.vendors import VendorServer, claude_answer, claude_call, claude_text
from tests.services import free_port

pytestmark = pytest.mark.usefixtures("anthropic_sdk")


async def test_text_streams_and_the_vendors_sdk_reads_the_same_from_the_same_server() -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(
            url,
            max_tokens=4096,
            system=[{"type": "text", "text": "Be kind."}],
            messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        )

    assert texts(events) == ["Hel", "lo ä"]
    assert [block.text for block in theirs.content if block.type == "text"] == ["Hello ä"]
    assert server.bodies[0] == server.bodies[1]
    assert server.urls == ["/v1/messages", "/v1/messages"]
    assert events[-1] == Finished("stop", USAGE)
    assert (theirs.usage.cache_read_input_tokens, theirs.usage.output_tokens) == (40, 7)


async def test_the_key_is_in_a_header_and_nowhere_else() -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        await ask(config(url))
        await ask(config(url), key=None)
    with_key, without = server.headers
    assert with_key["x-api-key"] == KEY
    assert with_key["anthropic-version"] == VERSION
    assert "x-api-key" not in without
    assert KEY not in server.urls[0]


async def test_parallel_tool_calls_are_put_together_from_their_pieces() -> None:
    answer = claude_answer(
        claude_text("Looking."),
        claude_call("c1", "get", "", '{"id":', '"7"}'),
        claude_call("c2", "put", ""),
        stop="tool_use",
    )
    async with serving(VendorServer(answer)) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(url, max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert events[1:] == [
        ToolCallRequest("c1", "get", '{"id":"7"}'),
        ToolCallRequest("c2", "put", "{}"),
        Finished("tool_use", USAGE),
    ]
    used = [block for block in theirs.content if block.type == "tool_use"]
    assert [(block.id, block.name, block.input) for block in used] == [
        ("c1", "get", {"id": "7"}),
        ("c2", "put", {}),
    ]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "max_output_tokens"),
        ("model_context_window_exceeded", "max_output_tokens"),
        # There is no call in the answer.
        ("tool_use", "stop"),
        ("refusal", "refusal"),
        ("a reason of tomorrow", "stop"),
    ],
)
async def test_stop_reasons_are_mapped(stop: str, reason: str) -> None:
    async with serving(VendorServer(claude_answer(claude_text("a"), stop=stop))) as url:
        last = (await ask(config(url)))[-1]
    assert last == Finished(reason, USAGE)  # type: ignore[arg-type] # the table's strings


@pytest.mark.parametrize(
    ("stop", "kept"), [("max_tokens", ["c1"]), ("refusal", []), ("tool_use", ["c1", "c2"])]
)
async def test_a_call_that_was_cut_is_not_made(stop: str, kept: list[str]) -> None:
    calls = (claude_call("c1", "get", "{}"), claude_call("c2", "get", '{"id":'))
    async with serving(VendorServer(claude_answer(*calls, stop=stop))) as url:
        events = await ask(config(url))
    assert [event.id for event in events if isinstance(event, ToolCallRequest)] == kept


async def test_a_reason_stays_when_a_later_event_has_none() -> None:
    events = claude_answer(claude_text("a"), stop="max_tokens")
    later = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {}}
    events.insert(-1, later)
    async with serving(VendorServer(events)) as url:
        last = (await ask(config(url)))[-1]
    assert last == Finished("max_output_tokens", USAGE)


async def test_events_and_blocks_of_tomorrow_are_passed_over() -> None:
    strange = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]
    events = claude_answer(strange, claude_text("a"))
    events.insert(2, {"type": "weather", "mood": {"type": "fine"}, "delta": {"text": "x"}})
    async with serving(VendorServer(events)) as url:
        assert await ask(config(url)) == [TextDelta("a"), Finished("stop", USAGE)]


@pytest.mark.parametrize(
    ("kind", "status", "retryable"),
    [
        ("overloaded_error", 529, True),
        ("rate_limit_error", 429, True),
        ("api_error", 500, True),
        ("an_error_of_tomorrow", 500, True),
        ("invalid_request_error", 400, False),
    ],
)
async def test_an_error_within_the_stream_is_told(kind: str, status: int, retryable: bool) -> None:
    error = {"type": "error", "error": {"type": kind, "message": f"because {KEY}"}}
    async with serving(VendorServer([*TEXT[:4], error])) as url:
        with pytest.raises(ProviderError, match=r'"default" .*because \*\*\*') as caught:
            await ask(config(url))
        with pytest.raises(anthropic().APIStatusError):
            await ask_sdk(url, max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


async def test_a_refused_key_is_told_without_the_key() -> None:
    server = VendorServer()
    server.refusal = (
        401,
        {},
        {"type": "error", "error": {"type": "authentication_error", "message": f"bad {KEY}"}},
    )
    async with serving(server) as url:
        with pytest.raises(ProviderError) as caught:
            await ask(config(url))
        with pytest.raises(anthropic().AuthenticationError):
            await ask_sdk(url, max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert "THE_KEY_VARIABLE" in caught.value.message
    assert KEY not in repr(caught.value)
    assert (caught.value.status, caught.value.retryable) == (401, False)


@pytest.mark.parametrize(
    ("status", "retryable"), [(429, True), (500, True), (529, True), (400, False)]
)
async def test_a_refusal_says_why_and_whether_to_try_again(status: int, retryable: bool) -> None:
    server = VendorServer()
    server.refusal = (status, {}, {"type": "error", "error": {"message": f"because {KEY}"}})
    async with serving(server) as url:
        with pytest.raises(ProviderError, match=rf"{status}: because \*\*\*") as caught:
            await ask(config(url))
    assert caught.value.retryable is retryable
    assert caught.value.retry_after is None


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    server, waits = VendorServer(), []
    async with serving(server) as url:
        for value in ("7", formatdate(time() + 60, usegmt=True)):
            server.refusal = (429, {"Retry-After": value}, {})
            with pytest.raises(ProviderError) as caught:
                await ask(config(url))
            waits.append(caught.value.retry_after)
    assert waits[0] == 7
    assert waits[1] is not None
    assert 0 < waits[1] <= 60


async def test_an_unreachable_server_is_named() -> None:
    port = free_port()
    with pytest.raises(ProviderError, match=rf"127\.0\.0\.1:{port}") as caught:
        await ask(config(f"http://127.0.0.1:{port}"))
    assert caught.value.retryable


@pytest.mark.parametrize("cut", [False, True])
async def test_a_stream_that_ends_early_is_an_error_after_what_was_said(cut: bool) -> None:
    begun = claude_answer(claude_text("one ", "two ", "three"))[:6]
    client = HTTPClient()
    async with serving(VendorServer(begun, cut=cut)) as url, asyncio.timeout(LIMIT):
        stream = ClaudeModel(config(url), None, "", client).stream(HI)
        said = [await anext(stream) for _ in range(3)]
        with pytest.raises(ProviderError) as caught:
            await anext(stream)
        await client.close()
    assert texts(said) == ["one ", "two ", "three"]
    assert caught.value.retryable


async def test_a_silent_server_is_given_up() -> None:
    defaults = ProviderDefaults(stream_idle_timeout="50ms")
    async with serving(VendorServer(TEXT[:4], hold=True)) as url:
        with pytest.raises(ProviderError, match="silent") as caught:
            await ask(config(url, defaults=defaults))
    assert caught.value.retryable


async def test_what_is_no_event_is_an_error() -> None:
    async with serving(VendorServer([{"type": 1}])) as url:
        with pytest.raises(ProviderError, match=r'last that it sent: \{"type": 1\}'):
            await ask(config(url))


async def test_a_closed_stream_closes_its_connection_at_once() -> None:
    server, client = VendorServer(TEXT[:4], hold=True), HTTPClient()
    async with serving(server) as url, asyncio.timeout(LIMIT):
        stream = ClaudeModel(config(url), None, "", client).stream(HI)
        assert await anext(stream) == TextDelta("Hel")
        await stream.aclose()
        await server.left.wait()
        await client.close()


async def test_cost_counts_what_was_read_from_the_cache_and_written_to_it() -> None:
    async with serving(VendorServer(TEXT)) as url:
        last = (await ask(config(url, pricing=Pricing(1.0, 2.0, 0.1))))[-1]
    assert isinstance(last, Finished)
    assert last.usage.cost_usd == pytest.approx(0.050 + 0.010 * 1.25 + 0.040 * 0.1 + 0.007 * 2)
