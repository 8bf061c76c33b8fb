"""The bytes of a WebSocket: handshake, server frames, fragmented messages, joined writes."""

import asyncio
from collections.abc import Sequence
from struct import Struct
from typing import Protocol

import structlog
from websockets.exceptions import InvalidMessage
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.tokens import SUBPROTOCOL
from omnia_facade.entrance.errors import HttpError, response_bytes

OMNIA_SUBPROTOCOL = Subprotocol(SUBPROTOCOL)
_MALFORMED_UPGRADE = response_bytes(
    HttpError(400, "bad_request", "the upgrade does not follow RFC 6455")
)
# The sizes from which a frame header needs a longer length field (RFC 6455, section 5.2).
_SHORT = 126
_MEDIUM = 65536
_medium_header = Struct(">BBH").pack

_log = structlog.get_logger()


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
