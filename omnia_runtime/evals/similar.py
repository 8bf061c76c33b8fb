"""Evaluations by the similarity of embeddings."""

import math
from collections.abc import Sequence
from operator import mul
from typing import Protocol

from omnia_core.errors import Code, OmniaError
from omnia_core.files.evals.rules import Similar
from omnia_runtime.evals.facts import Facts
from omnia_runtime.evals.score import Score, Unmeasurable


class Embedder(Protocol):
    """An embedding model."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text; all have the same length, which is not 0.

        Raises:
            ProviderError: the call failed.
        """


async def compare(rule: Similar, facts: Facts, embedder: Embedder) -> Score:
    """Compare the answer with each reference; the most similar one counts.

    Raises:
        Unmeasurable: there is no answer.
        OmniaError: the embedding model cannot be asked, or its vectors cannot be compared.
    """
    if not facts.output.strip():
        raise Unmeasurable("there is no answer")
    answer, *references = await embedder.embed([facts.output, *rule.references])
    # Opposite meanings are as little similar as unrelated ones.
    value = max(0.0, min(1.0, max(cosine(answer, each) for each in references)))
    passed = None if rule.least is None else value >= rule.least
    return Score(value, passed, f"the similarity is {value:.3f}")


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors.

    Raises:
        OmniaError: one has no direction.
    """
    length = math.hypot(*one) * math.hypot(*other)
    value = sum(map(mul, one, other)) / length if length else math.nan
    if not math.isfinite(value):
        raise OmniaError(Code.INTERNAL, "the vectors of the embedding model have no direction")
    return value
