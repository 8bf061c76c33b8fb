"""The keys and headers of providers: what a header can carry, and what is named at the start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from prometheus_client import CollectorRegistry

from omnia_core.env import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatRequest, ProviderError
from omnia_runtime.providers.models import Models, open_models
from tests.runtime.program import Program, client, health_until
from tests.runtime.scripted import Mounted, http_tool
from tests.runtime.servers import ChatServer, chunk, serving

VARIABLE = "OMNIA_PROVIDER_DEFAULT_API_KEY"


def opened(folder: Path, client: HTTPClient, key: str | None, **fields: Any) -> Models:
    provider = {"name": "default", "type": "openai", "model": "m", **fields}
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump({"providers": [provider]}))
    keys = {} if key is None else {"default": SecretStr(key)}
    metrics = RuntimeMetrics(CollectorRegistry(), "agent", "default")
    return open_models(str(path), keys, client, metrics)


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("sk-abc", "Bearer sk-abc"),
        ("sk-abc\n", "Bearer sk-abc"),
        ("\ufeff sk-abc\r\n", "Bearer sk-abc"),
        (" \n", None),
        (None, None),
    ],
)
async def test_white_space_around_a_key_is_left_out(
    tmp_path: Path, key: str | None, sent: str | None
) -> None:
    server, client = ChatServer([chunk({"content": "hi"}), chunk({}, "stop")]), HTTPClient()
    async with serving(server) as url:
        models = opened(tmp_path, client, key, baseURL=f"{url}/v1")
        request = ChatRequest("", [Message("user", "hi")])
        assert [event async for event in models.chain().stream(request)]
        await client.close()
    assert server.headers[0].get("Authorization") == sent


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("the environment variable X_KEY", "its key is the environment variable X_KEY: correct"),
        ("", f"its key is the variable {VARIABLE}: correct it there"),
    ],
)
async def test_a_refused_key_is_named_by_where_it_comes_from(
    tmp_path: Path, origin: str, said: str
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401, text="no")

    client = HTTPClient()
    async with serving(refuse) as url:
        models = opened(tmp_path, client, "sk-abc", baseURL=f"{url}/v1", keyOrigin=origin)
        with pytest.raises(ProviderError, match=said):
            async for _ in models.chain().stream(ChatRequest("", [Message("user", "hi")])):
                pass
        await client.close()


@pytest.mark.parametrize("vendor", ["openai", "claude", "gemini"])
@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("sk-a\nsk-b", "a line break at position 5"),
        ("sk-a\x00b", "a control character at position 5"),
        ("sk-a…", "a character that is not ASCII at position 5"),
    ],
)
def test_a_key_that_no_header_can_carry_is_named_at_the_start(
    tmp_path: Path, vendor: str, key: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(tmp_path, HTTPClient(), key, type=vendor)
    message = caught.value.message
    assert message.startswith(f'provider "default": its key in {VARIABLE}, from the Secret of the ')
    assert problem in message
    assert "sk-a" not in message


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"X-Team": "a\nb"}, 'headers: the value of "X-Team" cannot be sent: .* a line break'),
        ({"X Team": "a"}, 'headers: "X Team" is not the name of a header'),
    ],
)
def test_a_header_that_cannot_be_sent_is_named_at_the_start(
    tmp_path: Path, headers: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        opened(tmp_path, HTTPClient(), "k", headers=headers)


async def test_a_runtime_says_at_its_start_which_tools_are_not_offered(
    mounted: Mounted, start: Callable[..., Program]
) -> None:
    tools = [http_tool("http://127.0.0.1:9", f"t{number:03}") for number in range(130)]
    mounted.write_tools(*tools)
    mounted.write_provider(type="openai", baseURL="http://127.0.0.1:9/v1")
    program = start(OMNIA_PROVIDER_DEFAULT_API_KEY="sk-1")
    async with client(mounted) as stub:
        await health_until(stub, "ready")
    program.process.terminate()
    _, errors = await program.end()
    (line,) = [line for line in errors.splitlines() if "not offered" in line]
    assert "2 of 130 tools are not offered to the provider " in line
    assert "takes 128: t128, t129; list the tools of the prompt" in line


async def test_a_runtime_does_not_start_with_a_key_that_no_header_can_carry(
    mounted: Mounted, start: Callable[..., Program]
) -> None:
    mounted.write_provider(type="openai", baseURL="http://127.0.0.1:9/v1")
    code, errors = await start(OMNIA_PROVIDER_DEFAULT_API_KEY="sk-1\nsk-2").end()
    assert code == 2
    assert VARIABLE in errors
    assert "sk-1" not in errors
