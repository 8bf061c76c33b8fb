"""The port between a connection and whoever answers it."""

from collections.abc import AsyncGenerator
from enum import Enum, auto
from typing import Protocol

from omnia_facade.auth.principal import Principal
from omnia_facade.turns.audio import AudioQueue
from omnia_facade.turns.events import CallRequest, ToolAnswer, TurnEvent, TurnRequest


class Resume(Enum):
    """Whether a session can be continued."""

    RESUMABLE = auto()
    NOT_FOUND = auto()
    UNAVAILABLE = auto()


class Dialogue(Protocol):
    """One connection's turns and calls, one after another."""

    async def probe(self, session_id: str) -> Resume:
        """Say whether a session that this connection did not begin can be continued."""

    def turn(self, request: TurnRequest) -> AsyncGenerator[TurnEvent, None]:
        """Answer one message.

        The last event is `Done` or `Failed`. Closing the generator before that abandons the turn.
        """

    def call(self, request: CallRequest, audio: AudioQueue) -> AsyncGenerator[TurnEvent, None]:
        """Take a voice call; events as of a turn, with `AnswerEnded` after each answer."""

    def hang_up(self) -> None:
        """Ask the running call to end soon, in `Done`."""

    def cancel(self) -> None:
        """Ask the running turn or call to end soon, in `Done` with what was said."""

    def answer(self, answer: ToolAnswer) -> None:
        """Hand the client's answer to the running turn or call."""

    def close(self) -> None:
        """Let go of everything; a running turn or call is abandoned."""


class TurnHandler(Protocol):
    """Begins dialogues; one for the whole program."""

    def begin(self, session_id: str, principal: Principal) -> Dialogue:
        """Begin the dialogue of a connection, to which `session_id` was announced."""
