"""The schedule of a rollout: which sessions the candidate of an agent answers, and from when on.

The operator writes `rollout.json`, and every facade decides alike without asking anybody: the id of
a session says when it began, the schedule says what part of the sessions of that time the candidate
gets, and the bucket of the session (see `placement`) says whether this one belongs to that part. So
a session stays on its side for its whole life, and a growing weight moves new sessions only.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from omnia_core.files.placement import BUCKETS, bucket_of
from omnia_core.files.reading import decode_json
from omnia_core.session_ids import began_ms

SCHEDULE_FILE = "rollout.json"
TOKEN_FILE = "token"  # noqa: S105 - the name of a file
MAX_CLOCK_DIFFERENCE_MS = 60_000
"""Sessions that began later than this from now have a made-up id; stable answers them."""
LEAD_MS = 15_000
"""A new weight holds from this time after the decision: the mounted file is everywhere by then."""
MAX_WEIGHTS = 64

Weight = Annotated[int, Meta(ge=0, le=100)]


class Schedule(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The weights of a rollout.

    Attributes:
        id: of the rollout.
        candidate: `host:port` of the doors at which the candidate's pods let facades in.
        hash_on: lower-case header whose value decides in place of the session id; "" for none.
        steps: times in milliseconds since 1970, and the percentage of the sessions that begin from
            then on; in ascending order.
        over: stable answers every session, those of the candidate too.
        stable: `host:port` of the doors of stable's pods, where clients reach facades of the
            candidate too; "" where they do not.
    """

    id: str
    candidate: str
    hash_on: str = ""
    steps: Annotated[tuple[tuple[int, Weight], ...], Meta(max_length=MAX_WEIGHTS)] = ()
    over: bool = False
    stable: str = ""


def weight_at(schedule: Schedule, began: int) -> int:
    """Return the percentage of the candidate among sessions that began at a time."""
    return next((weight for start, weight in reversed(schedule.steps) if began >= start), 0)


def on_candidate(schedule: Schedule, session_id: str, affinity: str, now_ms: int) -> bool:
    """Return whether the candidate answers a session.

    Args:
        schedule: the rollout.
        session_id: an id that is no UUID of version 7 says no time; stable answers it.
        affinity: what decides in place of the id; "" for nothing.
        now_ms: milliseconds since 1970.
    """
    if schedule.over or not schedule.steps:
        return False
    began = began_ms(session_id)
    if began is None or began > now_ms + MAX_CLOCK_DIFFERENCE_MS:
        return False
    bucket = bucket_of(affinity or session_id)
    return bucket < weight_at(schedule, began) * BUCKETS // 100


def parse_schedule(text: str, what: str) -> Schedule:
    """Parse rollout.json; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names line and column, or a path.
    """
    return decode_json(text, Schedule, what)


def schedule_text(schedule: Schedule) -> str:
    """Return the content of rollout.json."""
    return msgspec.json.encode(schedule).decode()
