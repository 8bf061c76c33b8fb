"""A reader of a run, and how far it has read."""

import asyncio
from collections.abc import Sequence

from omnia_facade.runs.log import Entry
from omnia_facade.runs.reader import RunReader


class Attachment:
    """A reader, and how far it has read; a live one gets what comes at once.

    Attributes:
        position: the next entry of the log; while it is live, where it fell behind.
        stirred: set when its task has to look again.
    """

    __slots__ = ("_merged", "live", "position", "reader", "stirred")

    def __init__(self, reader: RunReader, position: int, *, merged: bool) -> None:
        self.reader = reader
        self.position = position
        self._merged = merged
        self.live = False
        self.stirred = asyncio.Event()

    def take(self, entries: Sequence[Entry]) -> Entry:
        """Return the next entry."""
        entry = entries[self.position]
        self.position += 1
        if not self._merged or not isinstance(entry, str):
            return entry
        pieces = [entry]
        while self.position < len(entries) and isinstance(following := entries[self.position], str):
            pieces.append(following)
            self.position += 1
        return "".join(pieces)
