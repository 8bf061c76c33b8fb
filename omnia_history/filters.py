"""Parses the query parameters of requests."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct

from omnia_core.errors import abridged
from omnia_core.units import Duration
from omnia_history.refusals import Refused

ALL_NAMESPACES = "*"
DEFAULT_LIMIT, MAX_LIMIT = 50, 500
# A turn may have a thousand records of each kind.
DEFAULT_TURNS, MAX_TURNS = 20, 100
MAX_SEARCH_LENGTH = 200
STATUSES = ("active", "completed", "error", "cancelled")
TAGS = ("agent", "function", "trial")
BOOLEANS = ("true", "false")
EVAL_GROUPS = ("eval", "variant", "agent", "pack_version")
GROUPS = ("agent", "provider", "model", "day")
_MAX_QUOTED_LENGTH = 64
# Every database has integers of 32 bits.
_MAX_TURN = 2**31 - MAX_TURNS - 1

Group: TypeAlias = Literal["agent", "provider", "model", "day"]

Position = TypeVar("Position")


class SessionPosition(Struct, frozen=True):
    """The position of a session in the list, which is sorted by begin and key, newest first.

    The key is text in MongoDB, and a number in the other databases.
    """

    begun_at: datetime
    key: int | str


class UserPosition(Struct, frozen=True):
    """The position of a user in the list, which is sorted by last use, latest first."""

    active_at: datetime
    user_id: str


class UserFilter(Struct, frozen=True):
    """Selects users for the list; an empty value does not filter.

    Attributes:
        agent: only those with a session of this agent, and what they used of it.
        after: the last user of the previous page.
    """

    agent: str = ""
    after: UserPosition | None = None
    limit: int = DEFAULT_LIMIT


class SessionFilter(Struct, frozen=True):
    """Selects sessions for the list; an empty value does not filter.

    Attributes:
        begun_from: the earliest begin, inclusive.
        begun_to: the latest begin, exclusive.
        after: the last session of the previous page.
        text: a part of a message of the user or the agent, or of the name of the session, in
            upper or lower case.
        name: a part of the name of the session, in upper or lower case.
        sums: whether the sums of all these sessions are wanted too.
    """

    agent: str = ""
    tag: str = ""
    user: str = ""
    status: str = ""
    begun_from: datetime | None = None
    begun_to: datetime | None = None
    after: SessionPosition | None = None
    limit: int = DEFAULT_LIMIT
    text: str = ""
    name: str = ""
    sums: bool = False


class PieceSize(Struct, frozen=True):
    """How much one search covers: up to the limit reached first, and at least one session."""

    sessions: int = 5000
    messages: int = 10_000


PIECE_SIZE = PieceSize()


class Page(Struct, frozen=True):
    """Selects a page of records of one session: those whose number is greater than `after`.

    Several sessions may have had the same id, one after another; `begun_at` selects one of them.
    """

    agent: str = ""
    begun_at: datetime | None = None
    after: int = -1
    limit: int = DEFAULT_LIMIT


class TurnPage(Struct, frozen=True):
    """Selects turns of one session by their numbers: those after `after`, up to `last`.

    Attributes:
        session: which one, where several had the same id.
        after: 0 on the first page, which also has what was said elsewhere before the first turn.
    """

    session: Page
    after: int = 0
    limit: int = DEFAULT_TURNS

    @property
    def last(self) -> int:
        """The number of the last turn of the page."""
        return self.after + self.limit


class AggregateFilter(Struct, frozen=True):
    """Selects the sums and their groups; the days `first` and `last` (UTC) are both included."""

    group_by: Group = "agent"
    agent: str = ""
    first: date | None = None
    last: date | None = None


class EvalFilter(Struct, frozen=True):
    """Selects results of evaluations and their groups.

    Attributes:
        since: the earliest, inclusive.
    """

    by: tuple[str, ...] = ("eval",)
    agent: str = ""
    since: datetime | None = None


def namespace_of(query: Mapping[str, str], served: str) -> str:
    """Return the namespace that a request is about.

    Args:
        query: of the request.
        served: the namespace of the history; of `ALL_NAMESPACES`, a request may choose one.

    Raises:
        Refused: the history is of another namespace.
    """
    wanted = query.get("namespace") or served
    if served not in (wanted, ALL_NAMESPACES):
        raise _invalid("namespace", f'"{served}", whose history this is', wanted)
    return wanted


def session_filter(query: Mapping[str, str], user: str | None = None) -> SessionFilter:
    """Parse the query of a list of sessions; of one user's, with a `user` that the path names.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    known = {"agent", "tag", "status", "name", "from", "to", "q", "sums", "cursor", "limit"}
    _check_names(query, known | {"user"} if user is None else known)
    return SessionFilter(
        query.get("agent", ""),
        _one_of(query, "tag", TAGS),
        query.get("user", "") if user is None else user,
        _one_of(query, "status", STATUSES),
        _time(query, "from"),
        _time(query, "to"),
        _cursor(query, SessionPosition),
        _limit(query),
        _search_text(query, "q"),
        _search_text(query, "name"),
        _one_of(query, "sums", BOOLEANS) == "true",
    )


