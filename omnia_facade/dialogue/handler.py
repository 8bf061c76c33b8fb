"""The port between a connection and whoever answers it."""

from collections.abc import AsyncGenerator, Callable
from enum import Enum, auto
from typing import Protocol, TypeAlias

from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import CallRequest, ToolAnswer, TurnEvent, TurnRequest

Say: TypeAlias = Callable[[str], bool]
"""Relays a piece of the answer at once, without a task's turn. False: it cannot now, so the piece
has to come as a `Chunk`. It must not raise."""


class Resume(Enum):
    """Whether a session can be continued."""

    RESUMABLE = auto()
    NOT_FOUND = auto()
    UNAVAILABLE = auto()


class Dialogue(Protocol):
    """One connection's turns and calls, one after another."""

    async def probe(self, session_id: str) -> Resume:
        """Say whether a session that this connection did not begin can be continued."""

    def turn(self, request: TurnRequest, say: Say) -> AsyncGenerator[TurnEvent, None]:
        """Answer one message.

        The last event is `Done` or `Failed`. Closing the generator before that abandons the turn.
        The text comes as `Chunk`s or, where it comes fast, through `say`, in one order with them.
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
