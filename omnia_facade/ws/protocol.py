"""RFC 6455 without I/O: the library's parser with our limits, and frames to send."""

from collections.abc import Generator, Sequence
from struct import Struct

from websockets.exceptions import InvalidMessage
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import Subprotocol

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.tokens import SUBPROTOCOL
from omnia_facade.entrance.errors import HttpError, response_bytes

OMNIA_SUBPROTOCOL = Subprotocol(SUBPROTOCOL)
# A frame costs the library about 4 µs, so that a turn of the smallest frames takes 0.3 ms.
FRAMES_PER_TURN = 64

_MALFORMED_UPGRADE = response_bytes(
    HttpError(400, "bad_request", "the upgrade does not follow RFC 6455")
)
# The sizes from which a frame header needs a longer length field (RFC 6455, section 5.2).
_SHORT = 126
_MEDIUM = 65536
_medium_header = Struct(">BBH").pack


class FrameReader(StreamReader):
    """Stops the parser after some frames; what follows stays in the buffer.

    Attributes:
        frames_left: how many frames the parser may still begin.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames_left = FRAMES_PER_TURN

    def at_eof(self) -> Generator[None, None, bool]:
        """Wait until another frame may begin; True at the end of the stream."""
        # The parser asks this before each frame, and continues when it is given data again.
        while True:
            if not self.buffer:
                if self.eof:
                    return True
            elif self.frames_left > 0:
                self.frames_left -= 1
                return False
            yield


class OmniaProtocol(ServerProtocol):
    """The library's server, with our subprotocol and maximum message size, parsing in turns."""

    def __init__(self) -> None:
        super().__init__(max_size=MAX_MESSAGE_BYTES)

    @property
    def buffered(self) -> int:
        """Received bytes that are not parsed, or belong to a frame that is not complete."""
        return len(self.reader.buffer)

    @property
    def turn_over(self) -> bool:
        """Whether frames may be left in the buffer because the turn has had its number."""
        return self._frames.frames_left <= 0 and bool(self._frames.buffer)

    def parse(self) -> Generator[None]:
        # The base class calls this once, when it is constructed: nothing was read yet.
        self.reader = self._frames = FrameReader()
        return super().parse()

    def take_turn(self, data: bytes) -> None:
        """Parse received data, and what earlier turns have left, up to the number of a turn."""
        self._frames.frames_left = FRAMES_PER_TURN
        self.receive_data(data)

    def end(self) -> None:
        """Process the end of what the client sends."""
        self._frames.frames_left = FRAMES_PER_TURN
        self.receive_eof()

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
