"""Replies in the memory of one process: gone when it ends, seen by no other pod."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from omnia_facade.idempotency.port import ReplyStore, Standing

MAX_BYTES = 16 * 1024 * 1024
# What an entry without a reply has, roughly.
_ENTRY_BYTES = 512


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    holder: str
    expires_at: float
    reply: bytes | None = None


class MemoryReplyStore(ReplyStore):
    """Keeps what was replied last, up to a number of bytes."""

    def __init__(
        self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` returns seconds that only grow."""
        self._clock = clock
        self._room = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> Standing | None:
        now = self._clock()
        self._forget_expired(now)
        entry = self._entries.get(scope)
        if entry and entry.expires_at > now:
            if entry.holder == holder:
                return None
            return Standing(entry.fingerprint, entry.reply)
        self._drop(scope)
        self._put(scope, _Entry(fingerprint, holder, now + lease_seconds))
        return None

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        entry = self._entries.get(scope)
        if entry and entry.holder == holder:
            self._drop(scope)
            expires_at = self._clock() + ttl_seconds
            self._put(scope, _Entry(entry.fingerprint, holder, expires_at, reply))

    async def release(self, scope: bytes, holder: str) -> None:
        entry = self._entries.get(scope)
        if entry and entry.holder == holder and entry.reply is None:
            self._drop(scope)

    async def close(self) -> None:
        self._entries.clear()

    def _forget_expired(self, now: float) -> None:
        """Drop the oldest: replies stand in the order in which they expire."""
        while self._entries:
            scope, oldest = next(iter(self._entries.items()))
            if oldest.expires_at > now:
                return
            self._drop(scope)

    def _put(self, scope: bytes, entry: _Entry) -> None:
        self._entries[scope] = entry
        self._room -= _size(entry)
        while self._room < 0 and len(self._entries) > 1:
            self._drop(next(iter(self._entries)))

    def _drop(self, scope: bytes) -> None:
        entry = self._entries.pop(scope, None)
        if entry:
            self._room += _size(entry)


def _size(entry: _Entry) -> int:
    return _ENTRY_BYTES + len(entry.reply or b"")
