"""Times as text that sorts: RFC 3339, UTC, microseconds, as in `2026-01-31T12:00:00.000000Z`."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class Now(NamedTuple):
    """The time of a transaction, also as text, which takes a while to make."""

    time: datetime
    text: str


def now() -> Now:
    """Return the present time."""
    time = datetime.now(UTC)
    return Now(time, moment(time))


def moment(when: datetime) -> str:
    """Return a time as text."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def after(text: str, seconds: float) -> str:
    """Return the time that comes `seconds` after another one."""
    return moment(datetime.fromisoformat(text) + timedelta(seconds=seconds))
