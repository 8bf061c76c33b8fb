"""The messages of one stream that wait for their turn."""

import asyncio
from collections import deque

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb


class Waiting:
    """A message in the inbox; `cancelled` before its turn began."""

    __slots__ = ("cancelled", "message")

    def __init__(self, message: pb.ClientMessage) -> None:
        self.message = message
        self.cancelled = False


class Inbox:
    """A bounded queue with one reader and one writer.

    When it is full the writer waits, and with it, through HTTP/2, the peer.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Waiting] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    async def put(self, message: pb.ClientMessage) -> None:
        """Add a message."""
        while len(self._waiting) >= self._limit and not self._closed:
            await self._wait()
        self._waiting.append(Waiting(message))
        self._changed.set()

    async def next(self) -> Waiting | None:
        """Take the oldest message; None when there will be no more."""
        while not self._waiting:
            if self._closed:
                return None
            await self._wait()
        found = self._waiting.popleft()
        self._changed.set()
        return found

    def cancel_first(self) -> None:
        """Mark the oldest message, whose turn was about to begin."""
        if self._waiting:
            self._waiting[0].cancelled = True

    def close(self) -> None:
        """Let no more wait for messages that are not here yet."""
        self._closed = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
