"""The port of what users do with sessions of their own."""

from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from omnia_facade.auth.principal import Principal


class Change(Enum):
    """What became of the request to change a session."""

    MADE = auto()
    NOT_FOUND = auto()
    INVALID = auto()
    TURN_RUNNING = auto()
    UNSUPPORTED = auto()
    UNAVAILABLE = auto()


class OwnSession(Struct, frozen=True, kw_only=True):
    """A session in a list.

    Attributes:
        begun_at, last_at, ends_at: RFC 3339, UTC: the beginning, when something was last said, and
            the end if nothing is said before.
        status: active, completed, error or cancelled: how the last turn stands.
        tokens: of input and output together; None where they are not counted.
        cost_usd: likewise.
        first_message: the first words that its user said, on one line; "" where there are none.
    """

    id: str
    name: str
    begun_at: str
    last_at: str
    ends_at: str
    turns: int
    status: str
    tokens: int | None = None
    cost_usd: float | None = None
    first_message: str = ""


class OwnSessionsPage(Struct, frozen=True):
    """A page of a list.

    Attributes:
        outcome: `MADE`, or why there is no page.
        next: the cursor of what follows; "" at the end.
    """

    outcome: Change
    sessions: tuple[OwnSession, ...] = ()
    next: str = ""


class SessionDirectory(Protocol):
    """Lists, names and ends the sessions of a caller."""

    async def list(self, principal: Principal, limit: int, cursor: str) -> OwnSessionsPage:
        """Return sessions that have not ended, the latest begun first; 0: as many as fit."""

    async def rename(self, session_id: str, principal: Principal, name: str) -> Change:
        """Give a session the name that its user chose."""

    async def delete(self, session_id: str, principal: Principal) -> Change:
        """End a session before its time."""


def may_list(principal: Principal, *, local: bool) -> bool:
    """Whether a caller may list sessions.

    Without a user the id of a session is what lets its user continue it, so that nobody may list
    these ids; but on a port that only this machine reaches, everybody is the same person.
    """
    return bool(principal.user_id) or local
