"""Says what it heard."""

from collections.abc import AsyncGenerator

from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.audio import NO_AUDIO, AudioQueue
from omnia_facade.dialogue.events import CallRequest, Done, ToolAnswer, TurnEvent, TurnRequest
from omnia_facade.dialogue.handler import Dialogue, Resume, Say
from omnia_facade.turns.announced import AnnouncedSessions


class EchoHandler:
    """Answers without a runtime; a session is an id that this process has announced."""

    def __init__(self, sessions: AnnouncedSessions) -> None:
        self._sessions = sessions

    def begin(self, session_id: str, principal: Principal) -> Dialogue:
        self._sessions.add(session_id, principal.user_id)
        return _EchoDialogue(self._sessions, principal.user_id)


class _EchoDialogue:
    __slots__ = ("_sessions", "_user_id")

    def __init__(self, sessions: AnnouncedSessions, user_id: str) -> None:
        self._sessions = sessions
        self._user_id = user_id

    async def probe(self, session_id: str) -> Resume:
        return self._sessions.probe(session_id, self._user_id)

    async def turn(
        self,
        request: TurnRequest,
        say: Say,  # noqa: ARG002 - the port's
    ) -> AsyncGenerator[TurnEvent, None]:
        yield Done(f"Echo: {request.text}")

    async def call(
        self,
        request: CallRequest,  # noqa: ARG002 - the port's
        audio: AudioQueue,  # noqa: ARG002 - the port's
    ) -> AsyncGenerator[TurnEvent, None]:
        yield NO_AUDIO

    def hang_up(self) -> None:
        """No call is ever taken."""

    def cancel(self) -> None:
        """The answer is there before anyone could cancel it."""

    def answer(self, answer: ToolAnswer) -> None:
        """No tool is ever called."""

    def close(self) -> None:
        """Nothing is held."""
