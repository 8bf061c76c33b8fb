"""Daily sums of provider calls, which a database adds to its rows."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.latency import histogram

COSTS_KEPT = timedelta(days=62)
"""How long a store in memory knows the costs of a day: this month and the one before."""


class DailyCalls(Struct, frozen=True):
    """What one append adds to the daily statistics of a model."""

    provider: str
    model: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    buckets: list[int]


def daily_calls(calls: Sequence[ProviderCall]) -> list[DailyCalls]:
    """Sum up the calls by model, in the same order for every writer, which prevents deadlocks."""
    grouped: defaultdict[tuple[str, str], list[ProviderCall]] = defaultdict(list)
    for call in calls:
        grouped[call.provider, call.model].append(call)
    return [
        DailyCalls(
            provider,
            model,
            len(group),
            sum(call.status == "error" for call in group),
            sum(call.input_tokens for call in group),
            sum(call.output_tokens for call in group),
            sum(call.cached_tokens for call in group),
            sum(call.cost_usd for call in group),
            histogram(call.duration_ms for call in group),
        )
        for (provider, model), group in sorted(grouped.items())
    ]
