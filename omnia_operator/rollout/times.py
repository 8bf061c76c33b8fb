"""The times of a status, RFC 3339."""

import datetime as dt


def milliseconds(time: str) -> int:
    """Return a time of a status in milliseconds since 1970."""
    return int(parsed(time).timestamp() * 1000)


def elapsed(since: str, now: str) -> float:
    """Return the seconds between two times; a time that is missing is long ago."""
    if not since:
        return float(10**9)
    return (parsed(now) - parsed(since)).total_seconds()


def parsed(text: str) -> dt.datetime:
    """Return the time of a text."""
    return dt.datetime.fromisoformat(text)


def formatted(time: dt.datetime) -> str:
    """Return the text of a time, in UTC."""
    return time.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
