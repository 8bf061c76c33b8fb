"""The events that a hub publishes: the last ones, as server-sent events."""

import asyncio
from collections import deque

from omnia_core.jsonvalue import JsonObject, json_bytes

LAST_EVENT_ID = "last-event-id"
# A page that was away longer asks for everything again.
_KEPT = 256


class EventLog:
    """The last events of one run, numbered from 1."""

    def __init__(self, run: str, kept: int = _KEPT) -> None:
        """`run` distinguishes the ids from those of another run."""
        self._run = run
        self._frames: deque[bytes] = deque(maxlen=kept)
        self._count = 0
        self._arrived = asyncio.Event()

    @property
    def end(self) -> int:
        """The number of the last event."""
        return self._count

    def add(self, event: JsonObject) -> None:
        """Append an event."""
        self._count += 1
        frame = b"id: %s-%d\ndata: %s\n\n" % (self._run.encode(), self._count, json_bytes(event))
        self._frames.append(frame)
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def position(self, last_event_id: str | None) -> int:
        """Return the number of the last event that a client has.

        A client that names none begins with what comes; one that names an event of another run has
        seen nothing of this one.
        """
        if last_event_id is None:
            return self._count
        run, _, number = last_event_id.rpartition("-")
        if run != self._run or not (number.isascii() and number.isdecimal()):
            return 0
        # An id of this run is short; a longer one is made up.
        return min(int(number[:18]), self._count)

    def after(self, position: int) -> bytes:
        """Return the events after a position, without those that are not kept any more."""
        missed = min(self._count - position, len(self._frames))
        return b"".join(list(self._frames)[len(self._frames) - missed :]) if missed else b""

    async def more(self, position: int) -> None:
        """Wait until there are events after a position."""
        while self._count <= position:
            await self._arrived.wait()
