"""Clients that read nothing of what they are sent."""

import asyncio
from typing import Protocol

from msgspec import Struct


class Receiver(Protocol):
    """Whom something is sent.

    Attributes:
        unwritten: another event for each time that writing had to stop, None while it need not.
    """

    unwritten: asyncio.Event | None

    @property
    def unsent(self) -> int:
        """Bytes that were written, and that the system has not taken."""


class _Seen(Struct, frozen=True):
    """What a receiver was like, and since when."""

    unwritten: asyncio.Event
    unsent: int
    since: float


class Stalls:
    """Keeps something of those only whose writing is stopped."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long a receiver may take nothing."""
        self._seconds = seconds
        self._seen: dict[Receiver, _Seen] = {}

    def stalled(self, receiver: Receiver, now: float) -> bool:
        """Look at a receiver, as is done again and again, and say whether it is given up."""
        unwritten = receiver.unwritten
        if unwritten is None:
            self.forget(receiver)
            return False
        seen = self._seen.get(receiver)
        if seen is None or seen.unwritten is not unwritten or seen.unsent > receiver.unsent:
            self._seen[receiver] = _Seen(unwritten, receiver.unsent, now)
            return False
        return now - seen.since >= self._seconds

    def forget(self, receiver: Receiver) -> None:
        """Look at it no more."""
        self._seen.pop(receiver, None)
