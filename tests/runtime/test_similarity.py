"""Evaluations by embeddings, with a server of OpenAI's API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from tests.runtime.judging import environment, evaluating, results, turn
from tests.runtime.servers import serving

VECTORS = {"hi": [1.0, 0.0], "hello": [0.6, 0.8], "no": [0.0, 1.0]}


class EmbeddingServer:
    """Answers vectors; the last first, as their order is not promised."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.vectors: dict[str, list[float]] = VECTORS

    async def __call__(self, request: web.Request) -> web.Response:
        assert request.path == "/v1/embeddings"
        self.bodies.append(json.loads(await request.read()))
        data = [
            {"index": index, "embedding": self.vectors[text]}
            for index, text in enumerate(self.bodies[-1]["input"])
        ]
        usage = {"prompt_tokens": 1000, "total_tokens": 1000}
        return web.json_response({"data": data[::-1], "usage": usage})


@pytest.fixture
async def server() -> AsyncIterator[tuple[EmbeddingServer, str]]:
    made = EmbeddingServer()
    async with serving(made) as url:
        yield made, url


async def compared(folder: Path, url: str, **params: Any) -> EvalResult:
    store = MemorySessionStore(Duration.parse("1h"), evaluated=True)
    await turn(store, "s")
    # The Provider of the embeddings has the name of the judge of the other tests.
    params = {"provider": "judge", **params}
    spec = {"id": "near", "type": "similarity", "trigger": "every_turn", "params": params}
    async with evaluating(environment(folder, [spec], url), store):
        (found,) = await results(store, "s", 1)
    return found


async def test_the_most_similar_reference_counts(
    server: tuple[EmbeddingServer, str], tmp_path: Path
) -> None:
    made, url = server
    found = await compared(tmp_path, url, references=["hello", "no"], min_similarity=0.5)
    assert found.outcome is EvalOutcome.PASSED
    assert found.score == pytest.approx(0.6)
    assert made.bodies == [{"model": "m", "input": ["hi", "hello", "no"]}]
    assert found.cost_usd == pytest.approx(0.01)
    assert found.judge_model == "m"


async def test_too_little_similarity_fails(
    server: tuple[EmbeddingServer, str], tmp_path: Path
) -> None:
    found = await compared(tmp_path, server[1], reference="no", min_similarity=0.5)
    assert (found.outcome, found.score) == (EvalOutcome.FAILED, 0)


async def test_without_a_least_similarity_it_is_only_measured(
    server: tuple[EmbeddingServer, str], tmp_path: Path
) -> None:
    found = await compared(tmp_path, server[1], reference="hello")
    assert (found.outcome, found.passed) == (EvalOutcome.SCORED, None)


async def test_vectors_without_direction_are_an_error(
    server: tuple[EmbeddingServer, str], tmp_path: Path
) -> None:
    server[0].vectors = {**VECTORS, "hello": [0.0, 0.0]}
    found = await compared(tmp_path, server[1], reference="hello")
    assert (found.outcome, found.score) == (EvalOutcome.ERROR, None)


async def test_a_provider_without_embeddings_is_an_error(tmp_path: Path) -> None:
    found = await compared(tmp_path, "", provider="default", reference="hello")
    assert found.outcome is EvalOutcome.ERROR
    assert "which has no embeddings here" in found.error
