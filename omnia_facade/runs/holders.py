"""Which pods have runs of a user, in the store that the pods of an agent share.

The store knows no lists. Each pod that has a run of a user takes one of a few numbered places of
that user, and writes there which of its runs go on.
"""

import asyncio
import time
from collections.abc import Sequence
from hashlib import sha256

import msgspec
import structlog
from msgspec import Struct

from omnia_core.sessions import StoreUnavailable
from omnia_facade.idempotency.store import ReplyStore

# Pods that have runs of one user at a time. A pod that finds no place is not listed elsewhere.
MAX_PODS = 32

_log = structlog.get_logger()


class RunHolder(Struct, frozen=True):
    """A pod that has, or had, runs of a user.

    Attributes:
        owner: `host:port` of its facade.
        run_ids: of those that had not ended when it wrote this.
    """

    owner: str
    run_ids: tuple[str, ...]


class RunHolders:
    """Writes the places of this pod, and reads those of all pods."""

    def __init__(self, replies: ReplyStore, owner: str) -> None:
        """Keep the places in `replies`; `owner` is this pod."""
        self._replies = replies
        self._owner = owner
        self._active: dict[str, dict[str, None]] = {}
        # By user: the place, and until when it is this pod's.
        self._places: dict[str, tuple[bytes, float]] = {}

    def begin(self, user_id: str, run_id: str) -> None:
        """Note a run that goes on."""
        self._active.setdefault(user_id, {})[run_id] = None

    def end(self, user_id: str, run_id: str) -> None:
        """Note that a run has ended."""
        active = self._active.get(user_id, {})
        active.pop(run_id, None)
        if not active:
            self._active.pop(user_id, None)

    async def write(self, user_id: str, seconds: float) -> None:
        """Write what this pod has of a user; others find it for so long.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        self._forget_expired()
        place = await self._place(user_id, seconds)
        if place is None:
            _log.warning("runs not listed", reason=f"{MAX_PODS} pods have runs of this user")
            return
        holder = RunHolder(self._owner, tuple(self._active.get(user_id, ())))
        await self._replies.keep(
            place, self._owner, msgspec.json.encode(holder), ttl_seconds=seconds
        )
        # In the order of the last write, which is nearly that of the ends.
        self._places.pop(user_id, None)
        self._places[user_id] = place, time.monotonic() + seconds

    async def others(self, user_id: str) -> Sequence[RunHolder]:
        """Return the other pods that have runs of a user; none while the store cannot be read."""
        places = [_scope(user_id, number) for number in range(MAX_PODS)]
        try:
            found = await asyncio.gather(*map(self._replies.find, places))
        except StoreUnavailable as error:
            _log.warning("runs not looked up", reason=str(error))
            return ()
        holders = [
            msgspec.json.decode(claim.reply, type=RunHolder)
            for claim in found
            if claim is not None and claim.reply is not None
        ]
        return [holder for holder in holders if holder.owner != self._owner]

    async def _place(self, user_id: str, seconds: float) -> bytes | None:
        if known := self._places.get(user_id):
            return known[0]
        for place in (_scope(user_id, number) for number in range(MAX_PODS)):
            taken = await self._replies.claim(place, b"", self._owner, lease_seconds=seconds)
            if taken is None:
                return place
        return None

    def _forget_expired(self) -> None:
        now = time.monotonic()
        while self._places:
            user_id, (_, until) = next(iter(self._places.items()))
            if until > now:
                return
            del self._places[user_id]


def _scope(user_id: str, number: int) -> bytes:
    return sha256("\0".join(("runs", "holder", user_id, str(number))).encode()).digest()