def user_filter(query: Mapping[str, str]) -> UserFilter:
    """Parse the query of a list of users.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    _check_names(query, {"agent", "cursor", "limit"})
    return UserFilter(query.get("agent", ""), _cursor(query, UserPosition), _limit(query))


def page(query: Mapping[str, str]) -> Page:
    """Parse the query of a session or of a list of its records.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    _check_names(query, {"agent", "begun_at", "cursor", "limit"})
    after = _cursor(query, int)
    return Page(
        query.get("agent", ""),
        _time(query, "begun_at"),
        -1 if after is None else after,
        _limit(query),
    )


def turn_page(query: Mapping[str, str]) -> TurnPage:
    """Parse the query of the turns of a session.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    _check_names(query, {"agent", "begun_at", "cursor", "limit"})
    session = Page(query.get("agent", ""), _time(query, "begun_at"))
    after = min(max(_cursor(query, int) or 0, 0), _MAX_TURN)
    return TurnPage(session, after, _limit(query, DEFAULT_TURNS, MAX_TURNS))


def aggregate_filter(query: Mapping[str, str]) -> AggregateFilter:
    """Parse the query of aggregates.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    _check_names(query, {"group_by", "agent", "from", "to"})
    group = _one_of(query, "group_by", GROUPS) or "agent"
    return AggregateFilter(
        cast("Group", group), query.get("agent", ""), _day(query, "from"), _day(query, "to")
    )


def eval_filter(query: Mapping[str, str]) -> EvalFilter:
    """Parse the query of a summary of evaluations.

    Raises:
        Refused: a parameter is unknown, or its value is invalid.
    """
    _check_names(query, {"agent", "since", "by"})
    by = tuple(dict.fromkeys(filter(None, query.get("by", "eval").split(","))))
    if not by or not set(by) <= set(EVAL_GROUPS):
        raise _invalid("by", f"some of {','.join(EVAL_GROUPS)}", query.get("by", ""))
    return EvalFilter(by, query.get("agent", ""), _since(query, datetime.now(UTC)))


def _since(query: Mapping[str, str], now: datetime) -> datetime | None:
    """Return a time, or the one that was so long ago."""
    text = query.get("since", "")
    try:
        ago = Duration.parse(text)
    except ValueError:
        return _time(query, "since")
    try:
        return now - timedelta(seconds=ago.seconds)
    except OverflowError:
        raise _invalid("since", "a shorter duration", text) from None


def cursor(position: SessionPosition | UserPosition | int) -> str:
    """Encode a position as the opaque cursor that a client sends for the page after it."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _cursor(query: Mapping[str, str], kind: type[Position]) -> Position | None:
    text = query.get("cursor", "")
    if not text:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise _invalid("cursor", "the `next` or `last` of a previous answer", text) from None


def _check_names(query: Mapping[str, str], names: Collection[str]) -> None:
    # Of every request: `namespace_of` reads it.
    names = {*names, "namespace"}
    if unknown := sorted(set(query) - names):
        raise Refused(
            "invalid_request",
            f"unknown parameter {abridged(', '.join(unknown))};"
            f" expected one of {', '.join(sorted(names))}",
        )


def _invalid(name: str, expected: str, value: str) -> Refused:
    found = value[:_MAX_QUOTED_LENGTH]
    return Refused("invalid_request", f'{name}: expected {expected}, found "{found}"')


def _one_of(query: Mapping[str, str], name: str, values: Collection[str]) -> str:
    value = query.get(name, "")
    if value and value not in values:
        raise _invalid(name, f"one of {', '.join(values)}", value)
    return value


def _search_text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > MAX_SEARCH_LENGTH or "\0" in text:
        found = "a NUL" if "\0" in text else f"{len(text)} characters"
        raise Refused(
            "invalid_request",
            f"{name}: expected at most {MAX_SEARCH_LENGTH} characters without NUL, found {found}",
        )
    return text


def _limit(query: Mapping[str, str], default: int = DEFAULT_LIMIT, highest: int = MAX_LIMIT) -> int:
    text = query.get("limit", str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= highest:
        raise _invalid("limit", f"a whole number from 1 to {highest}", text)
    return int(text)


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        expected = "a day or a time (RFC 3339), such as 2026-01-31T12:00:00Z"
        raise _invalid(name, expected, text) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(name, "a day (UTC), such as 2026-01-31", text) from None
