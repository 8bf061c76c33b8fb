"""The events of a run in their order, for readers that come later or read slowly."""

from collections.abc import Callable
from typing import TypeAlias

from omnia_facade.backend.events import MediaChunk, ToolCallEvent, ToolResultEvent, TurnEvent

# A piece of the answer, or an event. Pieces stay apart, so that a door can number its events.
Entry: TypeAlias = str | TurnEvent

# The approximate size of an entry without its content.
_ENTRY_BYTES = 64


class LogBudget:
    """The memory of all logs of a pod.

    Attributes:
        used: bytes, approximately.
        limit: bytes.
        reclaim: called when it is exceeded, to free logs that matter less.
    """

    __slots__ = ("limit", "reclaim", "used")

    def __init__(self, limit: int = 64 << 20, reclaim: Callable[[], None] = lambda: None) -> None:
        self.used = 0
        self.limit = limit
        self.reclaim = reclaim

    @property
    def exceeded(self) -> bool:
        """Whether the logs take more than they may."""
        return self.used > self.limit


class RunLog:
    """Grows up to a limit. The text is shared with what the relay records: an entry is a pointer.

    Attributes:
        entries: from the beginning of the run, or from where the log was begun again.
        dropped: whether entries are missing, so that nothing can be replayed.
        recording: whether new entries are kept.
    """

    __slots__ = ("_budget", "_limit", "_size", "dropped", "entries", "recording")

    def __init__(self, limit: int, budget: LogBudget) -> None:
        self._limit = limit
        self._budget = budget
        self._size = 0
        self.entries: list[Entry] = []
        self.dropped = False
        self.recording = True

    @property
    def over(self) -> bool:
        """Whether the log is larger than its limit, or all logs are together."""
        return self._size > self._limit or self._budget.exceeded

    def make_room(self) -> None:
        """Free other logs, if it is all of them that are too large."""
        if self._budget.exceeded:
            self._budget.reclaim()

    def add(self, entry: Entry) -> None:
        """Add an entry, if the log is recording."""
        if self.recording:
            self.entries.append(entry)
            size = _ENTRY_BYTES + _length(entry)
            self._size += size
            self._budget.used += size

    def drop(self) -> None:
        """Forget the entries, and record no more."""
        self.dropped = True
        self.recording = False
        self.entries = []
        self._budget.used -= self._size
        self._size = 0

    def begin_again(self) -> None:
        """Record what follows, for the next reader; nothing before it can be replayed."""
        self.recording = True


def _length(entry: Entry) -> int:
    if isinstance(entry, str):
        return len(entry)
    if isinstance(entry, ToolCallEvent):
        return len(entry.call.arguments)
    if isinstance(entry, ToolResultEvent):
        return len(entry.result.content)
    return len(entry.data) if isinstance(entry, MediaChunk) else 0
