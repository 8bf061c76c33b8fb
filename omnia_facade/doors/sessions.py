"""The rules of session ids at the doors: one session id everywhere, never replaced silently."""

from collections.abc import Callable

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend, Resume
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN, SESSION_ID_RULE
from omnia_facade.doors.errors import DoorFailed, invalid

UNKNOWN = "the session is unknown or has expired"


def check_session_id(text: str, parameter: str) -> str:
    """Return a client's id of a conversation, which is the session id everywhere.

    Raises:
        DoorFailed: it cannot be one. It is not changed to fit: it has to work at other doors.
    """
    if not SESSION_ID_PATTERN.fullmatch(text) or text in (".", ".."):
        raise invalid(f"{parameter} has {SESSION_ID_RULE}", parameter)
    return text


class SessionRules:
    """Chooses the session of a turn."""

    def __init__(self, backend: Backend, new_id: Callable[[Principal], str]) -> None:
        """`new_id` makes the id of a new session."""
        self._backend = backend
        self._new_id = new_id

    async def session_of(self, session_id: str, caller: Principal, *, known: bool) -> str:
        """Return the id of the session, a new one for "".

        An id that the client made needs no look-up: the turn's own load decides, and refuses the
        session of somebody else as if it were unknown.

        Raises:
            DoorFailed: the session has to exist and does not.
        """
        if not session_id:
            return self._new_id(caller)
        check_session_id(session_id, "the session id")
        if known:
            resume = await self._backend.probe(session_id, caller)
            if resume is Resume.NOT_FOUND:
                raise DoorFailed(ErrorCode.SESSION_EXPIRED, UNKNOWN)
            if resume is Resume.UNAVAILABLE:
                raise DoorFailed(
                    ErrorCode.AGENT_UNAVAILABLE, "the session cannot be looked up; try again"
                )
        return session_id
