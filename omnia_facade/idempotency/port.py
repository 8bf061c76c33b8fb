"""The port behind which replies are kept."""

from typing import Protocol

from msgspec import Struct


class Standing(Struct, frozen=True):
    """What a claim met.

    Attributes:
        fingerprint: of the call that was there first.
        reply: its reply, or None while it is being answered.
    """

    fingerprint: bytes
    reply: bytes | None


class ReplyStore(Protocol):
    """Replies by scope, which is a digest of who asked and of their key.

    Every method raises `StoreUnavailable` when the store cannot answer.
    """

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> Standing | None:
        """Take a free scope and return None, or return what stands there.

        A scope is free again when its lease, or the time that its reply is kept, is over. A holder
        may claim once more what it holds.
        """

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        """Keep the reply, unless the scope has another holder by now."""

    async def release(self, scope: bytes, holder: str) -> None:
        """Free a scope that has no reply, unless it has another holder by now."""

    async def close(self) -> None:
        """Let go of connections."""
