"""The port of the feed: the sessions of an agent that have to be evaluated, and when.

A store with a feed notes each append: a session with a new answer is due at once, one whose turn
has only begun is due after `UNANSWERED_SECONDS`, so that nothing is lost when the pod dies. A
worker claims what is due, and says when it is due again. What is claimed by nobody else, or by a
worker that died, is claimed by the next one.

Times are those of the server of the store, where it has a clock.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from omnia_core.sessions.records import Message

# How long a worker has for a session before another one takes it over, unless it renews its claim.
CLAIM_SECONDS = 120.0
# When a session is due whose answer was not stored.
UNANSWERED_SECONDS = 300.0


class Progress(Struct, frozen=True, omit_defaults=True):
    """What is done about a session.

    Attributes:
        turn: all turns up to this one are evaluated.
        completed: how many turns the session had when it was last evaluated as a whole.
        attempts: how often the work that is due has failed.
    """

    turn: int = 0
    completed: int = 0
    attempts: int = 0


class DueSession(Struct, frozen=True):
    """A session that a worker has claimed.

    Attributes:
        idle_seconds: since the last append.
        version: counts the appends.
        claim: tells the claims of a session apart.
    """

    session_id: str
    progress: Progress
    idle_seconds: float
    version: int
    claim: str


class FeedBacklog(Struct, frozen=True):
    """The sessions that are due and not evaluated yet.

    Attributes:
        oldest_seconds: how long the oldest has been due; 0 when none is.
    """

    sessions: int = 0
    oldest_seconds: float = 0.0


class SessionFeed(Protocol):
    """The sessions of one agent that have to be evaluated.

    Each method may raise `StoreUnavailable`.

    The feed also adds up what judges cost, so that restarts do not forget it.
    """

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        """Claim sessions that are due, at most `limit`, those first that have waited longest."""

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        """Begin the time of a claim anew."""

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        """End a claim. Nothing happens if another worker has claimed the session since.

        Args:
            due: the claim.
            progress: what is done now.
            again: when it is due again, in seconds; at once if it has changed meanwhile.
            held: whether it is not due earlier, even if it changes.
        """

    async def forget(self, due: DueSession) -> None:
        """End a claim of a session that has ended, unless it has changed meanwhile."""

    async def backlog(self) -> FeedBacklog:
        """Return what is due, whether somebody has claimed it or not."""

    async def spend(self, day: str, usd: float) -> float:
        """Add to what the judges of the agent cost on a day (`2026-01-31`), and return the sum."""


def is_answered(messages: Sequence[Message]) -> bool:
    """Whether an append has something to evaluate, rather than the beginning of a turn."""
    return any(message.role not in ("user", "summary") for message in messages)
