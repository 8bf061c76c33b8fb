"""What depends on the name of a model."""

import pytest
from structlog.testing import capture_logs

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import OpenAISettings, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ToolSpec
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.openai.models import reasons, uses_responses
from tests.runtime.servers import ChatServer, chunk, serving

SAMPLING = Parameters(
    temperature=0.5, top_p=0.9, max_tokens=7, frequency_penalty=0.1, presence_penalty=0.2
)
ASKED = ChatRequest("", [Message("user", "x")], [ToolSpec("t", "", {})], parameters=SAMPLING)


def provider(model: str, kind: str = "openai", **settings: object) -> ProviderConfig:
    return ProviderConfig("p", kind, model, openai=OpenAISettings(**settings))  # type: ignore[arg-type] # the table below


@pytest.mark.parametrize(
    ("config", "taken"),
    [
        (provider("gpt-4o"), True),
        (provider("gpt-4.1-mini"), True),
        (provider("o3-mini"), False),
        (provider("openai/o1"), False),
        (provider("gpt-5"), False),
        (provider("gpt-5-mini-2025-08-07"), False),
        (provider("gpt-5-chat-latest"), True),
        (provider("gpt-5.1"), True),
        (provider("gpt-5.2", reasoning_effort="low"), False),
        (provider("gpt-5.6-terra"), False),
        (provider("gpt-5.5"), False),
        (provider("gpt-11-nova"), False),
        (provider("gpt-5.6-terra", reasoning_effort="none"), True),
        (provider("gpt-5", "vllm"), True),
        (provider("gpt-oss:20b", "ollama"), True),
    ],
)
def test_a_model_that_reasons_is_sent_no_sampling_parameters(
    config: ProviderConfig, taken: bool
) -> None:
    assert reasons(config) is not taken
    names = {"temperature", "top_p", "frequency_penalty", "presence_penalty"}
    assert names & set(chat_body(config, ASKED)) == (names if taken else set())


async def test_what_is_left_out_is_logged_once() -> None:
    server = ChatServer([chunk({"content": "a"}, "stop")])
    async with serving(server) as url:
        configured = ProviderConfig("p", "openai", "o3", base_url=f"{url}/v1")
        client = HTTPClient()
        model = OpenAIModel(configured, None, "", client)
        with capture_logs() as logs:
            for _ in range(2):
                assert [event async for event in model.stream(ASKED)]
        await client.close()
    (told,) = [each for each in logs if "left out" in each["event"]]
    assert told["parameters"] == ["frequency_penalty", "presence_penalty", "temperature", "top_p"]


@pytest.mark.parametrize(
    ("config", "used"),
    [
        (provider("gpt-4o"), False),
        (provider("gpt-5"), False),
        (provider("o1-pro"), True),
        (provider("gpt-5-codex"), True),
        (provider("gpt-5.2-pro"), True),
        (provider("gpt-5.6-sol"), True),
        (provider("gpt-6-astra"), True),
        (provider("gpt-11-nova"), True),
        (provider("gpt-6-astra", api="completions"), False),
        (provider("gpt-4o", api="responses"), True),
        (provider("qwen", "vllm", api="responses"), True),
        (ProviderConfig("p", "openai", "o1-pro", base_url="http://proxy/v1"), False),
        (ProviderConfig("p", "openai", "o1-pro", base_url="https://api.openai.com/v1"), True),
    ],
)
def test_the_api_is_the_one_that_is_set_or_that_the_model_needs(
    config: ProviderConfig, used: bool
) -> None:
    assert uses_responses(config) is used


def test_the_settings_of_openai_are_sent() -> None:
    body = chat_body(provider("gpt-5", reasoning_effort="low", parallel_tool_calls=False), ASKED)
    assert (body["reasoning_effort"], body["parallel_tool_calls"]) == ("low", False)
    bare = chat_body(provider("gpt-5", parallel_tool_calls=False), ChatRequest("", []))
    assert "parallel_tool_calls" not in bare


@pytest.mark.parametrize(("kind", "sent"), [("openai", None), ("ollama", None), ("vllm", 3)])
def test_only_vllm_is_sent_top_k(kind: str, sent: int | None) -> None:
    asked = ChatRequest("", [Message("user", "x")], parameters=Parameters(top_k=3))
    assert chat_body(provider("m", kind), asked).get("top_k") == sent
