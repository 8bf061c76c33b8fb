"""What sockets have to say, written at the end of one round of the event loop."""

import asyncio
from typing import Protocol

import structlog

_log = structlog.get_logger()


class Writer(Protocol):
    """A socket that has something to write."""

    def write_out(self) -> None:
        """Write it."""

    def abort(self) -> None:
        """Cut the connection."""


class Outgoing:
    """One callback for all sockets: a write that is not joined with others costs its own round."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Writer] = []

    def add(self, writer: Writer) -> None:
        """Have a socket write soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._waiting.append(writer)

    def _write_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            try:
                writer.write_out()
            except Exception:  # noqa: BLE001 - the others would never be written to again
                _log.exception("a client was not written to")
                # It would take what follows for all that was said.
                writer.abort()
