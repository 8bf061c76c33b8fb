"""What a connection does now, what it does next, and in which sessions."""

from enum import Enum, auto

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_facade.dialogue.events import CallRequest, Done, TurnRequest
from omnia_facade.dialogue.handler import Resume
from omnia_facade.ws import frames
from omnia_facade.ws.effects import (
    Abandon,
    Close,
    Effect,
    EndAudio,
    Probe,
    Send,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import Refused
from omnia_facade.ws.sessions import Sessions
from omnia_facade.ws.voice import Voice
from omnia_facade.ws.waiting import Item, Waiting

GOING_AWAY = 1001


class Phase(Enum):
    """What is going on for the item in hand."""

    IDLE = auto()
    PROBING = auto()
    RUNNING = auto()
    CLOSED = auto()


class Agenda:
    """Items are worked off one at a time, in the order in which they came.

    Attributes:
        sessions: that this connection has announced.
        item: what is in hand.
        number: of the running turn or call.
        voice: which audio of the client is heard; None before the first.
    """

    __slots__ = (
        "_draining",
        "_waiting",
        "item",
        "number",
        "phase",
        "sessions",
        "voice",
    )

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """Begin with a new session; `binary` is announced with every one."""
        self.sessions = Sessions(session_id, binary=binary)
        self.item: Item | None = None
        self.number = 0
        self.phase = Phase.IDLE
        self.voice: Voice | None = None
        self._waiting = Waiting()
        self._draining = False

    @property
    def meant(self) -> Item | None:
        """What a client means to cancel.

        While a session is still being resumed that is what comes next.
        """
        if self.item is not None and self.item.request is None:
            return self._waiting.first
        return self.item

    @property
    def held(self) -> int:
        """Bytes of the messages that are not answered yet."""
        return self._waiting.size + (self.item.size if self.item else 0)

    def open(self) -> list[Effect]:
        """Announce the new session."""
        return [Send(self.sessions.announce())]

    def resume(self, session_id: str) -> list[Effect]:
        """Continue a session, before anything else."""
        if session_id in self.sessions:
            return []
        self.sessions.current = session_id
        self._waiting.add(Item(session_id, None))
        return self._next()

    def add(self, item: Item) -> list[Effect]:
        """Take an item.

        Raises:
            Refused: too much waits already, or the server is shutting down.
        """
        self.require_open()
        self._waiting.add(item)
        return self._next()

    def require_open(self) -> None:
        """Raise `Refused` when the server is shutting down."""
        if self._draining:
            raise Refused(
                ErrorCode.AGENT_UNAVAILABLE,
                "the server is shutting down; send the message again on a new connection",
            )

    def require_idle(self) -> None:
        """Raise `Refused` when something is to be answered; resuming a session is no answer."""
        self.require_open()
        if self._waiting or (self.item is not None and self.item.request is not None):
            raise Refused(
                ErrorCode.RATE_LIMITED,
                "a call begins when nothing else is under way; send audio after the done",
            )

    def probed(self, resume: Resume) -> list[Effect]:
        """Take the answer to a `Probe`."""
        item = self.item
        if item is None or self.phase is not Phase.PROBING:
            return []
        if resume is Resume.RESUMABLE:
            return self._resumed(item)
        return self.end(self.sessions.not_resumed(item.session_id, resume))

    def end(self, last: bytes) -> list[Effect]:
        """End the item in hand with its last frame, and begin the next."""
        effects: list[Effect] = [Send(last), *self._over(self.item)]
        self.item, self.phase = None, Phase.IDLE
        return effects + self._next()

    def drain(self) -> list[Effect]:
        """Take no more, and close when what was taken is answered."""
        if self.phase is Phase.CLOSED:
            return []
        self._draining = True
        return self._next()

    def close(self) -> list[Effect]:
        """Forget everything."""
        effects: list[Effect] = [Abandon()] if self.item is not None else []
        for item in (self.item, self._waiting.first):
            effects += self._over(item)
        self.item, self.phase = None, Phase.CLOSED
        self._waiting.clear()
        return effects

    def _next(self) -> list[Effect]:
        """Begin what waits, unless something is under way."""
        effects: list[Effect] = []
        while self.item is None and self._waiting:
            item = self._waiting.take()
            if item.session_id in self.sessions:
                effects += self._begin(item)
            else:
                self.item, self.phase = item, Phase.PROBING
                effects.append(Probe(item.session_id))
        if self._draining and self.item is None:
            self.phase = Phase.CLOSED
            effects.append(Close(GOING_AWAY, "server shutdown"))
        return effects

    def _begin(self, item: Item) -> list[Effect]:
        if item.request is None:
            return []
        if item.cancelled:
            last = frames.done(item.session_id, Done("", finish_reason=CANCELLED))
            return [Send(last), *self._over(item)]
        self.item, self.phase = item, Phase.RUNNING
        self.number += 1
        item.prefix = frames.chunk_prefix(item.session_id)
        if isinstance(item.request, TurnRequest):
            return [StartTurn(self.number, item.request, item.accepted_at)]
        return [StartCall(self.number, item.request)]

    def _resumed(self, item: Item) -> list[Effect]:
        self.item, self.phase = None, Phase.IDLE
        return [Send(self.sessions.resumed(item.session_id)), *self._begin(item), *self._next()]

    def _over(self, item: Item | None) -> list[Effect]:
        if item is None or self.voice is None or not isinstance(item.request, CallRequest):
            return []
        self.voice.end()
        return [EndAudio()]
