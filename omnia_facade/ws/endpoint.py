"""One connection: the conversation is told what comes in, and what it decides is done."""

import asyncio

from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import ToolAnswer
from omnia_facade.dialogue.handler import Dialogue
from omnia_facade.ws import effects
from omnia_facade.ws.calls import Calls
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.deadlines import Deadlines
from omnia_facade.ws.effects import Effect
from omnia_facade.ws.intake import Intake, Overdone
from omnia_facade.ws.media import BeginUploads, Media
from omnia_facade.ws.messages import Refused, parse
from omnia_facade.ws.pump import Pump
from omnia_facade.ws.socket import WebSocket


class Endpoint(WebSocket):
    """Joins a socket, a conversation and a dialogue."""

    __slots__ = (
        "_begin_uploads",
        "_connections",
        "_conversation",
        "_deadlines",
        "_dialogue",
        "_intake",
        "_media",
        "_pump",
        "_resume",
    )

    def __init__(
        self,
        connections: Connections,
        dialogue: Dialogue,
        conversation: Conversation,
        resume: str | None,
        calls: Calls,
        begin_uploads: BeginUploads | None = None,
    ) -> None:
        super().__init__(connections.outgoing)
        self._connections = connections
        self._dialogue = dialogue
        self._conversation = conversation
        self._resume = resume
        self._pump = Pump(connections, conversation, dialogue, self, calls)
        self._begin_uploads = begin_uploads
        self._media: Media | None = None
        self._deadlines: Deadlines | None = None
        self._intake = Intake(connections.limits, connections.received, connections.metrics)

    @property
    def sessions(self) -> int:
        """How many sessions were announced."""
        return self._conversation.sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._dialogue.close()
        if self._media:
            self._media.close()
        self._intake.hold(0, 0)
        self._connections.closed(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.settle()

    def settle(self) -> None:
        """Note what this connection holds, after a turn or when more has come."""
        try:
            self._intake.hold(self.unfinished, self._conversation.held)
        except Overdone as overdone:
            # A turn that ends at once ends between what came and its account.
            self.fail(overdone.code, overdone.reason)
            self._flush()

    def drain(self) -> None:
        """Close as soon as what was asked is answered."""
        self.apply(self._conversation.drain())

    def opened(self) -> None:
        self.apply(self._conversation.open(self._resume))

    def ended(self) -> None:
        self.apply(self._conversation.disconnected())

    def received_text(self, data: bytes) -> None:
        self._connections.metrics.messages_received.inc()
        try:
            self._intake.admit(len(data), self.heard_at)
            self.apply(self._conversation.receive(parse(data.decode()), len(data)))
        except UnicodeDecodeError:
            self.fail(1007, "the frame is not UTF-8")
        except Overdone as overdone:
            self.fail(overdone.code, overdone.reason)
        except Refused as refused:
            self.apply(self._conversation.refuse(refused))

    def received_binary(self, data: bytes) -> None:
        self.apply(self._require_media().receive(data))

    def say(self, frame: bytes) -> None:
        """Send the client a frame."""
        self._connections.sent += self.write_text(frame)

    def audio(self) -> AudioQueue:
        """Return what the client says on the phone."""
        return self._require_media().audio()

    def apply(self, todo: list[Effect]) -> None:
        """Do what the conversation decided."""
        for effect in todo:
            if isinstance(effect, effects.Send):
                self.say(effect.data)
            elif isinstance(effect, effects.Probe | effects.StartTurn | effects.StartCall):
                self._pump.start(effect)
            else:
                self._apply_rare(effect)

    def _apply_rare(self, effect: effects.RareEffect) -> None:
        match effect:
            case effects.SendMedia():
                self._send_media(effect)
            case ToolAnswer():
                self._dialogue.answer(effect)
            case effects.CancelTurn():
                self._dialogue.cancel()
            case effects.Abandon():
                self._pump.abandon()
            case effects.Close(code, reason):
                self.close(code, reason)
            case SetDeadline(call_id, seconds):
                if self._deadlines is None:
                    self._deadlines = Deadlines(self._passed)
                self._deadlines.set(call_id, seconds)
            case ClearDeadline(call_id):
                if self._deadlines:
                    self._deadlines.clear(call_id)
            case _:
                self.apply(self._require_media().apply(effect))

    def _send_media(self, effect: effects.SendMedia) -> None:
        write = self.write_binary if effect.binary else self.write_text
        if write(effect.data):
            self._connections.sent += 1
            self._connections.metrics.voice.sent(effect.size, binary=effect.binary)

    def _require_media(self) -> Media:
        if self._media is None:
            connections = self._connections
            self._media = Media(
                self,
                self._conversation,
                self._dialogue,
                connections.metrics.voice,
                connections.limits.media,
                self._begin_uploads,
            )
        return self._media

    def _passed(self, call_id: str) -> None:
        self.apply(self._conversation.deadline(call_id))
