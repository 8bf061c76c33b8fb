"""A retention policy as the database's functions take it, and what they answer."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from omnia_core.sessions.retention import Effects, Note, Retention
from omnia_core.units import Duration


class Terms(Struct, frozen=True):
    """How long sessions live and are kept, and how many messages of each.

    Attributes:
        ttl: from the last use of a session to its end.
        keep: from the last use to its deletion, nothing: with its end; None where no policy is
            known, and what others wrote stays as it is.
        most: messages that are kept, None: all.
        trial_ttl: as `ttl`, of a policy on trial; None without one, as the following.
    """

    ttl: timedelta
    keep: timedelta | None = None
    most: int | None = None
    trial_ttl: timedelta | None = None
    trial_keep: timedelta | None = None
    trial_most: int | None = None


def terms(ttl: Duration, retention: Retention | None) -> Terms:
    """Return what holds for sessions that live for `ttl` under a policy, None: not known."""
    lives = timedelta(seconds=ttl.seconds)
    if retention is None:
        return Terms(lives)
    kept = retention.kept
    if not retention.dry_run:
        return Terms(lives, _time(kept) if kept else timedelta(), retention.max_messages)
    bounded = retention.bounded(ttl)
    return Terms(
        lives,
        timedelta(),
        None,
        _time(bounded),
        _time(max(kept or bounded, bounded)),
        retention.max_messages,
    )


def note_counts(note: Note, counts: Sequence[int] | None) -> None:
    """Count what a function did: the three numbers of `Effects`, and those of a trial."""
    if counts and any(counts):
        ended, deleted, messages, *trial = counts
        note(Effects(ended, deleted, messages))
        ended, deleted, messages = trial
        note(Effects(ended, deleted, messages, dry_run=True))


def _time(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds)
