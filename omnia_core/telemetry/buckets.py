"""Buckets of the histograms by which the sides of a rollout are compared.

Facade and runtime count in them; the operator reads them.
"""

DURATION_SECONDS = (
    0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60, 120,
)  # fmt: skip
"""Of a turn or a function call."""

FIRST_CHUNK_SECONDS = (
    0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 5, 7.5, 10, 15, 30, 60,
)  # fmt: skip
"""From a message to the first chunk of its answer."""

TURN_COST_USD = tuple(0.0001 * 2**power for power in range(17))
"""Of a turn or a function call, from a hundredth of a cent to 6.55 US dollars."""
