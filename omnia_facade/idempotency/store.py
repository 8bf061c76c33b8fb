"""The port to the store of replies."""

from typing import Protocol

from msgspec import Struct


class ExistingClaim(Struct, frozen=True):
    """A claim that was made before.

    Attributes:
        fingerprint: of the input of the call that made it.
        reply: the reply of that call, or None while it runs.
    """

    fingerprint: bytes
    reply: bytes | None


class ReplyStore(Protocol):
    """Replies by scope, which is a digest of a caller and a key.

    Every method raises `StoreUnavailable` when the store cannot answer.
    """

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        """Claim a free scope and return None, or return the claim that exists.

        A scope is free again after its lease, or when its reply has expired. A holder may claim
        again what it holds.
        """

    async def find(self, scope: bytes) -> ExistingClaim | None:
        """Return the claim of a scope, whoever holds it; None if the scope is free."""

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        """Store the reply, unless the scope has another holder by now.

        A holder may replace its reply.
        """

    async def release(self, scope: bytes, holder: str) -> None:
        """Free a scope that has no reply, unless it has another holder by now."""

    async def close(self) -> None:
        """Close the connections."""
