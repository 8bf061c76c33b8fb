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

    __slots__ = ("_limit", "_part", "_ready", "encoding")

    def __init__(self, limit: int) -> None:
        """`limit` is the size of the largest message, in bytes."""
        self.encoding = IDENTITY
        self._limit = limit
        self._part = bytearray()
        # A message that filled its frame, or (message, bytes to be consumed with it, compressed).
        self._ready: deque[bytes | tuple[bytes, int, bool]] = deque()

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
        size = len(data)
        if (
            not self._part
            and size >= PREFIX
            and not data[0]
            and int.from_bytes(data[1:PREFIX], "big") == size - PREFIX
            and size <= self._limit
        ):
            self._ready.append(data)
            return 0
        self._part += data
        messages, rest = self._whole()
        if not messages:
            return size
        held = max(0, size - rest)
        last = len(messages) - 1
        for number, (message, compressed) in enumerate(messages):
            self._ready.append((message, held if number == last else 0, compressed))
        return size - held

    def take(self) -> tuple[bytes, int]:
        """Return the next message, and how many bytes' place is free again.

        Raises:
            RpcFailed: it cannot be decompressed.
        """
        item = self._ready.popleft()
        if isinstance(item, bytes):
            return item[PREFIX:], len(item)
        message, held, compressed = item
        return (self._inflated(message) if compressed else message), held

    def clear(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._part.clear()

    def _whole(self) -> tuple[list[tuple[bytes, bool]], int]:
        """Return the messages that are complete, and how many bytes remain."""
        part, position, size = self._part, 0, len(self._part)
        messages: list[tuple[bytes, bool]] = []
        while size - position >= PREFIX:
            length = int.from_bytes(part[position + 1 : position + PREFIX], "big")
            if length > self._limit:
                raise RpcFailed(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"a message of {length} bytes; at most {self._limit} are taken",
                )
            end = position + PREFIX + length
            if end > size:
                break
            messages.append((bytes(part[position + PREFIX : end]), bool(part[position])))
            position = end
        if position:
            del part[:position]
        return messages, size - position

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
