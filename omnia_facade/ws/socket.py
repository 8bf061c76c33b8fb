"""One WebSocket as bytes: the handshake, frames into whole messages, the close, the brakes."""

import asyncio
from typing import cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from omnia_facade.ws.brake import Brake
from omnia_facade.ws.fragments import Fragments
from omnia_facade.ws.framing import binary_header, text_frame
from omnia_facade.ws.handshake import OmniaProtocol
from omnia_facade.ws.outgoing import Outgoing


class WebSocket(asyncio.Protocol):
    """A subclass says what messages mean. No task, and nothing that an idle one need not keep.

    Attributes:
        unwritten: set when the client has taken what was written; None while it keeps up.
        heard_at: loop time.
        pinged_at: loop time.
        closing_since: loop time at which this side began to close, None before.
    """

    __slots__ = (
        "_brakes",
        "_failed",
        "_fragments",
        "_outgoing",
        "_pieces",
        "_transport",
        "_ws",
        "closing_since",
        "heard_at",
        "pinged_at",
        "unwritten",
    )

    def __init__(self, outgoing: Outgoing) -> None:
        self._ws = OmniaProtocol()
        self._transport: asyncio.Transport | None = None
        self._outgoing = outgoing
        self._pieces: list[bytes] | None = None
        self._fragments: Fragments | None = None
        self._brakes = 0
        self._failed = False
        self.unwritten: asyncio.Event | None = None
        self.heard_at = self.pinged_at = asyncio.get_running_loop().time()
        self.closing_since: float | None = None

    @property
    def unsent(self) -> int:
        """Bytes that were sent, and that the system has not taken."""
        waiting = sum(map(len, self._pieces or ()))
        return waiting + (self._transport.get_write_buffer_size() if self._transport else 0)

    @property
    def unfinished(self) -> int:
        """Bytes that came of a message that is not whole."""
        return len(self._ws.reader.buffer) + (self._fragments.size if self._fragments else 0)

    def opened(self) -> None:
        """Learn that the handshake is complete."""
        raise NotImplementedError

    def received_text(self, data: bytes) -> None:
        """Take a text message."""
        raise NotImplementedError

    def received_binary(self, data: bytes) -> None:
        """Take a binary message."""
        raise NotImplementedError

    def ended(self) -> None:
        """Learn that no message can be sent or received any more; told once or twice."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._transport = None
        self.ended()

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if self._failed:
                break
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
        self.unwritten = asyncio.Event()
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.unwritten:
            self.unwritten.set()
            self.unwritten = None
        self._read_on()

    def brake(self, brake: Brake) -> None:
        """Stop reading until this is released."""
        self._brakes |= brake
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def release(self, brake: Brake) -> None:
        """Read on, unless something else forbids it."""
        if self._brakes & brake:
            self._brakes &= ~brake
            self._read_on()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        try:
            self._ws.send_close(code, reason)
        except InvalidState:
            return
        self.closing_since = asyncio.get_running_loop().time()
        self._flush()

    def fail(self, code: int, reason: str) -> None:
        """Close because the client broke the protocol; what follows is not read."""
        self._failed = True
        self._ws.fail(code, reason)

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

    def write_text(self, payload: bytes) -> bool:
        """Send a text message; False when the connection is no longer open."""
        if self._transport is None or self._ws.state is not State.OPEN:
            return False
        self._write(text_frame(payload))
        return True

    def write_binary(self, payload: bytes) -> bool:
        """Send a binary message; False when the connection is no longer open."""
        if self._transport is None or self._ws.state is not State.OPEN:
            return False
        self._write(binary_header(len(payload)) + payload)
        return True

    def _write(self, data: bytes) -> None:
        """Write together what is said in one round of the event loop: one write costs 3 µs."""
        if self._pieces is None:
            self._pieces = [data]
            self._outgoing.add(self)
        else:
            self._pieces.append(data)

    def write_out(self) -> None:
        """Write what was said in this round."""
        pieces, self._pieces = self._pieces, None
        if pieces and self._transport and not self._transport.is_closing():
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _read_on(self) -> None:
        free = self._brakes == 0 and self.unwritten is None
        if free and self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _accept(self, request: Request) -> None:
        self._ws.send_response(self._ws.accept(request))
        self._flush()
        if self._ws.state is State.OPEN:
            self.opened()

    def _receive(self, frame: Frame) -> None:
        data = bytes(frame.data)
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            binary = frame.opcode is Opcode.BINARY
            if not frame.fin:
                self._fragments = Fragments(data, binary=binary)
                return
        elif frame.opcode is Opcode.CONT and self._fragments:
            self._fragments.add(data)
            if not frame.fin:
                return
            binary, data = self._fragments.binary, self._fragments.whole()
            self._fragments = None
        else:
            return
        if binary:
            self.received_binary(data)
        else:
            self.received_text(data)

    def _flush(self) -> None:
        for data in self._ws.data_to_send():
            self.write_out()
            if self._transport is None or self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                # Half-close: cutting a client off while it still sends would cost it the reason.
                self.closing_since = asyncio.get_running_loop().time()
                self._transport.write_eof()
                self.ended()
