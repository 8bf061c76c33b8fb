"""Embeddings of OpenAI's API against a real server: what is asked, refused and counted."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from omnia_core.env import SecretStr
from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_core.sessions.audit import ProviderCall
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.audit import AuditRecorder, recording
from omnia_runtime.ports.model import ProviderError
from omnia_runtime.providers.openai.embeddings import OpenAIEmbeddings
from tests.runtime.servers import serving

TEXTS = ["hi", "hello"]
ONE, OTHER = [1.0, 0.0], [0.6, 0.8]
LIMIT = 100.0


class EmbeddingServer:
    """Gives every request the same answer, or none while `silent`."""

    def __init__(self, answer: object = None, *, status: int = 200, silent: bool = False) -> None:
        self._answer = answer
        self._status = status
        self._silent = silent
        self.asked = asyncio.Event()
        self.requests: list[tuple[str, str | None, Any]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        key = request.headers.get("Authorization")
        self.requests.append((request.path, key, await request.json()))
        self.asked.set()
        if self._silent:
            await asyncio.Event().wait()
        return web.json_response(self._answer, status=self._status)


async def embed(
    server: EmbeddingServer, recorder: AuditRecorder | None = None, *, key: str | None = "sk-1"
) -> list[list[float]]:
    client = HTTPClient()
    secret = SecretStr(key) if key else None
    try:
        async with serving(server) as url, asyncio.timeout(LIMIT):
            pricing = Pricing(input_cost_per_1k=0.5)
            config = ProviderConfig("near", "openai", "m", base_url=f"{url}/v1", pricing=pricing)
            with recording(recorder):
                return await OpenAIEmbeddings(config, secret, "KEY", client).embed(TEXTS)
    finally:
        await client.close()


def recorded(recorder: AuditRecorder) -> ProviderCall:
    (call,) = recorder.take().provider_calls
    return call


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": ONE}, {"index": 1, "embedding": OTHER}],
        [{"index": 1, "embedding": OTHER}, {"index": 0, "embedding": ONE}],
        # A server that does not number them answers in the order of the texts.
        [{"embedding": ONE}, {"embedding": OTHER}],
        # JSON that is written from Protobuf has no member for a 0.
        [{"index": 1, "embedding": OTHER}, {"embedding": ONE}],
    ],
)
async def test_each_text_gets_its_vector(data: list[dict[str, Any]]) -> None:
    server = EmbeddingServer({"data": data})
    assert await embed(server) == [ONE, OTHER]
    assert server.requests == [
        ("/v1/embeddings", "Bearer sk-1", {"model": "m", "input": TEXTS}),
    ]


async def test_a_provider_without_a_key_sends_none() -> None:
    server = EmbeddingServer({"data": [{"embedding": ONE}, {"embedding": OTHER}]})
    await embed(server, key=None)
    assert server.requests[0][1] is None


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ([ONE], r"answered with 1 embeddings of the lengths \[2\] for 2 texts: expected one for"),
        ([ONE, ONE, ONE], "answered with 3 embeddings"),
        ([ONE, [1.0]], r"of the lengths \[1, 2\] for 2 texts: .*, all of the same length$"),
        ([[], []], r"of the lengths \[0\]"),
        ([], "answered with 0 embeddings"),
        ([["x"], ["y"]], "answered without embeddings"),
    ],
)
async def test_an_answer_that_is_not_one_vector_for_each_text_is_refused(
    vectors: list[Any], problem: str
) -> None:
    server = EmbeddingServer({"data": [{"embedding": vector} for vector in vectors]})
    with pytest.raises(ProviderError, match=f'^the provider "near" .openai. .*{problem}'):
        await embed(server)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"usage": {"prompt_tokens": 1000, "total_tokens": 1000}}, 1000),
        ({"usage": {}}, 0),
        ({"usage": {"prompt_tokens": None}}, 0),
        ({"usage": None}, 0),
        ({}, 0),
    ],
)
async def test_a_call_is_recorded_with_its_tokens_and_price(
    usage: dict[str, Any], tokens: int
) -> None:
    recorder = AuditRecorder()
    await embed(EmbeddingServer({"data": [{"embedding": ONE}] * 2, **usage}), recorder)
    call = recorded(recorder)
    assert (call.provider, call.model, call.status, call.fault) == ("near", "m", "success", "")
    assert (call.input_tokens, call.cost_usd) == (tokens, tokens * 0.5 / 1000)
    assert 0 < call.duration_ms < LIMIT * 1000


async def test_a_failed_call_is_recorded_with_its_fault() -> None:
    recorder = AuditRecorder()
    with pytest.raises(ProviderError, match="too many"):
        await embed(EmbeddingServer({"error": {"message": "too many"}}, status=429), recorder)
    call = recorded(recorder)
    assert (call.status, call.fault, call.input_tokens) == ("error", "rate_limited", 0)


async def test_a_cancelled_call_is_recorded_as_cancelled() -> None:
    recorder, server = AuditRecorder(), EmbeddingServer(silent=True)
    task = asyncio.create_task(embed(server, recorder))
    async with asyncio.timeout(LIMIT):
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    call = recorded(recorder)
    assert (call.status, call.fault) == ("cancelled", "")
