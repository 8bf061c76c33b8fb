"""Replies in the memory of one process: lost when it ends, invisible to other pods."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

MAX_BYTES = 16 * 1024 * 1024
# The approximate size of an entry without its reply.
_ENTRY_BYTES = 512


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    holder: str
    expires_at: float
    reply: bytes | None = None


class MemoryReplyStore(ReplyStore):
    """Keeps the last replies, up to a number of bytes.

    Claims of running calls do not count: the facade limits the number of running calls.
    """

    def __init__(
        self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._free_bytes = max_bytes
        self._claims: dict[bytes, _Entry] = {}
        self._replies: OrderedDict[bytes, _Entry] = OrderedDict()

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        now = self._clock()
        self._forget_expired(now)
        entry = self._claims.get(scope) or self._replies.get(scope)
        if entry:
            if entry.holder == holder:
                return None
            return ExistingClaim(entry.fingerprint, entry.reply)
        self._claims[scope] = _Entry(fingerprint, holder, now + lease_seconds)
        return None

    async def find(self, scope: bytes) -> ExistingClaim | None:
        now = self._clock()
        entry = self._claims.get(scope) or self._replies.get(scope)
        if entry is None or entry.expires_at <= now:
            return None
        return ExistingClaim(entry.fingerprint, entry.reply)

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        claim = self._claims.get(scope) or self._replies.get(scope)
        if claim and claim.holder == holder:
            self._claims.pop(scope, None)
            self._drop(scope)
            expires_at = self._clock() + ttl_seconds
            self._put(scope, _Entry(claim.fingerprint, holder, expires_at, reply))

    async def release(self, scope: bytes, holder: str) -> None:
        claim = self._claims.get(scope)
        if claim and claim.holder == holder:
            del self._claims[scope]

    async def close(self) -> None:
        """Do nothing: the memory is free when the process ends."""

    def _forget_expired(self, now: float) -> None:
        """Drop expired entries. All replies live equally long, so they are in order of expiry."""
        expired = [scope for scope, claim in self._claims.items() if claim.expires_at <= now]
        for scope in expired:
            del self._claims[scope]
        while self._replies:
            scope, oldest = next(iter(self._replies.items()))
            if oldest.expires_at > now:
                return
            self._drop(scope)

    def _put(self, scope: bytes, entry: _Entry) -> None:
        self._replies[scope] = entry
        self._free_bytes -= _size(entry)
        while self._free_bytes < 0 and len(self._replies) > 1:
            self._drop(next(iter(self._replies)))

    def _drop(self, scope: bytes) -> None:
        entry = self._replies.pop(scope, None)
        if entry:
            self._free_bytes += _size(entry)


def _size(entry: _Entry) -> int:
    return _ENTRY_BYTES + len(entry.reply or b"")
