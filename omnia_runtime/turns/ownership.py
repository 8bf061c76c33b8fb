"""A session belongs to the user who began it."""

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Session
from omnia_runtime.turns.turn import Caller


class SessionUnknown(OmniaError):
    """There is no such session for this caller."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.NOT_FOUND,
            f'session "{session_id}" is unknown or has expired; a message without session_id '
            "starts a new one",
        )


def require_owner(session: Session | None, caller: Caller) -> None:
    """Let nobody continue another user's session, or learn that there is one.

    Raises:
        SessionUnknown: the session is somebody else's.
    """
    if session is not None and not session.open_to(caller.user_id):
        raise SessionUnknown(session.id)
