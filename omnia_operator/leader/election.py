"""Take the Lease, keep it, give it back."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.port import ClusterError
from omnia_operator.leader.lease import (
    DEADLINE_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    Move,
    Sighting,
    move,
    written,
)
from omnia_operator.resolve import Key

_log = structlog.get_logger()


class LeadershipLost(Exception):
    """Another operator may act from now on, so this one must not."""


class Leases(Protocol):
    """Where Leases are kept; writing one that somebody else wrote meanwhile fails."""

    async def get_lease(self, key: Key) -> JsonObject | None:
        """Return a Lease."""
        ...

    async def put_lease(self, lease: JsonObject) -> JsonObject:
        """Create or replace a Lease."""
        ...


class Election:
    """One candidate for the Lease."""

    def __init__(self, leases: Leases, key: Key, identity: str, clock: Callable[[], str]) -> None:
        self._leases = leases
        self._key = key
        self._identity = identity
        self._clock = clock
        self._sighting: Sighting | None = None
        self.leading = False

    async def win(self) -> None:
        """Return when the Lease is held."""
        while not await self._step():  # noqa: ASYNC110 - another process's doing is awaited
            await asyncio.sleep(RETRY_SECONDS)
        self.leading = True
        _log.info("leading", lease=self._key[1], identity=self._identity)

    async def keep(self) -> None:
        """Renew the Lease until cancelled.

        Raises:
            LeadershipLost: it could not be renewed in time, or somebody else has it.
        """
        try:
            while True:
                await asyncio.sleep(RENEW_SECONDS)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self._renew()
        except TimeoutError as error:
            raise LeadershipLost("the Lease could not be renewed in time") from error
        finally:
            self.leading = False

    async def give_back(self) -> None:
        """Let another operator begin at once."""
        with contextlib.suppress(ClusterError):
            lease = await self._leases.get_lease(self._key)
            if lease and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                await self._write(lease, "", taken=False)

    async def _renew(self) -> None:
        while not await self._step():
            if self._sighting is not None and self._sighting.holder != self._identity:
                raise LeadershipLost(f"the Lease is held by {self._sighting.holder or 'nobody'}")
            await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> bool:
        """Look at the Lease and do what is to be done; return whether it is held now."""
        now = asyncio.get_running_loop().time()
        try:
            lease = await self._leases.get_lease(self._key)
            if lease is not None:
                self._sighting = Sighting.of(lease, self._sighting, now)
            next_move = move(self._sighting if lease else None, self._identity, now)
            if next_move is not Move.WAIT:
                taken = next_move is Move.TAKE
                if taken and self.leading:
                    return False
                await self._write(lease, self._identity, taken=taken)
        except ClusterError as error:
            _log.warning("the Lease is not written", error=error.message)
            return False
        return next_move is not Move.WAIT

    async def _write(self, lease: JsonObject | None, holder: str, *, taken: bool) -> None:
        body = written(lease, self._key, holder, self._clock(), taken=taken)
        stored = await self._leases.put_lease(body)
        now = asyncio.get_running_loop().time()
        self._sighting = Sighting.of(stored, self._sighting, now)
