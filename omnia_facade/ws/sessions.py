"""The sessions of one connection."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.handler import Resume
from omnia_facade.ws import frames
from omnia_facade.ws.messages import Refused


class Sessions:
    """The new session with which a connection begins, and those that were resumed on it.

    Attributes:
        current: to which a message without one belongs: the session announced last.
    """

    __slots__ = ("_binary", "_known", "_own", "current")

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """Begin with a new session; `binary` is announced with every one."""
        self.current = session_id
        self._own = session_id
        self._known = frozenset((session_id,))
        self._binary = binary

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._known

    def require(self, session_id: str) -> None:
        """Raise `Refused` unless a session was announced."""
        if session_id not in self._known:
            raise Refused(
                ErrorCode.SESSION_NOT_FOUND,
                f'session "{session_id}" is not open on this connection; resume it first, with a '
                "message or in the query",
            )

    def announce(self) -> bytes:
        """Return the frame that announces the new session."""
        return frames.connected(self._own, binary=self._binary)

    def resumed(self, session_id: str) -> bytes:
        """Learn that a session goes on; return the frame that announces it."""
        self._known |= {session_id}
        self.current = session_id
        return frames.connected(session_id, resumed=True, binary=self._binary)

    def not_resumed(self, session_id: str, resume: Resume) -> bytes:
        """Learn that a session does not go on; return the frame that says so."""
        if resume is Resume.NOT_FOUND:
            if self.current == session_id:
                self.current = self._own
            code = ErrorCode.SESSION_EXPIRED
            state = "is unknown or has expired; a message without session_id starts a new one"
        else:
            code = ErrorCode.INTERNAL_ERROR
            state = "cannot be looked up at present; try again"
        return frames.error(session_id, code, f'session "{session_id}" {state}')
