"""The port behind which sessions are kept."""

from collections.abc import Sequence
from typing import Protocol

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.records import Message, Session


class SessionConflict(OmniaError):
    """The session is longer than its writer knew: another writer was there first."""

    def __init__(self, session_id: str, expected: int, found: int) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'session "{session_id}" has {found} messages where {expected} were expected: '
            "another turn of it was stored in between; send the message again",
        )


class StoreUnavailable(OmniaError):
    """The store could not be reached; nothing is known about the session."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            Code.UNAVAILABLE, f"the session store cannot be reached ({detail}); try again"
        )


class WriteUnconfirmed(StoreUnavailable):
    """The store has a write, and cannot promise to keep it."""

    def __init__(self, having: int, wanted: int) -> None:
        OmniaError.__init__(
            self,
            Code.UNAVAILABLE,
            f"the session store has not confirmed the write ({having} of {wanted} replicas have"
            " it): it may be kept all the same, and what is sent again may be there twice",
        )


class SessionStore(Protocol):
    """Sessions with a sliding time to live: each read and each append begins it anew.

    A store that was told a retention policy keeps the last messages of a session only, from an
    append on that makes them too many. Lengths and positions count what was deleted too.

    Every method raises `StoreUnavailable` when the store cannot answer.

    Attributes:
        keeps_trail: whether it keeps what an append tells beside its messages.
    """

    keeps_trail: bool = False

    def start(self) -> None:
        """Begin what a retention policy wants of the store beside its operations."""
        return

    async def load(self, session_id: str) -> Session | None:
        """Return the session, or None when it never was or has expired."""

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: AuditTrail | None = None,
    ) -> int:
        """Append all of `messages` and their trail, or nothing, and return the new length.

        A session begins with its first append, at length 0.

        Raises:
            SessionConflict: the session's length is not `expected_length`.
        """

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        """Keep `messages` beside the session, in the place of those of the last checkpoint.

        They are `Session.interrupted` until the next append, which forgets them. A session that
        has another length by now, or has ended, is left as it is.
        """

    async def close(self) -> None:
        """Let go of connections."""
