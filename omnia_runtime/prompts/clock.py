"""The time, as templates may name it."""

from datetime import UTC, datetime

# Not of the process's locale: a prompt reads the same everywhere.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def now_utc() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def time_variables(now: datetime) -> dict[str, str]:
    """Return the variables that every template may use: 2026-01-31T09:05:00Z, 2026-01-31, 2026,
    January, Saturday, 09.
    """
    return {
        "current_time": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "current_date": now.date().isoformat(),
        "current_year": str(now.year),
        "current_month": _MONTHS[now.month - 1],
        "current_weekday": _DAYS[now.weekday()],
        "current_hour": f"{now.hour:02}",
    }


TIME_VARIABLES = frozenset(time_variables(datetime(2000, 1, 1, tzinfo=UTC)))
