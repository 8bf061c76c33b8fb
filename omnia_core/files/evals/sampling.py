"""Which turns and sessions are evaluated.

The place of a turn is a number from 0 to 9999 that depends only on its session and its number, so
that every program decides alike, and turns of one session independently of each other. What a
rarer evaluation takes is part of what a more frequent one takes.
"""

from functools import lru_cache

from omnia_core.files.placement import bucket_of

SESSION = 0
"""Stands for the session as a whole in place of the number of a turn, which is 1 or more."""


def sampled(session_id: str, turn: int, percent: float) -> bool:
    """Decide about a turn, or about the session for `SESSION`."""
    return percent >= 100 or _bucket(session_id, turn) < round(100 * percent)  # noqa: PLR2004 - percent


# The evaluations of a turn ask one after another.
@lru_cache(64)
def _bucket(session_id: str, turn: int) -> int:
    return bucket_of(f"{session_id}:{turn}")
