"""A WebSocket on an asyncio transport: handshake, messages, closing, and flow control."""

import asyncio
from typing import cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from omnia_facade.ws.inbound_limits import ReadPause
from omnia_facade.ws.protocol import OmniaProtocol, binary_header, text_frame
from omnia_facade.ws.rounds import ReadTurns, WriteCoalescer

# A socket that has received so many bytes at once waits for its next turn before it reads more:
# the event loop would read megabytes of it before it comes to the other sockets.
TURN_BYTES = 64 * 1024
# Larger frames are written at once, so that a client that does not read is noticed before the
# next message is answered.
LARGE_FRAME = 64 * 1024
# Fragments that are smaller are charged like control frames: they cost more than their bytes.
SMALL_FRAGMENT = 512


class WebSocket(asyncio.Protocol):
    """Subclasses process the messages. No task, and little memory while idle.

    Attributes:
        unwritten: set when the client has read what was written; None while it keeps up.
        heard_at: loop time of the last data from the client.
        pinged_at: loop time of the last ping.
        closing_since: loop time at which this side began to close; None before.
    """

    __slots__ = (
        "_binary",
        "_coalescer",
        "_failed",
        "_fragments",
        "_pauses",
        "_pieces",
        "_transport",
        "_turns",
        "_ws",
        "closing_since",
        "heard_at",
        "pinged_at",
        "unwritten",
    )

    def __init__(self, coalescer: WriteCoalescer, turns: ReadTurns) -> None:
        self._ws = OmniaProtocol()
        self._transport: asyncio.Transport | None = None
        self._coalescer = coalescer
        self._turns = turns
        self._pieces: list[bytes] | None = None
        # One buffer: a list of small fragments would take many times their bytes.
        self._fragments: bytearray | None = None
        self._binary = False
        self._pauses = 0
        self._failed = False
        self.unwritten: asyncio.Event | None = None
        self.heard_at = self.pinged_at = asyncio.get_running_loop().time()
        self.closing_since: float | None = None

    @property
    def unsent(self) -> int:
        """Bytes that were sent, and not accepted by the operating system."""
        waiting = sum(map(len, self._pieces or ()))
        return waiting + (self._transport.get_write_buffer_size() if self._transport else 0)

    @property
    def unfinished(self) -> int:
        """Received bytes of a message that is not complete."""
        return self._ws.buffered + len(self._fragments or b"")

    def opened(self) -> None:
        """Called when the handshake is complete."""
        raise NotImplementedError

    def received_text(self, data: bytes) -> None:
        """Process a text message."""
        raise NotImplementedError

    def received_binary(self, data: bytes) -> None:
        """Process a binary message."""
        raise NotImplementedError

    def received_idle_frame(self) -> None:
        """Process a control frame, or a fragment of less than `SMALL_FRAGMENT` bytes."""
        raise NotImplementedError

    def received(self) -> None:
        """Called when received data was handled."""
        raise NotImplementedError

    def unread(self, size: int) -> None:
        """Called while writing is paused: the client has not read `size` bytes, 0 in the end."""
        raise NotImplementedError

    def ended(self) -> None:
        """Called once or twice when no more messages can be sent or received."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._transport = None
        self.ended()

    def data_received(self, data: bytes) -> None:
        self._handle(data)

    def take_turn(self) -> None:
        """Handle frames that were received, or read more, unless there is a reason to pause."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self._may_read(ReadPause.TURN):
            return
        self._pauses &= ~ReadPause.TURN
        if self._ws.turn_over:
            self._handle(b"")
        self._resume_if_free()

    def eof_received(self) -> bool:
        self._ws.end()
        self._flush()
        return False

    def pause_writing(self) -> None:
        """Stop reading from client and backend until the client has read what was written."""
        self.unwritten = asyncio.Event()
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.unwritten:
            self.unwritten.set()
            self.unwritten = None
            self.unread(0)
        self._resume_if_free()

    def pause_reading(self, reason: ReadPause) -> None:
        """Stop reading until `resume_reading` with the same reason."""
        self._pauses |= reason
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self, reason: ReadPause) -> None:
        """Continue reading, unless there is another reason to pause."""
        if self._pauses & reason:
            self._pauses &= ~reason
            self._resume_if_free()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        try:
            self._ws.send_close(code, reason)
        except InvalidState:
            return
        self.closing_since = asyncio.get_running_loop().time()
        self._flush()

    def fail(self, code: int, reason: str) -> None:
        """Close because the client violated the protocol; frames that follow are ignored."""
        self._failed = True
        self._ws.fail(code, reason)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport:
            self._transport.abort()

    def ping(self) -> None:
        """Send a ping."""
        if self._ws.state is State.OPEN:
            self.pinged_at = asyncio.get_running_loop().time()
            self._ws.send_ping(b"")
            self._flush()

    def write_text(self, payload: bytes) -> bool:
        """Send a text message; False if the connection is not open."""
        if self._transport is None or self._ws.state is not State.OPEN:
            return False
        self._write(text_frame(payload))
        return True

    def write_binary(self, payload: bytes) -> bool:
        """Send a binary message; False if the connection is not open."""
        if self._transport is None or self._ws.state is not State.OPEN:
            return False
        self._write(binary_header(len(payload)) + payload)
        return True

    def write_out(self) -> None:
        """Write the frames of this event loop round to the transport."""
        pieces, self._pieces = self._pieces, None
        if pieces and self._transport and not self._transport.is_closing():
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            if self.unwritten:
                self.unread(self.unsent)

    def _write(self, data: bytes) -> None:
        if self._pieces is None:
            self._pieces = [data]
            self._coalescer.add(self)
        else:
            self._pieces.append(data)
        if len(data) >= LARGE_FRAME:
            self.write_out()

    def _handle(self, data: bytes) -> None:
        """Handle received frames, at most those of a turn."""
        self.heard_at = asyncio.get_running_loop().time()
        self._ws.take_turn(data)
        for event in self._ws.events_received():
            if self._failed:
                break
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Frame):
                self._receive(event)
        self._flush()
        self.received()
        if self._ws.turn_over or len(data) >= TURN_BYTES:
            self.pause_reading(ReadPause.TURN)
            self._resume_if_free()

    def _may_read(self, reason: ReadPause) -> bool:
        """Whether there is no other reason to pause."""
        return self._pauses & ~reason == 0 and self.unwritten is None

    def _resume_if_free(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or not self._may_read(ReadPause.TURN):
            return
        if self._pauses:
            self._turns.add(self)
        else:
            transport.resume_reading()

    def _accept(self, request: Request) -> None:
        self._ws.send_response(self._ws.accept(request))
        self._flush()
        if self._ws.state is State.OPEN:
            self.opened()

    def _receive(self, frame: Frame) -> None:
        opcode, data = frame.opcode, bytes(frame.data)
        # The library's parser refers to this frame until it has read the next one.
        frame.data = b""
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._receive_message(data, binary=opcode is Opcode.BINARY)
                return
            self._fragments, self._binary = bytearray(data), opcode is Opcode.BINARY
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += data
            if frame.fin:
                message, self._fragments = bytes(self._fragments), None
                self._receive_message(message, binary=self._binary)
        if len(data) < SMALL_FRAGMENT:
            self.received_idle_frame()

    def _receive_message(self, data: bytes, *, binary: bool) -> None:
        if binary:
            self.received_binary(data)
        else:
            self.received_text(data)

    def _flush(self) -> None:
        for data in self._ws.data_to_send():
            if data:
                self._write(data)
                continue
            self.write_out()
            self._fragments = None
            if self._transport and not self._transport.is_closing():
                # Half-close: a client that still sends must be able to read the close reason.
                self.closing_since = asyncio.get_running_loop().time()
                self._transport.write_eof()
                self.ended()
