"""Sessions in the memory of one process: gone when it ends, seen by no other pod."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omnia_core.sessions.records import Message, Session
from omnia_core.sessions.store import SessionConflict, SessionStore
from omnia_core.sessions.trail import Trail
from omnia_core.units import Duration


@dataclass(slots=True)
class _Entry:
    messages: tuple[Message, ...]
    expires_at: float
    checkpoint: tuple[Message, ...] = ()


class MemorySessionStore(SessionStore):
    """Keeps sessions in order of their last use, so that expiring them costs nothing per turn."""

    def __init__(self, ttl: Duration, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds that only grow."""
        self._ttl = ttl.seconds
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def load(self, session_id: str) -> Session | None:
        entry = self._touch(session_id)
        return Session(session_id, entry.messages, entry.checkpoint) if entry else None

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        trail: Trail | None = None,  # noqa: ARG002 - only a database keeps it
    ) -> int:
        entry = self._touch(session_id) or _Entry((), 0)
        if len(entry.messages) != expected_length:
            raise SessionConflict(session_id, expected_length, len(entry.messages))
        entry.messages = (*entry.messages, *messages)
        entry.checkpoint = ()
        entry.expires_at = self._clock() + self._ttl
        self._entries[session_id] = entry
        return len(entry.messages)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        entry = self._touch(session_id)
        if entry and len(entry.messages) == expected_length:
            entry.checkpoint = tuple(messages)

    async def close(self) -> None:
        self._entries.clear()

    def _touch(self, session_id: str) -> _Entry | None:
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).expires_at <= now:
            self._entries.popitem(last=False)
        entry = self._entries.get(session_id)
        if entry:
            entry.expires_at = now + self._ttl
            self._entries.move_to_end(session_id)
        return entry
