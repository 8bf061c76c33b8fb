"""Says what it heard."""

from collections.abc import AsyncGenerator

from omnia_facade.auth.principal import Principal
from omnia_facade.sessions import AnnouncedSessions
from omnia_facade.turns.events import Done, ToolAnswer, TurnEvent, TurnRequest
from omnia_facade.turns.handler import Dialogue, Resume


class EchoHandler:
    """Answers without a runtime; a session is an id that this process has announced."""

    def __init__(self, sessions: AnnouncedSessions) -> None:
        self._sessions = sessions

    def begin(self, session_id: str, principal: Principal) -> Dialogue:  # noqa: ARG002 - the port's
        self._sessions.add(session_id)
        return _EchoDialogue(self._sessions)


class _EchoDialogue:
    __slots__ = ("_sessions",)

    def __init__(self, sessions: AnnouncedSessions) -> None:
        self._sessions = sessions

    async def probe(self, session_id: str) -> Resume:
        return self._sessions.probe(session_id)

    async def turn(self, request: TurnRequest) -> AsyncGenerator[TurnEvent, None]:
        yield Done(f"Echo: {request.text}")

    def cancel(self) -> None:
        """The answer is there before anyone could cancel it."""

    def answer(self, answer: ToolAnswer) -> None:
        """No tool is ever called."""

    def close(self) -> None:
        """Nothing is held."""
