"""A WebSocket on an asyncio transport: handshake, frames, closing, and flow control."""

import asyncio
from collections.abc import Sequence
from struct import Struct
from typing import Protocol, cast

import structlog
from websockets.exceptions import InvalidMessage, InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from omnia_core.http.errors import HttpError, response_bytes
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.tokens import SUBPROTOCOL
from omnia_facade.ws.inbound_limits import ReadPause

OMNIA_SUBPROTOCOL = Subprotocol(SUBPROTOCOL)
_MALFORMED_UPGRADE = response_bytes(
    HttpError(400, "bad_request", "the upgrade does not follow RFC 6455")
)
# The sizes from which a frame header needs a longer length field (RFC 6455, section 5.2).
_SHORT = 126
_MEDIUM = 65536
_medium_header = Struct(">BBH").pack

_log = structlog.get_logger()


class WebSocket(asyncio.Protocol):
    """Subclasses process the messages. No task, and little memory while idle.

    Attributes:
        unwritten: set when the client has read what was written; None while it keeps up.
        heard_at: loop time of the last data from the client.
        pinged_at: loop time of the last ping.
        closing_since: loop time at which this side began to close; None before.
    """

    __slots__ = (
        "_coalescer",
        "_failed",
        "_fragments",
        "_pauses",
        "_pieces",
        "_transport",
        "_ws",
        "closing_since",
        "heard_at",
        "pinged_at",
        "unwritten",
    )

    def __init__(self, coalescer: "WriteCoalescer") -> None:
        self._ws = OmniaProtocol()
        self._transport: asyncio.Transport | None = None
        self._coalescer = coalescer
        self._pieces: list[bytes] | None = None
        self._fragments: FragmentedMessage | None = None
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
        return len(self._ws.reader.buffer) + (self._fragments.size if self._fragments else 0)

    def opened(self) -> None:
        """Called when the handshake is complete."""
        raise NotImplementedError

    def received_text(self, data: bytes) -> None:
        """Process a text message."""
        raise NotImplementedError

    def received_binary(self, data: bytes) -> None:
        """Process a binary message."""
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
        """Stop reading from client and backend until the client has read what was written."""
        self.unwritten = asyncio.Event()
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.unwritten:
            self.unwritten.set()
            self.unwritten = None
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

    def _write(self, data: bytes) -> None:
        if self._pieces is None:
            self._pieces = [data]
            self._coalescer.add(self)
        else:
            self._pieces.append(data)

    def _resume_if_free(self) -> None:
        free = self._pauses == 0 and self.unwritten is None
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
                self._fragments = FragmentedMessage(data, binary=binary)
                return
        elif frame.opcode is Opcode.CONT and self._fragments:
            self._fragments.add(data)
            if not frame.fin:
                return
            binary, data = self._fragments.binary, self._fragments.join()
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
                # Half-close: a client that still sends must be able to read the close reason.
                self.closing_since = asyncio.get_running_loop().time()
                self._transport.write_eof()
                self.ended()


class OmniaProtocol(ServerProtocol):
    """RFC 6455 without I/O, with our subprotocol and maximum message size."""

    def __init__(self) -> None:
        super().__init__(max_size=MAX_MESSAGE_BYTES)

    def send_eof(self) -> None:
        if isinstance(self.handshake_exc, InvalidMessage):
            # The library sends no response to a malformed upgrade.
            self.writes.append(_MALFORMED_UPGRADE)
        super().send_eof()

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        # A client may offer its token as a subprotocol; the response must not contain it.
        return OMNIA_SUBPROTOCOL if OMNIA_SUBPROTOCOL in subprotocols else None


def text_frame(payload: bytes) -> bytes:
    """Return a text frame: unmasked, final, uncompressed.

    It is several times cheaper than the library's general serializer.
    """
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _MEDIUM:
        return _medium_header(0x81, 126, size) + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def binary_header(size: int) -> bytes:
    """Return the header of a binary frame with a payload of `size` bytes."""
    if size < _SHORT:
        return bytes((0x82, size))
    if size < _MEDIUM:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")


class FragmentedMessage:
    """A message that arrives in several frames; the library has checked their order and size.

    Attributes:
        binary: whether it is a binary message.
        size: of the fragments so far, in bytes.
    """

    __slots__ = ("_fragments", "binary", "size")

    def __init__(self, first: bytes, *, binary: bool) -> None:
        self.binary = binary
        self.size = len(first)
        self._fragments = [first]

    def add(self, fragment: bytes) -> None:
        """Append the next fragment."""
        self._fragments.append(fragment)
        self.size += len(fragment)

    def join(self) -> bytes:
        """Return the message."""
        return b"".join(self._fragments)


class Writer(Protocol):
    """A socket with frames to write."""

    def write_out(self) -> None:
        """Write the frames to the transport."""

    def abort(self) -> None:
        """Cut the connection."""


class WriteCoalescer:
    """Writes the frames of all sockets once per event loop round: a write costs 3 µs."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Writer] = []

    def add(self, writer: Writer) -> None:
        """Have `writer` write at the end of this round."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._waiting.append(writer)

    def _write_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            try:
                writer.write_out()
            except Exception:  # noqa: BLE001 - the other sockets must still be written
                _log.exception("writing to a client failed")
                # The client would miss frames without noticing.
                writer.abort()
