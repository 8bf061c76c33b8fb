"""One client connection: joins its socket, its conversation and its backend."""

import asyncio

from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import ClientToolResult
from omnia_facade.backend.port import BackendConnection
from omnia_facade.ws.client_tools import ClearDeadline, Deadlines, SetDeadline
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.effects import (
    Abandon,
    CancelTurn,
    Close,
    Effect,
    ProbeSession,
    RareEffect,
    Send,
    SendMedia,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.inbound_limits import LARGE, ConnectionAbuse, ConnectionLimiter
from omnia_facade.ws.media_traffic import BeginUploads, MediaTraffic
from omnia_facade.ws.messages import FrameRefused, held_bytes, parse
from omnia_facade.ws.socket import WebSocket
from omnia_facade.ws.turn_runner import TurnRunner
from omnia_facade.ws.voice import VoiceCallLimit

# A tuple: a union of types would be built again for each effect.
_JOBS = (ProbeSession, StartTurn, StartCall)


class ClientConnection(WebSocket):
    """Passes messages to the conversation, and executes its effects."""

    __slots__ = (
        "_backend",
        "_begin_uploads",
        "_connections",
        "_conversation",
        "_deadlines",
        "_limiter",
        "_media",
        "_resume",
        "_runner",
    )

    def __init__(
        self,
        connections: Connections,
        backend: BackendConnection,
        conversation: WebSocketConversation,
        resume: str | None,
        call_limit: VoiceCallLimit,
        begin_uploads: BeginUploads | None,
    ) -> None:
        super().__init__(connections.write_coalescer, connections.read_turns)
        self._connections = connections
        self._backend = backend
        self._conversation = conversation
        self._resume = resume
        self._runner = TurnRunner(connections, conversation, backend, self, call_limit)
        self._begin_uploads = begin_uploads
        self._media: MediaTraffic | None = None
        self._deadlines: Deadlines | None = None
        self._limiter = ConnectionLimiter(
            connections.limits, connections.budget, connections.metrics
        )

    @property
    def session_count(self) -> int:
        """The number of sessions announced."""
        return self._conversation.session_count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._backend.close()
        if self._media:
            self._media.close()
        self._limiter.release()
        self._connections.closed(self)

    def turn_ended(self) -> None:
        """Called after the last frame of a turn: its message is answered."""
        self.received()

    def drain(self) -> None:
        """Close when all accepted messages are answered."""
        self.apply(self._conversation.drain())

    def opened(self) -> None:
        self._process(self._conversation.open(self._resume))

    def ended(self) -> None:
        self.apply(self._conversation.disconnected())

    def received_text(self, data: bytes) -> None:
        self._connections.metrics.messages_received.inc()
        try:
            size = len(data)
            self._limiter.admit(size, self.heard_at)
            text = data.decode()
            if size > LARGE:
                size = max(size, held_bytes(text))
            effects = self._conversation.receive(parse(text), size)
        except UnicodeDecodeError:
            self.fail(1007, "the frame is not UTF-8")
        except ConnectionAbuse as abuse:
            self.fail(abuse.code, abuse.reason)
        except FrameRefused as refused:
            self.apply(self._conversation.refuse(refused))
        else:
            self._process(effects)

    def received_idle_frame(self) -> None:
        try:
            self._limiter.admit_idle_frame(self.heard_at)
        except ConnectionAbuse as abuse:
            self.fail(abuse.code, abuse.reason)

    def received(self) -> None:
        if self._transport is None:
            # Its bytes are returned to the budget already.
            return
        unfinished = self.unfinished + (self._media.waiting if self._media else 0)
        try:
            self._limiter.received(unfinished, self._conversation.unanswered_bytes)
        except ConnectionAbuse as abuse:
            self.fail(abuse.code, abuse.reason)
            self._flush()

    def unread(self, size: int) -> None:
        if not self._limiter.unread(size):
            # A close frame would wait behind what the client does not read.
            self.abort()

    def received_binary(self, data: bytes) -> None:
        self._process(self._require_media().receive(data))

    def send(self, frame: bytes) -> None:
        """Send a text frame, and count it."""
        self._connections.sent += self.write_text(frame)

    def audio(self) -> AudioQueue:
        """Return the queue of call audio from the client."""
        return self._require_media().audio()

    def apply(self, effects: list[Effect]) -> None:
        """Execute effects. A job is only submitted: it starts when all effects are executed."""
        for effect in effects:
            if isinstance(effect, Send):
                self.send(effect.data)
            elif isinstance(effect, _JOBS):
                self._runner.submit(effect)
            else:
                self._apply_rare(effect)

    def _process(self, effects: list[Effect]) -> None:
        """Execute the effects of a message, then start the job that it has submitted."""
        self.apply(effects)
        self._runner.start()

    def _apply_rare(self, effect: RareEffect) -> None:
        match effect:
            case SendMedia():
                self._send_media(effect)
            case ClientToolResult():
                self._backend.send_tool_result(effect)
            case CancelTurn():
                self._backend.cancel()
            case Abandon():
                self._runner.abandon()
            case Close(code, reason):
                self.close(code, reason)
            case SetDeadline(call_id, seconds):
                if self._deadlines is None:
                    self._deadlines = Deadlines(self._deadline_passed)
                self._deadlines.set(call_id, seconds)
            case ClearDeadline(call_id):
                if self._deadlines:
                    self._deadlines.clear(call_id)
            case _:
                self.apply(self._require_media().apply(effect))

    def _send_media(self, effect: SendMedia) -> None:
        write = self.write_binary if effect.binary else self.write_text
        if write(effect.data):
            self._connections.sent += 1
            self._connections.metrics.voice.sent(effect.size, binary=effect.binary)

    def _require_media(self) -> MediaTraffic:
        if self._media is None:
            connections = self._connections
            self._media = MediaTraffic(
                self,
                self._conversation,
                self._backend,
                connections.metrics.voice,
                connections.limits,
                self._begin_uploads,
            )
        return self._media

    def _deadline_passed(self, call_id: str) -> None:
        self.apply(self._conversation.deadline_passed(call_id))
