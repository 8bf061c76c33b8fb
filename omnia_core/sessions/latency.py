"""Latency histograms with fixed buckets, which can be summed over days."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

# Upper bounds in milliseconds; the last bucket has what is longer. The bounds must not change:
# stored rows depend on them.
BOUNDS = (
    *(25, 50, 100, 250, 500, 1000, 2000, 3000, 5000, 8000),
    *(12_000, 20_000, 30_000, 60_000, 120_000),
)
BUCKETS = len(BOUNDS) + 1


def histogram(milliseconds: Iterable[float]) -> list[int]:
    """Return the number of durations in each bucket."""
    buckets = [0] * BUCKETS
    for duration in milliseconds:
        buckets[bisect_left(BOUNDS, duration)] += 1
    return buckets


def quantile(buckets: Sequence[int], share: float) -> float | None:
    """Estimate a quantile in milliseconds; None for an empty histogram.

    It assumes that durations are spread evenly within a bucket. In the last bucket, which has no
    upper bound, it returns the lower bound.
    """
    wanted = sum(buckets) * share
    if not wanted:
        return None
    lower, before = 0.0, 0
    for count, upper in zip(buckets, BOUNDS, strict=False):
        if count and before + count >= wanted:
            return round(lower + (upper - lower) * (wanted - before) / count, 1)
        lower, before = float(upper), before + count
    return lower
