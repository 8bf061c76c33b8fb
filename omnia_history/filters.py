"""What a request asks for, from its query."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct

from omnia_history.refusals import Refused

LIMIT, MOST = 50, 500
LONGEST_SAID = 200
STATUSES = ("active", "completed", "error", "cancelled")
TAGS = ("agent", "function")
GROUPS = ("agent", "provider", "model", "day")

Group: TypeAlias = Literal["agent", "provider", "model", "day"]


P = TypeVar("P")


class After(Struct, frozen=True):
    """The last session of the page before."""

    begun_at: datetime
    key: int


class SessionFilter(Struct, frozen=True):
    """Which sessions, newest first; `begun_from` is within, `begun_to` is not.

    Attributes:
        said: is part of what a person or the agent said, in letters of either case.
    """

    agent: str = ""
    tag: str = ""
    user: str = ""
    status: str = ""
    begun_from: datetime | None = None
    begun_to: datetime | None = None
    after: After | None = None
    limit: int = LIMIT
    said: str = ""


class Page(Struct, frozen=True):
    """Which records of one session: those whose number is above `after`.

    An id may have had several sessions, one after another: `begun_at` says which one.
    """

    agent: str = ""
    begun_at: datetime | None = None
    after: int = -1
    limit: int = LIMIT


class AggregateFilter(Struct, frozen=True):
    """What to sum up; both days (UTC) are within."""

    group_by: Group = "agent"
    agent: str = ""
    first: date | None = None
    last: date | None = None


def session_filter(query: Mapping[str, str]) -> SessionFilter:
    """Read the query of a list of sessions.

    Raises:
        Refused: a value is not usable, or a parameter is not known.
    """
    _known(query, {"agent", "tag", "user", "status", "from", "to", "q", "cursor", "limit"})
    return SessionFilter(
        query.get("agent", ""),
        _one_of(query, "tag", TAGS),
        query.get("user", ""),
        _one_of(query, "status", STATUSES),
        _moment(query, "from"),
        _moment(query, "to"),
        _cursor(query, After),
        _limit(query),
        _said(query),
    )


def page(query: Mapping[str, str]) -> Page:
    """Read the query of a list of records.

    Raises:
        Refused: a value is not usable, or a parameter is not known.
    """
    _known(query, {"agent", "begun_at", "cursor", "limit"})
    after = _cursor(query, int)
    return Page(
        query.get("agent", ""),
        _moment(query, "begun_at"),
        -1 if after is None else after,
        _limit(query),
    )


def aggregate_filter(query: Mapping[str, str]) -> AggregateFilter:
    """Read the query of a sum.

    Raises:
        Refused: a value is not usable, or a parameter is not known.
    """
    _known(query, {"group_by", "agent", "from", "to"})
    group = _one_of(query, "group_by", GROUPS) or "agent"
    return AggregateFilter(
        cast("Group", group), query.get("agent", ""), _day(query, "from"), _day(query, "to")
    )


def cursor(position: After | int) -> str:
    """Return what a caller sends back for the next page; only this process reads it."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _cursor(query: Mapping[str, str], kind: type[P]) -> P | None:
    text = query.get("cursor", "")
    if not text:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise Refused("invalid_request", "cursor: expected the `next` of a page before") from None


def _known(query: Mapping[str, str], names: Collection[str]) -> None:
    if strange := sorted(set(query) - set(names)):
        raise Refused(
            "invalid_request",
            f"unknown parameter {', '.join(strange)}; known are {', '.join(sorted(names))}",
        )


def _one_of(query: Mapping[str, str], name: str, values: Collection[str]) -> str:
    value = query.get(name, "")
    if value and value not in values:
        raise Refused("invalid_request", f"{name}: expected one of {', '.join(values)}")
    return value


def _said(query: Mapping[str, str]) -> str:
    text = query.get("q", "")
    if len(text) > LONGEST_SAID or "\0" in text:
        raise Refused(
            "invalid_request",
            f"q: expected {LONGEST_SAID} characters at most, and none of them NUL",
        )
    return text


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(LIMIT))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST:
        raise Refused("invalid_request", f"limit: expected a number from 1 to {MOST}")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        expected = f"{name}: expected a day or a time (RFC 3339), such as 2026-01-31T12:00:00Z"
        raise Refused("invalid_request", expected) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(
            "invalid_request", f"{name}: expected a day (UTC), such as 2026-01-31"
        ) from None
