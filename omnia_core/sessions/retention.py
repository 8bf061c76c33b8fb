"""What a retention policy says about sessions, and what follows from it; pure."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.sessions.records import Message
from omnia_core.units import Duration

_DAY_MILLISECONDS = 86_400_000


class Retention(Struct, frozen=True):
    """The bounds of a SessionRetentionPolicy, as it is written; without any, nothing is bounded.

    Attributes:
        ttl: a session that nobody used for this long ends.
        days: what is kept of a session is deleted so many days after its last use.
        max_messages: older messages of a session are deleted, in whole turns.
        dry_run: the policy is on trial: nothing of this happens, what would happen is counted.
    """

    ttl: Duration | None = None
    days: int | None = None
    max_messages: int | None = None
    dry_run: bool = False

    @property
    def bounds_anything(self) -> bool:
        """Whether there is a policy at all."""
        return (self.ttl, self.days, self.max_messages) != (None, None, None)

    @property
    def kept(self) -> Duration | None:
        """The days as a duration."""
        return None if self.days is None else Duration(self.days * _DAY_MILLISECONDS)

    def bounded(self, own: Duration) -> Duration:
        """Return an agent's time to live, `own`, within the bounds; on trial too."""
        return min(each for each in (own, self.ttl, self.kept) if each is not None)


class Effects(Struct, frozen=True):
    """What retention did; `dry_run` says that it would have done it."""

    sessions_ended: int = 0
    sessions_deleted: int = 0
    messages_deleted: int = 0
    dry_run: bool = False

    def __bool__(self) -> bool:
        return bool(self.sessions_ended or self.sessions_deleted or self.messages_deleted)


Note: TypeAlias = Callable[[Effects], None]


def unnoted(effects: Effects) -> None:
    """Count nothing."""


def first_kept(messages: Sequence[Message], most: int) -> int:
    """Return the index of the first message to keep, of which there may be `most`.

    It is where a turn begins, and be it the last one, which is never cut.
    """
    begins = [at for at, each in enumerate(messages) if each.role == "user"]
    within = (at for at in begins if at >= len(messages) - most)
    return next(within, begins[-1] if begins else 0)
