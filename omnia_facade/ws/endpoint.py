"""The pump of one connection: socket to conversation, conversation to turns, and back."""

import asyncio
from collections.abc import Sequence
from typing import cast

import structlog
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.bearer import SUBPROTOCOL
from omnia_facade.turns.events import Done, ErrorCode, Failed, ToolAnswer, TurnEvent
from omnia_facade.turns.handler import Dialogue, Resume
from omnia_facade.ws import effects
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.effects import Effect
from omnia_facade.ws.framing import text_frame
from omnia_facade.ws.messages import Refused, parse

_log = structlog.get_logger()
OURS = Subprotocol(SUBPROTOCOL)
_BINARY = Refused(
    ErrorCode.INVALID_MESSAGE, "binary frames are not enabled; expected JSON in a text frame"
)


class _Protocol(ServerProtocol):
    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        # A token among the offers is never said back.
        return OURS if OURS in subprotocols else None


class Endpoint(asyncio.Protocol):
    """One WebSocket. A task exists only while a session is probed or a turn runs."""

    __slots__ = (
        "_connections",
        "_conversation",
        "_dialogue",
        "_fragments",
        "_job",
        "_resume",
        "_timers",
        "_transport",
        "_worker",
        "_writable",
        "_ws",
        "closing_since",
        "heard_at",
        "pinged_at",
    )

    def __init__(
        self,
        connections: Connections,
        dialogue: Dialogue,
        conversation: Conversation,
        resume: str | None,
    ) -> None:
        self._connections = connections
        self._dialogue = dialogue
        self._conversation = conversation
        self._resume = resume
        self._ws = _Protocol(max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] | None = None
        self._job: effects.Probe | effects.StartTurn | None = None
        self._worker: asyncio.Task[None] | None = None
        self._writable: asyncio.Event | None = None
        self._timers: dict[str, asyncio.TimerHandle] | None = None
        self.heard_at = self.pinged_at = asyncio.get_running_loop().time()
        self.closing_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._transport = None
        self.apply(self._conversation.disconnected())
        self._dialogue.close()
        self._connections.closed(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Frame):
                self._receive(event)
        self._flush()

    def eof_received(self) -> bool:
        self._ws.receive_eof()
        self._flush()
        return False

    def pause_writing(self) -> None:
        """Stop reading from both sides until the client has taken what was written."""
        self._writable = asyncio.Event()
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._writable:
            self._writable.set()
            self._writable = None
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def drain(self) -> None:
        """Close as soon as what was asked is answered."""
        self.apply(self._conversation.drain())

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        try:
            self._ws.send_close(code, reason)
        except InvalidState:
            return
        self.closing_since = asyncio.get_running_loop().time()
        self._flush()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport:
            self._transport.abort()

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        if self._ws.state is State.OPEN:
            self.pinged_at = asyncio.get_running_loop().time()
            self._ws.send_ping(b"")
            self._flush()

    def apply(self, todo: list[Effect]) -> None:
        """Do what the conversation decided."""
        for effect in todo:
            if isinstance(effect, effects.Send):
                self._write(effect.data)
            elif isinstance(effect, effects.Probe | effects.StartTurn):
                self._start(effect)
            else:
                self._apply_rare(effect)

    def _apply_rare(self, effect: Effect) -> None:
        match effect:
            case ToolAnswer():
                self._dialogue.answer(effect)
            case effects.CancelTurn():
                self._dialogue.cancel()
            case effects.Abandon():
                self._job = None
                if self._worker:
                    self._worker.cancel()
            case effects.Close(code, reason):
                self.close(code, reason)
            case SetDeadline(call_id, seconds):
                self._set_deadline(call_id, seconds)
            case ClearDeadline(call_id):
                self._clear_deadline(call_id)
            case _:
                raise AssertionError(effect)

    def _accept(self, request: Request) -> None:
        self._ws.send_response(self._ws.accept(request))
        self._flush()
        if self._ws.state is State.OPEN:
            self.apply(self._conversation.open(self._resume))

    def _receive(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            data = self._assemble(frame)
            if data is not None:
                self._receive_text(data)
        elif frame.opcode is Opcode.BINARY:
            # Its continuations are dropped: no fragments are being collected.
            self.apply(self._conversation.refuse(_BINARY))

    def _assemble(self, frame: Frame) -> bytes | None:
        """Return a whole message; the protocol has checked order and total size."""
        if frame.opcode is Opcode.TEXT and frame.fin:
            return bytes(frame.data)
        if frame.opcode is Opcode.TEXT:
            self._fragments = [bytes(frame.data)]
        elif self._fragments is not None:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole, self._fragments = b"".join(self._fragments), None
                return whole
        return None

    def _receive_text(self, data: bytes) -> None:
        self._connections.metrics.messages_received.inc()
        try:
            self.apply(self._conversation.receive(parse(data.decode())))
        except UnicodeDecodeError:
            self._ws.fail(1007, "the frame is not UTF-8")
        except Refused as refused:
            self.apply(self._conversation.refuse(refused))

    def _write(self, payload: bytes) -> None:
        if self._transport and self._ws.state is State.OPEN:
            self._transport.write(text_frame(payload))
            self._connections.sent += 1

    def _flush(self) -> None:
        for data in self._ws.data_to_send():
            if self._transport is None or self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                # Half-close: cutting a client off while it still sends would cost it the reason.
                self.closing_since = asyncio.get_running_loop().time()
                self._transport.write_eof()
                self.apply(self._conversation.disconnected())

    def _start(self, job: effects.Probe | effects.StartTurn) -> None:
        self._job = job
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while (job := self._job) is not None:
                self._job = None
                if isinstance(job, effects.Probe):
                    self.apply(self._conversation.probed(await self._probe(job.session_id)))
                else:
                    await self._turn(job)
        finally:
            self._worker = None

    async def _probe(self, session_id: str) -> Resume:
        try:
            return await self._dialogue.probe(session_id)
        except Exception:  # noqa: BLE001 - the client is told, and may try again
            _log.exception("probe crashed", session_id=session_id)
            return Resume.UNAVAILABLE

    async def _turn(self, job: effects.StartTurn) -> None:
        turn = self._connections.turn_started()
        events = self._dialogue.turn(job.request)
        last: TurnEvent | None = None
        try:
            async for event in events:
                last = event
                self.apply(self._conversation.event(job.number, event))
                if isinstance(event, Done | Failed):
                    break
                if self._writable:
                    await self._writable.wait()
        except Exception:  # noqa: BLE001 - a turn that crashes ends in an error frame
            _log.exception("turn crashed", session_id=job.request.session_id)
        finally:
            await events.aclose()
            self._connections.turn_ended(turn, success=isinstance(last, Done))
        self.apply(self._conversation.turn_ended(job.number))

    def _set_deadline(self, call_id: str, seconds: float) -> None:
        self._clear_deadline(call_id)
        timers = self._timers = self._timers or {}
        loop = asyncio.get_running_loop()
        timers[call_id] = loop.call_later(seconds, self._deadline, call_id)

    def _clear_deadline(self, call_id: str) -> None:
        timer = self._timers.pop(call_id, None) if self._timers else None
        if timer:
            timer.cancel()

    def _deadline(self, call_id: str) -> None:
        self._clear_deadline(call_id)
        self.apply(self._conversation.deadline(call_id))
