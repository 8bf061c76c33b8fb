"""Bytes of clients that are not known yet: how many a connection and a whole port may hold.

A port gives every connection a small allowance, which an ordinary head fits into, and all of them a
common reserve for larger ones. When large heads have used up the reserve, ordinary requests are
still served. There is no limit for each address: behind an ingress or a proxy, all connections have
the same address, and such a limit would lock out every user at once.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct, field

from omnia_core.http.head import END, MAX_HEAD_BYTES, MAX_HEAD_FIELDS

ALLOWANCE = 4 * 1024
# For heads that are not complete: they stay as long as their clients like, up to a time limit.
RESERVE_FOR_HEADS = 24 * 1024 * 1024
# For requests that wait to be admitted, with what has arrived of their bodies: they stay for a
# moment, and many large ones may arrive in the same one.
RESERVE_FOR_REQUESTS = 64 * 1024 * 1024
# How long reading pauses after each read of bytes that are discarded, in seconds.
_DISCARD_PAUSE = 0.02
UNFINISHED = "this server has too many unfinished requests; try again later"


class HeadTooLarge(ValueError):
    """A head exceeds a limit; the message says which."""


def head_size(data: bytes | bytearray, start: int = 0) -> int | None:
    """Return the size of the head at the beginning of `data`, or None if it is not complete.

    Args:
        data: what arrived.
        start: where its end is looked for.

    Raises:
        HeadTooLarge: it is, or will be, larger than a head may be.
    """
    end = data.find(END, start, MAX_HEAD_BYTES + len(END))
    if end < 0:
        if len(data) >= MAX_HEAD_BYTES + len(END):
            raise HeadTooLarge(f"the request's headers are larger than {MAX_HEAD_BYTES} bytes")
        return None
    if data.count(b"\n", 0, end) > MAX_HEAD_FIELDS:
        raise HeadTooLarge(f"the request has more than {MAX_HEAD_FIELDS} headers")
    return end + len(END)


class Reserve:
    """Bytes that connections may hold together, beyond the allowance of each."""

    __slots__ = ("_allowance", "_left")

    def __init__(self, size: int, allowance: int) -> None:
        self._left = size
        self._allowance = allowance

    def change(self, held: int, wanted: int) -> bool:
        """Account that a connection holds `wanted` bytes instead of `held`.

        Return False if there is no room for them: the connection has to be closed. They are
        accounted all the same, until it gives them back.
        """
        self._left -= max(wanted, self._allowance) - max(held, self._allowance)
        return wanted <= max(held, self._allowance) or self._left >= 0


class ReceiveBudget:
    """The bytes that the connections of a port hold before their requests are admitted.

    Attributes:
        allowance: for each connection.
        heads: for heads that are not complete.
        requests: for requests that wait to be admitted.
    """

    __slots__ = ("allowance", "heads", "requests")

    def __init__(
        self,
        heads: int = RESERVE_FOR_HEADS,
        requests: int = RESERVE_FOR_REQUESTS,
        allowance: int = ALLOWANCE,
    ) -> None:
        self.allowance = allowance
        self.heads = Reserve(heads, allowance)
        self.requests = Reserve(requests, allowance)


class ConnectionSettings(Struct, frozen=True, kw_only=True):
    """What the connections of a port share; times are in seconds.

    Attributes:
        head: from the first byte of a head until it is complete; and from an answer to a request
            that was not admitted to the next request's head.
        keep_alive: from another answer to the next request's head.
        linger: for a client to read an answer that came before the end of its body.
        send: for a client to read an answer.
        refused: called with the error code of a head that is refused before it is parsed.
    """

    head: float = 10.0
    keep_alive: float = 75.0
    linger: float = 2.0
    send: float = 30.0
    budget: ReceiveBudget = field(default_factory=ReceiveBudget)
    refused: Callable[[str], None] = lambda _: None


class ReceivedBytes:
    """What a connection has received and no parser has yet.

    It is accounted as a head at first, from `take_head` or `hold` on as a request, from `admit` on
    not at all, and from `expect_head` on as a head again.
    """

    __slots__ = ("_allowance", "_budget", "_data", "_held", "_pending", "_reserve", "_searched")

    def __init__(self, budget: ReceiveBudget) -> None:
        self._budget = budget
        self._allowance = budget.allowance
        self._reserve: Reserve | None = budget.heads
        self._data = bytearray()
        # The size of a head that a parser has, but whose request is not admitted yet.
        self._pending = 0
        self._held = 0
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> bool:
        """Add received bytes. Return False if the port has no room for them."""
        self._data += data
        return self._account()

    def head_size(self) -> int | None:
        """Return the size of the head at the beginning, or None if it is not complete.

        Raises:
            HeadTooLarge: it is, or will be, larger than a head may be.
        """
        # The end may be split over two packets; what was searched before is not searched again.
        size = head_size(self._data, max(0, self._searched - len(END) + 1))
        if size is None:
            self._searched = len(self._data)
        return size

    def take_head(self, size: int) -> bytes | None:
        """Return the head, whose request waits to be admitted; None if there is no room for it."""
        head = self._take(size)
        return head if self.hold(size) else None

    def hold(self, size: int) -> bool:
        """Account for a head that its parser got at once. Return False if there is no room."""
        self._pending = size
        return self._move(self._budget.requests)

    def take(self, size: int) -> bytes:
        """Return the first bytes, which are not accounted any more."""
        data = self._take(size)
        self._account()
        return data

    def size_to_end(self, before: bytes) -> int:
        """Return the size up to the next empty line, its end included; of all without one.

        `before` are the last bytes that were taken: the empty line may begin in them.
        """
        over = (before + bytes(self._data[: len(END) - 1])).find(END)
        if over >= 0:
            return over + len(END) - len(before)
        end = self._data.find(END)
        return len(self._data) if end < 0 else end + len(END)

    def admit(self) -> None:
        """The request is admitted, or answered: stop accounting for it."""
        self._pending = 0
        self._move(None)

    def expect_head(self) -> bool:
        """The request is answered: what follows is a head. Return False if there is no room."""
        self._pending = 0
        return self._move(self._budget.heads)

    def clear(self) -> None:
        """Drop everything."""
        self._data.clear()
        self._pending = self._searched = 0
        self._account()

    def _take(self, size: int) -> bytes:
        data = bytes(self._data[:size])
        del self._data[:size]
        self._searched = 0
        return data

    def _move(self, reserve: Reserve | None) -> bool:
        if self._reserve is not None and self._held > self._allowance:
            self._reserve.change(self._held, 0)
        self._held = 0
        self._reserve = reserve
        return self._account()

    def _account(self) -> bool:
        if self._reserve is None:
            return True
        held = self._held
        self._held = wanted = len(self._data) + self._pending
        if held <= self._allowance >= wanted:
            return True
        return self._reserve.change(held, wanted)


def discard_slowly(transport: asyncio.Transport) -> None:
    """Pause reading shortly, because a client sends more than what it gets an answer to.

    What it sent has to be read, so that it gets the answer; a flood must not keep the loop busy.
    """
    if not transport.is_closing():
        transport.pause_reading()
        asyncio.get_running_loop().call_later(_DISCARD_PAUSE, _read_on, transport)


def _read_on(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()
