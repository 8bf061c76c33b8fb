"""Messages in a body: five bytes of prefix and the message (gRPC over HTTP/2, section Requests)."""

import zlib
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import TypeAlias

from omnia_rpc.status import RpcFailed, StatusCode

PREFIX = 5
_read_prefix = Struct(">BI").unpack_from
_write_prefix = Struct(">BI").pack
GZIP = "gzip"
IDENTITY = "identity"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

Take: TypeAlias = Callable[[bytes], bool]
"""Is offered a message the moment it is here, and says whether it has taken it. Must not raise."""


def prefixed(message: bytes) -> bytes:
    """Return a message as it stands in a body."""
    return _write_prefix(0, len(message)) + message


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

    def feed(self, data: bytes, take: Take | None = None) -> int:
        """Take data, and return of how many bytes the place is free again at once.

        Messages that `take` takes are not kept; from the first that it leaves on, all are.

        Raises:
            RpcFailed: a message is too large.
        """
        if not self._part:
            return self._split(data, 0, None if self._ready else take)
        self._part += data
        if len(self._part) < self._needed:
            return self._hold(len(data))
        freed = len(self._part) - len(data) - self._held
        whole, self._part, self._held = bytes(self._part), bytearray(), 0
        return self._split(whole, freed, None if self._ready else take)

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

    def _split(self, data: bytes, freed: int, take: Take | None) -> int:
        """Find the messages; the place of the first `freed` bytes is free already."""
        position, size, taken = 0, len(data), 0
        while size - position >= PREFIX:
            start = position + PREFIX
            compressed, length = _read_prefix(data, position)
            if length > self._limit:
                raise RpcFailed(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"a message of {length} bytes; at most {self._limit} are taken",
                )
            end = start + length
            if end > size:
                break
            message, place = data[start:end], end - position
            item: bytes | _Special = message
            if compressed or freed:
                place, freed = max(0, place - freed), 0
                item = _Special(message, place, bool(compressed))
            if take and not compressed and take(message):
                taken += place
            else:
                take = None
                self._ready.append(item)
            position = end
        rest = size - position
        if not rest:
            return taken
        self._part += data[position:]
        self._needed = PREFIX + length if rest >= PREFIX else PREFIX
        return taken + self._hold(rest - freed)

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
