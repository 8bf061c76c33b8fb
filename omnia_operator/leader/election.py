"""Acquires, renews and releases the Lease."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.leader.lease import (
    DEADLINE_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    LeaseAction,
    LeaseObservation,
    lease_body,
    next_action,
)
from omnia_operator.resolve import Key

_log = structlog.get_logger()


class LeadershipLost(Exception):
    """Another operator may act from now on, so this one must stop."""


class Leases(Protocol):
    """Stores Leases; a write fails after a concurrent write of another client."""

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
        self._observed: LeaseObservation | None = None
        self._failure = ""
        """Why the last attempt failed; a failure that lasts is logged once."""
        self.leading = False

    async def acquire(self) -> None:
        """Wait until the Lease is held."""
        while not await self._step():  # noqa: ASYNC110 - another process has the Lease
            await asyncio.sleep(RETRY_SECONDS)
        self.leading = True
        _log.info("leading", lease=self._key[1], identity=self._identity)

    async def keep(self) -> None:
        """Renew the Lease until cancelled.

        Raises:
            LeadershipLost: it could not be renewed in time, or another operator has it.
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

    async def release(self) -> None:
        """Give up the Lease, so that another operator can start at once."""
        with contextlib.suppress(ClusterError):
            lease = await self._leases.get_lease(self._key)
            if lease and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                await self._write(lease, "", acquired=False)

    async def _renew(self) -> None:
        while not await self._step():
            if self._observed is not None and self._observed.holder != self._identity:
                raise LeadershipLost(
                    f"the Lease is held by {self._observed.holder or 'no operator'}"
                )
            await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> bool:
        """Read the Lease and act on it; return whether it is held now."""
        now = asyncio.get_running_loop().time()
        try:
            lease = await self._leases.get_lease(self._key)
            if lease is not None:
                self._observed = LeaseObservation.of(lease, self._observed, now)
            action = next_action(self._observed if lease else None, self._identity, now)
            if action is not LeaseAction.WAIT:
                acquired = action is LeaseAction.ACQUIRE
                if acquired and self.leading:
                    return False
                await self._write(lease, self._identity, acquired=acquired)
        except ClusterError as error:
            if error.message != self._failure:
                self._failure = error.message
                _log.warning("the Lease cannot be written", error=error.message)
            return False
        self._failure = ""
        return action is not LeaseAction.WAIT

    async def _write(self, lease: JsonObject | None, holder: str, *, acquired: bool) -> None:
        body = lease_body(lease, self._key, holder, self._clock(), acquired=acquired)
        stored = await self._leases.put_lease(body)
        now = asyncio.get_running_loop().time()
        self._observed = LeaseObservation.of(stored, self._observed, now)
