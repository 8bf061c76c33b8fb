"""Retention policies: what they bound, and what applying them did."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.sessions.records import Message
from omnia_core.units import Duration

_DAY_MILLISECONDS = 86_400_000


class Retention(Struct, frozen=True):
    """The bounds of a SessionRetentionPolicy; a bound that is None is not applied.

    Attributes:
        ttl: a session ends this long after its last use.
        days: a session is deleted this many days after its last use.
        max_messages: older messages of a session are deleted, in whole turns.
        dry_run: the policy is not applied; what it would delete is only counted.
    """

    ttl: Duration | None = None
    days: int | None = None
    max_messages: int | None = None
    dry_run: bool = False

    @property
    def bounds_anything(self) -> bool:
        """Whether any bound is set."""
        return (self.ttl, self.days, self.max_messages) != (None, None, None)

    @property
    def kept(self) -> Duration | None:
        """`days` as a duration."""
        return None if self.days is None else Duration(self.days * _DAY_MILLISECONDS)

    def bounded(self, own: Duration) -> Duration:
        """Return the shortest of an agent's own time to live and the bounds, `dry_run` or not."""
        return min(limit for limit in (own, self.ttl, self.kept) if limit is not None)


class RetentionEffects(Struct, frozen=True):
    """What applying a policy did or, with `dry_run`, would have done."""

    sessions_ended: int = 0
    sessions_deleted: int = 0
    messages_deleted: int = 0
    dry_run: bool = False

    def __bool__(self) -> bool:
        return bool(self.sessions_ended or self.sessions_deleted or self.messages_deleted)


EffectsCallback: TypeAlias = Callable[[RetentionEffects], None]


def ignore_effects(effects: RetentionEffects) -> None:
    """The callback that does nothing."""


def first_kept(messages: Sequence[Message], most: int) -> int:
    """Return the index of the first message to keep when at most `most` are kept.

    A turn begins there. The last turn is kept as a whole, even if it is longer than `most`.
    """
    begins = [at for at, message in enumerate(messages) if message.role == "user"]
    within = (at for at in begins if at >= len(messages) - most)
    return next(within, begins[-1] if begins else 0)
