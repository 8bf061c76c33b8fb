"""What users may do with sessions of their own: list them, name them, and end them."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from omnia_core.errors import Code, OmniaError

# An id of 128 characters and a time fit, and nothing much longer.
_LONGEST_CURSOR = 1024


class CursorInvalid(OmniaError):
    """A cursor is none that a list has given."""

    def __init__(self) -> None:
        super().__init__(
            Code.INVALID_ARGUMENT, "the cursor is invalid: expected `next` of the page before"
        )


class ListPlace(Struct, frozen=True):
    """A place in the list of a user's sessions: that of one session.

    Attributes:
        begun_at: when the session began, which orders the list.
        session_id: orders those that began at the same time.
    """

    begun_at: datetime
    session_id: str

    @property
    def cursor(self) -> str:
        """The place as a text for URLs."""
        text = f"{self.begun_at.isoformat()} {self.session_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# Before every session of a list.
LIST_START = ListPlace(datetime(9999, 12, 31, tzinfo=UTC), "")


def list_place(cursor: str) -> ListPlace:
    """Return the place of a cursor; that of "" is the beginning.

    Raises:
        CursorInvalid: it is no cursor.
    """
    if not cursor:
        return LIST_START
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise CursorInvalid
        padded = cursor + "=" * (-len(cursor) % 4)
        begun_at, _, session_id = base64.urlsafe_b64decode(padded).decode().partition(" ")
        return ListPlace(datetime.fromisoformat(begun_at).astimezone(UTC), session_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise CursorInvalid from error


class ListedSession(Struct, frozen=True, kw_only=True):
    """A session in a list.

    Attributes:
        active_at: when something was last appended.
        ends_at: when the session ends, if nothing uses it before.
        turns: how many turns have begun in it.
        status: as `SessionStatus`.
        tokens: input and output together; None where the store keeps no audit records.
        cost_usd: likewise.
        first_message: the first words that its user said, on one line; "" if they are deleted, or
            there are none.
    """

    id: str
    name: str
    begun_at: datetime
    active_at: datetime
    ends_at: datetime
    turns: int
    status: str
    tokens: int | None = None
    cost_usd: float | None = None
    first_message: str = ""

    @property
    def place(self) -> ListPlace:
        """Its place in a list."""
        return ListPlace(self.begun_at, self.id)


class OwnSessions(Protocol):
    """The sessions of an agent, for their users. The caller checks whose a session is.

    Every method raises `StoreUnavailable` when the store cannot be reached.

    Attributes:
        lists: whether sessions can be listed.
    """

    lists: bool = True

    async def give_name(self, session_id: str, name: str) -> bool:
        """Give a session the name that its user chose; return False when there is no session.

        No other name replaces it, but one that is given so. The time to live does not change.
        """

    async def end(self, session_id: str) -> bool:
        """End a session before its time; return False when there is none.

        What a retention policy keeps beyond the end of sessions stays until then; everything else
        of the session is deleted. Daily sums stay. The trail of a session that is kept has the
        event `session_deleted`.
        """

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> Sequence[ListedSession]:
        """Return sessions of a user that have not ended, the latest begun first.

        Args:
            user_id: who began them; "" for those that nobody in particular began.
            limit: how many at most.
            after: the place that they come after.
        """
