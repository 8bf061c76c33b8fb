"""Bytes of clients that are not known yet: how many a connection and a whole port may hold.

A port gives every connection a small allowance, which an ordinary head fits into, and all of them a
common reserve for larger heads. When large heads have used up the reserve, ordinary requests are
still served. There is no limit for each address: behind an ingress or a proxy, all connections have
the same address, and such a limit would lock out every user at once.
"""

import asyncio

from omnia_core.http.head import END, MAX_HEAD_BYTES, MAX_HEAD_FIELDS

ALLOWANCE = 4 * 1024
RESERVE = 24 * 1024 * 1024
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


class ReceiveBudget:
    """The bytes that all connections of a port hold before their requests are admitted."""

    __slots__ = ("_left", "allowance")

    def __init__(self, reserve: int = RESERVE, allowance: int = ALLOWANCE) -> None:
        """`allowance` is for each connection, `reserve` for what exceeds it; both in bytes."""
        self._left = reserve
        self.allowance = allowance

    def change(self, held: int, wanted: int) -> bool:
        """Account that a connection holds `wanted` bytes instead of `held`.

        Return False if there is no room for them: the connection has to be closed. They are
        accounted all the same, until it gives them back.
        """
        self._left -= max(wanted, self.allowance) - max(held, self.allowance)
        return wanted <= max(held, self.allowance) or self._left >= 0


class ReceivedBytes:
    """What a connection has received and no parser has yet."""

    __slots__ = ("_allowance", "_budget", "_data", "_held", "_pending", "_searched")

    def __init__(self, budget: ReceiveBudget) -> None:
        self._budget = budget
        self._allowance = budget.allowance
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

    def take_head(self, size: int) -> bytes:
        """Return the head. It stays accounted until `admit`."""
        head = self._take(size)
        self._pending = size
        return head

    def hold(self, size: int) -> bool:
        """Account for a head that the parser got at once, as `add` and `take_head` do."""
        self._pending = size
        return self._account()

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
        """The request of the head is admitted, or answered: stop accounting for its head."""
        self._pending = 0
        self._account()

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

    def _account(self) -> bool:
        held = self._held
        self._held = wanted = len(self._data) + self._pending
        if held <= self._allowance >= wanted:
            return True
        return self._budget.change(held, wanted)


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
