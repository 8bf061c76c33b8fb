"""Values under keys of a caller, in the store of replies, and claims of which one wins.

Every method raises `StoreUnavailable` when the store cannot answer.
"""

import asyncio
import secrets

from omnia_facade.auth.principal import Principal
from omnia_facade.idempotency.calls import scope_of
from omnia_facade.idempotency.store import ReplyStore

# How long a turn may take until what follows from it is stored; the claim of a pod that died ends
# then.
LEASE_SECONDS = 900.0
# A reader holds a free key for a moment.
_READ_SECONDS = 1.0
_TRIES = 10
_PAUSE_SECONDS = 0.1
_TAKEN = b"1"


class KeptValues:
    """The values of all callers of an agent. A caller finds its own only."""

    def __init__(self, store: ReplyStore, kept_seconds: float) -> None:
        """Values and claims are kept for `kept_seconds`."""
        self._store = store
        self._kept_seconds = kept_seconds

    async def get(self, caller: Principal, key: str) -> bytes | None:
        """Return a value; None if there is none."""
        scope, reader = scope_of(caller, key), secrets.token_hex(8)
        found = await self._store.claim(scope, b"", reader, lease_seconds=_READ_SECONDS)
        if found is None:
            await self._store.release(scope, reader)
            return None
        return found.reply

    async def put(self, caller: Principal, key: str, value: bytes) -> bool:
        """Store a value; False if the key has one already."""
        scope, writer = scope_of(caller, key), secrets.token_hex(8)
        for _ in range(_TRIES):
            found = await self._store.claim(scope, b"", writer, lease_seconds=LEASE_SECONDS)
            if found is None:
                await self._store.keep(scope, writer, value, ttl_seconds=self._kept_seconds)
                return True
            if found.reply is not None:
                return False
            await asyncio.sleep(_PAUSE_SECONDS)
        return False

    async def claim(self, caller: Principal, key: str, holder: str) -> bool:
        """Claim a key until it is confirmed or released; False if it has another holder."""
        scope = scope_of(caller, key)
        found = await self._store.claim(scope, b"", holder, lease_seconds=LEASE_SECONDS)
        return found is None

    async def confirm(self, caller: Principal, key: str, holder: str) -> None:
        """Keep a claim for good."""
        scope = scope_of(caller, key)
        await self._store.keep(scope, holder, _TAKEN, ttl_seconds=self._kept_seconds)

    async def release(self, caller: Principal, key: str, holder: str) -> None:
        """Give a claim back."""
        await self._store.release(scope_of(caller, key), holder)
