"""Length-prefixed gRPC messages: framing, buffering and decompression (gRPC over HTTP/2)."""

import zlib
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import TypeAlias

from omnia_rpc.headers import RpcFailed, StatusCode

# The compressed flag and the length, before each message.
PREFIX_BYTES = 5
_read_prefix = Struct(">BI").unpack_from
_write_prefix = Struct(">BI").pack
GZIP = "gzip"
IDENTITY = "identity"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

MessageConsumer: TypeAlias = Callable[[bytes], bool]
"""Called with a message as soon as it is received; True: it is consumed. Must not raise."""


def with_prefix(message: bytes) -> bytes:
    """Return a message with its prefix, as it is sent."""
    return _write_prefix(0, len(message)) + message


class MessageBuffer:
    """Received messages of a call that were not read yet.

    The stream's flow-control window bounds what is kept, except for one message larger than it.
    The methods return the number of bytes whose credit may go back to the sender.

    Attributes:
        encoding: the compression of messages whose compressed flag is set, as the peer named it.
    """

    __slots__ = ("_limit", "_partial", "_partial_size", "_ready", "_uncredited", "encoding")

    def __init__(self, limit: int) -> None:
        """`limit` is the size of the largest message, in bytes."""
        self.encoding = IDENTITY
        self._limit = limit
        # The beginning of a message, and the size at which it has to be looked at again.
        self._partial = bytearray()
        self._partial_size = 0
        # How many bytes of the partial message have no credit returned yet.
        self._uncredited = 0
        # Plain messages, and those that need further processing, with their state.
        self._ready: deque[bytes | _SpecialMessage] = deque()

    def __bool__(self) -> bool:
        return bool(self._ready)

    @property
    def first_bytes(self) -> int | None:
        """The size of the first message by its prefix; None before that has arrived."""
        if self._ready:
            first = self._ready[0]
            return len(first if isinstance(first, bytes) else first.message)
        if len(self._partial) < PREFIX_BYTES:
            return None
        size: int = _read_prefix(self._partial)[1]
        return size

    @property
    def is_incomplete(self) -> bool:
        """Whether the received data ends inside a message."""
        return bool(self._partial)

    def receive(self, data: bytes, consumer: MessageConsumer | None = None) -> int:
        """Add received data; return how many bytes may be credited to the sender at once.

        Messages that `consumer` consumes are not kept. From the first one that it does not
        consume, all are kept.

        Raises:
            RpcFailed: a message is too large.
        """
        if not self._partial:
            return self._split(data, 0, None if self._ready else consumer)
        self._partial += data
        if len(self._partial) < self._partial_size:
            return self._hold(len(data))
        credited = len(self._partial) - len(data) - self._uncredited
        whole, self._partial, self._uncredited = bytes(self._partial), bytearray(), 0
        return self._split(whole, credited, None if self._ready else consumer)

    def pop(self) -> tuple[bytes, int]:
        """Return the next message, and how many bytes may be credited to the sender.

        Raises:
            RpcFailed: the message cannot be decompressed.
        """
        item = self._ready.popleft()
        if self._ready:
            credit = 0
        else:
            # The reader now waits for the rest of the partial message.
            credit, self._uncredited = self._uncredited, 0
        if isinstance(item, bytes):
            return item, len(item) + PREFIX_BYTES + credit
        message = self._decompressed(item.message) if item.compressed else item.message
        return message, item.credit + credit

    def clear(self) -> None:
        """Discard everything."""
        self._ready.clear()
        self._partial.clear()
        self._uncredited = 0

    def _split(self, data: bytes, credited: int, consumer: MessageConsumer | None) -> int:
        """Split data into messages; the first `credited` bytes are credited already."""
        position, size, credit = 0, len(data), 0
        while size - position >= PREFIX_BYTES:
            start = position + PREFIX_BYTES
            compressed, length = _read_prefix(data, position)
            if length > self._limit:
                raise RpcFailed(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"a message of {length} bytes; at most {self._limit} are accepted",
                )
            end = start + length
            if end > size:
                break
            message, cost = data[start:end], end - position
            item: bytes | _SpecialMessage = message
            if compressed or credited:
                cost, credited = max(0, cost - credited), 0
                item = _SpecialMessage(message, cost, bool(compressed))
            if consumer and not compressed and consumer(message):
                credit += cost
            else:
                consumer = None
                self._ready.append(item)
            position = end
        rest = size - position
        if not rest:
            return credit
        self._partial += data[position:]
        self._partial_size = PREFIX_BYTES + length if rest >= PREFIX_BYTES else PREFIX_BYTES
        return credit + self._hold(rest - credited)

    def _hold(self, size: int) -> int:
        """Keep bytes of a partial message; return how many may be credited at once.

        A message may be larger than the window, so one that the reader waits for is credited
        while it arrives.
        """
        if self._ready:
            self._uncredited += size
            return 0
        return size

    def _decompressed(self, message: bytes) -> bytes:
        if self.encoding != GZIP:
            raise RpcFailed(
                StatusCode.UNIMPLEMENTED,
                f"a message compressed with {self.encoding[:32]}; expected gzip",
            )
        decompressor = zlib.decompressobj(_GZIP_WINDOW)
        try:
            whole = decompressor.decompress(message, self._limit)
        except zlib.error as error:
            raise RpcFailed(StatusCode.INTERNAL, "a message is not valid gzip") from error
        if decompressor.unconsumed_tail:
            raise RpcFailed(
                StatusCode.RESOURCE_EXHAUSTED,
                f"a message that decompresses to more than {self._limit} bytes",
            )
        if not decompressor.eof:
            raise RpcFailed(StatusCode.INTERNAL, "the gzip data of a message is truncated")
        return whole


class _SpecialMessage:
    """A message that is compressed, or whose beginning is credited to the sender already."""

    __slots__ = ("compressed", "credit", "message")

    def __init__(self, message: bytes, credit: int, compressed: bool) -> None:
        self.message = message
        self.credit = credit
        self.compressed = compressed
