"""Messages in a body: five bytes of prefix and the message (gRPC over HTTP/2, section Requests)."""

import zlib
from collections import deque

from omnia_core.rpc.status import RpcFailed, StatusCode

PREFIX = 5
GZIP = "gzip"
IDENTITY = "identity"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def prefixed(message: bytes) -> bytes:
    """Return a message as it stands in a body."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


class Inbox:
    """Messages that have come and were not read.

    What is kept is bounded by the stream's window and by one message in parts.

    Attributes:
        encoding: how compressed messages are compressed, as the peer says.
    """

    __slots__ = ("_held", "_limit", "_needed", "_part", "_ready", "encoding")

    def __init__(self, limit: int) -> None:
        """`limit` is the size of the largest message, in bytes."""
        self.encoding = IDENTITY
        self._limit = limit
        # The beginning of a message, and how long it has to be to say more.
        self._part = bytearray()
        self._needed = 0
        # How many of its bytes still take place in the window.
        self._held = 0
        # Messages; those that are compressed or came in parts with what is told of them.
        self._ready: deque[bytes | _Special] = deque()

    def __bool__(self) -> bool:
        return bool(self._ready)

    @property
    def broken_off(self) -> bool:
        """Whether the body ended inside a message."""
        return bool(self._part)

    def feed(self, data: bytes) -> int:
        """Take data, and return of how many bytes the place is free again at once.

        Raises:
            RpcFailed: a message is too large.
        """
        if not self._part:
            return self._split(data, 0)
        self._part += data
        if len(self._part) < self._needed:
            return self._hold(len(data))
        freed = len(self._part) - len(data) - self._held
        whole, self._part, self._held = bytes(self._part), bytearray(), 0
        return self._split(whole, freed)

    def take(self) -> tuple[bytes, int]:
        """Return the next message, and how many bytes' place is free again.

        Raises:
            RpcFailed: it cannot be decompressed.
        """
        item = self._ready.popleft()
        if self._ready:
            free = 0
        else:
            # Somebody waits for the rest of what there is only a part of.
            free, self._held = self._held, 0
        if isinstance(item, bytes):
            return item, len(item) + PREFIX + free
        message = self._inflated(item.message) if item.compressed else item.message
        return message, item.held + free

    def clear(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._part.clear()
        self._held = 0

    def _split(self, data: bytes, freed: int) -> int:
        """Find the messages; the place of the first `freed` bytes is free already."""
        position, size = 0, len(data)
        while size - position >= PREFIX:
            start = position + PREFIX
            length = int.from_bytes(data[position + 1 : start], "big")
            if length > self._limit:
                raise RpcFailed(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"a message of {length} bytes; at most {self._limit} are taken",
                )
            end = start + length
            if end > size:
                break
            if data[position] or freed:
                held = max(0, end - position - freed)
                self._ready.append(_Special(data[start:end], held, bool(data[position])))
                freed = 0
            else:
                self._ready.append(data[start:end])
            position = end
        rest = size - position
        if not rest:
            return 0
        self._part += data[position:]
        self._needed = PREFIX + length if rest >= PREFIX else PREFIX
        return self._hold(rest - freed)

    def _hold(self, size: int) -> int:
        """Keep bytes of a part; return of how many the place is free again at once.

        A message may be larger than the window, so a part that somebody waits for takes no place.
        """
        if self._ready:
            self._held += size
            return 0
        return size

    def _inflated(self, message: bytes) -> bytes:
        if self.encoding != GZIP:
            raise RpcFailed(
                StatusCode.UNIMPLEMENTED,
                f"a message compressed with {self.encoding[:32]}; expected gzip",
            )
        inflate = zlib.decompressobj(_GZIP_WINDOW)
        try:
            whole = inflate.decompress(message, self._limit)
        except zlib.error as error:
            raise RpcFailed(StatusCode.INTERNAL, "a message is not gzip") from error
        if inflate.unconsumed_tail:
            raise RpcFailed(
                StatusCode.RESOURCE_EXHAUSTED,
                f"a message that unpacks to more than {self._limit} bytes",
            )
        if not inflate.eof:
            raise RpcFailed(StatusCode.INTERNAL, "a message breaks off inside its gzip")
        return whole


class _Special:
    """A message that is compressed, or the place of whose beginning is free already."""

    __slots__ = ("compressed", "held", "message")

    def __init__(self, message: bytes, held: int, compressed: bool) -> None:
        self.message = message
        self.held = held
        self.compressed = compressed
