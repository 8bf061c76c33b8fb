"""What the sockets of the program do in a round of the event loop: writing, and turns to read."""

import asyncio
from itertools import islice
from typing import Protocol

import structlog

# So many sockets continue to read in a round. With the frames of a turn this bounds how long a
# round takes, however many clients send more than their share.
TURNS_PER_ROUND = 16

_log = structlog.get_logger()


class Writer(Protocol):
    """A socket with frames to write."""

    def write_out(self) -> None:
        """Write the frames to the transport."""

    def abort(self) -> None:
        """Cut the connection."""


class Reader(Protocol):
    """A socket that has received more than it may handle in a turn."""

    def take_turn(self) -> None:
        """Handle frames that were received, or read more."""

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


class ReadTurns:
    """Lets sockets that have received much continue in their order, some of them in each round."""

    __slots__ = ("_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Reader, None] = {}
        self._scheduled = False

    def add(self, reader: Reader) -> None:
        """Give `reader` a turn in one of the next rounds; one that waits keeps its place."""
        self._waiting[reader] = None
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        for reader in list(islice(self._waiting, TURNS_PER_ROUND)):
            # Removed before its turn, in which it may ask for another one.
            del self._waiting[reader]
            try:
                reader.take_turn()
            except Exception:  # noqa: BLE001 - the other sockets must still have their turns
                _log.exception("reading from a client failed")
                reader.abort()
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)
