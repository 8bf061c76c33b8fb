"""The feed of evaluations in the memory of one process: a heap."""

import heapq
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omnia_core.sessions.feed import (
    CLAIM_SECONDS,
    UNANSWERED_SECONDS,
    DueSession,
    FeedBacklog,
    Progress,
    SessionFeed,
)


@dataclass(slots=True)
class _Entry:
    due_at: float
    active_at: float
    version: int = 1
    claim: str = ""
    claimed_until: float = float("-inf")
    held: bool = False
    progress: Progress = field(default_factory=Progress)


class MemoryFeed(SessionFeed):
    """The feed of a store in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        # Sessions by when they may be claimed; what an entry says now counts.
        self._heap: list[tuple[float, str]] = []
        self._day = ("", 0.0)

    def note(self, session_id: str, *, answered: bool) -> None:
        """Note an append."""
        now = self._clock()
        due_at = now if answered else now + UNANSWERED_SECONDS
        entry = self._entries.get(session_id)
        if entry is None:
            entry = self._entries[session_id] = _Entry(due_at, now)
        else:
            entry.version += 1
            entry.active_at = now
            if not entry.held:
                entry.due_at = min(entry.due_at, due_at)
        self._push(session_id, entry)

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        now, claim, found = self._clock(), uuid.uuid4().hex, list[DueSession]()
        claimed = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            at, session_id = heapq.heappop(self._heap)
            entry = self._entries.get(session_id)
            if entry is None or at != _at(entry) or entry.claim == claim:
                continue
            entry.claim, entry.claimed_until = claim, now + seconds
            claimed.append((session_id, entry))
            idle = now - entry.active_at
            found.append(DueSession(session_id, entry.progress, idle, entry.version, claim))
        for session_id, entry in claimed:
            self._push(session_id, entry)
        return found

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        if (entry := self._its(due)) is not None:
            entry.claimed_until = self._clock() + seconds
            self._push(due.session_id, entry)

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        if (entry := self._its(due)) is None:
            return
        entry.progress, entry.held = progress, held
        if held or entry.version == due.version:
            entry.due_at = self._clock() + again
        self._release(due, entry)

    async def forget(self, due: DueSession) -> None:
        if (entry := self._its(due)) is None:
            return
        if entry.version == due.version:
            del self._entries[due.session_id]
        else:
            self._release(due, entry)

    async def backlog(self) -> FeedBacklog:
        now = self._clock()
        waited = [now - entry.due_at for entry in self._entries.values() if entry.due_at <= now]
        return FeedBacklog(len(waited), max(waited, default=0.0))

    async def spend(self, day: str, usd: float) -> float:
        known, sum_ = self._day
        self._day = (day, usd if known != day else sum_ + usd)
        return self._day[1]

    def _its(self, due: DueSession) -> _Entry | None:
        entry = self._entries.get(due.session_id)
        return entry if entry and entry.claim == due.claim else None

    def _release(self, due: DueSession, entry: _Entry) -> None:
        entry.claim, entry.claimed_until = "", float("-inf")
        self._push(due.session_id, entry)

    def _push(self, session_id: str, entry: _Entry) -> None:
        heapq.heappush(self._heap, (_at(entry), session_id))


def _at(entry: _Entry) -> float:
    """Return when a session may be claimed."""
    return max(entry.due_at, entry.claimed_until)
