"""Latencies as counts in buckets, so that those of many days add up."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

# Upper bounds in milliseconds; one more bucket has what is longer. Never changed in place: rows
# that were written with other bounds could not be read.
BOUNDS = (
    *(25, 50, 100, 250, 500, 1000, 2000, 3000, 5000, 8000),
    *(12_000, 20_000, 30_000, 60_000, 120_000),
)
BUCKETS = len(BOUNDS) + 1


def counted(milliseconds: Iterable[float]) -> list[int]:
    """Return how many of the times are in each bucket."""
    buckets = [0] * BUCKETS
    for each in milliseconds:
        buckets[bisect_left(BOUNDS, each)] += 1
    return buckets


def quantile(buckets: Sequence[int], share: float) -> float | None:
    """Estimate the time in ms that a share of all stays below, None when there are none.

    Within a bucket the times are taken as spread evenly; beyond the last bound it is that bound.
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
