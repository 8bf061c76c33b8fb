"""What a failure of a vendor says to a person, from the vendor's answer to the end of the turn."""

import asyncio

import pytest

from omnia_core.env import SecretStr
from omnia_core.errors import Advice
from omnia_core.files.providers import ProviderConfig, ProviderDefaults
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ProviderError
from omnia_runtime.providers.fallback import FallbackModel
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.retry import ModelRetryPolicy, RetryingModel
from tests.runtime.conftest import Start
from tests.runtime.faulty import Fault, FaultyServer, status, streams
from tests.runtime.program import Stream, client
from tests.runtime.scripted import Mounted
from tests.services import free_port

LIMIT = 100.0
HI = ChatRequest("", [Message("user", "hi")])
ORIGIN = 'the key "KEY" of the Secret "openai"'
ONCE = ModelRetryPolicy(attempts=1)


async def told(url: str, *, key: str | None = "sk-abc-abc", timeout: str = "5s") -> Advice:
    """Return what is said about a call of a vendor there."""
    web = HTTPClient()
    config = ProviderConfig(
        "default",
        "openai",
        "m",
        base_url=url,
        defaults=ProviderDefaults(request_timeout=timeout, stream_idle_timeout="50ms"),
        key_origin=ORIGIN if key else "",
    )
    vendor = OpenAIModel(config, SecretStr(key) if key else None, "X_KEY", web)
    model = FallbackModel([("default", RetryingModel(vendor, "default", policy=ONCE))])
    try:
        async with asyncio.timeout(LIMIT):
            with pytest.raises(ProviderError) as caught:
                async for _ in model.stream(HI):
                    pass
    finally:
        await web.close()
    assert caught.value.advice is not None
    return caught.value.advice


@pytest.mark.covers("websocket.md#provider-advice")
@pytest.mark.parametrize(
    ("fault", "title", "hint", "retryable"),
    [
        (status(401, "bad key"), "openai does not accept the key.", ORIGIN, False),
        (status(403, "not yours"), "openai does not accept the key.", ORIGIN, False),
        (status(402), "A quota or the credit at openai is used up.", "Raise it there", False),
        (status(404, "no model"), "openai does not know what it is asked", "Check model", False),
        (status(429, headers={"Retry-After": "19.2"}), "openai is asked too often.", "20 s", True),
        (status(429), "openai is asked too often.", "Wait a little", True),
        (status(500), "openai has a fault at present.", "in a little while", True),
        (status(529), "openai is overloaded.", "in a little while", True),
        (status(504), "openai did not answer in time.", "in a little while", True),
        (
            status(400, "This model's maximum context length is 8192 tokens."),
            "The conversation is too long for openai.",
            "contextWindow",
            False,
        ),
        (status(413), "The message is too large for openai.", "smaller files", False),
        (status(422), "openai does not accept the request.", 'provider "default"', False),
        (streams("part", ending="cut"), "openai broke off its answer.", "Send", True),
    ],
    ids=range(13),
)
async def test_what_a_vendor_answers_is_told_apart(
    fault: Fault, title: str, hint: str, *, retryable: bool
) -> None:
    async with FaultyServer(fault).serving() as url:
        said = await told(url)
    assert said.title.startswith(title)
    assert hint in said.hint
    assert said.retryable is retryable
    assert said.retry_after == (19.2 if "20 s" in hint else None)


@pytest.mark.covers("websocket.md#provider-advice")
async def test_a_missing_key_silence_and_a_wrong_address_are_told_apart() -> None:
    async with FaultyServer(status(401)).serving() as url:
        missing = await told(url, key=None)
    assert missing.title == "openai wants a key."
    assert 'name its Secret in the Provider "default"' in missing.hint
    async with FaultyServer(streams(ending="silent")).serving() as url:
        silent = await told(url, timeout="50ms")
    assert silent.retryable
    nowhere = f"127.0.0.1:{free_port()}"
    unreachable = await told(f"http://{nowhere}")
    assert unreachable.title == f"openai cannot be reached at {nowhere}."
    assert "baseURL" in unreachable.hint


@pytest.mark.covers("websocket.md#provider-advice")
async def test_the_advice_comes_with_the_error_of_the_turn(mounted: Mounted, start: Start) -> None:
    failure = {"kind": "rate_limit", "retry_after": 45}
    matches = [{"contains": "", "error": failure}]
    mounted.write_responses({"scenarios": {"default": {"matches": matches}}})
    start()
    async with client(mounted) as stub:
        end = (await Stream(stub).ask("hi"))[-1].error
    assert end.code == "AGENT_UNAVAILABLE"
    assert (end.advice.title, end.advice.hint) == (
        "mock is asked too often.",
        "Wait 45 s, then send the message again.",
    )
    assert (end.advice.retryable, end.advice.retry_after) == (True, 45)
