"""What retention does in PostgreSQL beside the work that comes anyway."""

import asyncio
import random
import time
from datetime import datetime, timedelta

from omnia_core.sessions.postgres_policy import Terms
from omnia_core.sessions.postgres_pool import PostgresPool
from omnia_core.sessions.postgres_sweep import Sweep
from omnia_core.sessions.retention import Effects, Note
from omnia_core.sessions.store import StoreUnavailable

# Beside appends, which bring an upkeep a minute: an agent that nobody talks to holds no connection
# for most of the hour.
IDLE_SECONDS = 3600.0
# Sessions that one transaction looks at, to give them other times or to count them.
TOUCHED = 1000
# What is only counted takes a thousandth of the time: every session of the agent is looked at.
_REST = 1000

_SWEEP = "SELECT * FROM omnia.sweep_sessions($1)"
_RESTAMP = "SELECT * FROM omnia.restamp($1, $2, $3, $4, $5, $6, $7)"
_TRY = "SELECT * FROM omnia.try_retention($1, $2, $3, $4, $5, $6, $7)"


class Upkeep:
    """Deletes what is over, of all agents; gives an agent's sessions the times of its policy.

    The times are given when a process begins, and again from time to time: while pods roll, those
    of the policy before still write theirs.

    Attributes:
        sweep: a batch of it, in the background.
    """

    def __init__(
        self,
        pool: PostgresPool,
        owner: tuple[str, str],
        terms: Terms,
        note: Note,
        *,
        seconds: float,
        batch: int,
    ) -> None:
        """`seconds` lie between two batches, unless the last one was full."""
        self._pool = pool
        self._owner = owner
        self._terms = terms
        self._note = note
        self._most = self._batch = batch
        self._restamp_due = self._trial_due = 0.0
        self._loop: asyncio.Task[None] | None = None
        self.sweep = Sweep(self._work, seconds=seconds)

    def start(self) -> None:
        """Begin at once, and go on while nothing is written, until `close`."""
        self._loop = asyncio.create_task(self._idle())

    async def close(self) -> None:
        """Give up what is under way."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait({self._loop})
        await self.sweep.close()

    async def _idle(self) -> None:
        while True:
            more = True
            while more:
                batch = self.sweep.begin()
                await asyncio.wait({batch})
                more = not batch.cancelled() and batch.result()
            # the pods of an agent do not come all at once
            await asyncio.sleep(random.uniform(0.5, 1.5) * IDLE_SECONDS)  # noqa: S311 - spreads

    async def _work(self) -> bool:
        terms = self._terms
        if terms.keep is not None and time.monotonic() >= self._restamp_due:
            await self._each(_RESTAMP, terms.ttl, terms.keep)
            self._restamp_due = time.monotonic() + IDLE_SECONDS
        sooner = terms.trial_ttl is not None and terms.trial_ttl < terms.ttl
        if sooner and time.monotonic() >= self._trial_due:
            began = time.monotonic()
            await self._each(_TRY, terms.trial_ttl, terms.trial_keep)
            now = time.monotonic()
            self._trial_due = now + min((now - began) * _REST, IDLE_SECONDS)
        return await self._delete()

    async def _delete(self) -> bool:
        batch = self._batch
        try:
            ((ended, deleted),) = await self._pool.fetch(_SWEEP, batch)
        except StoreUnavailable as error:
            # sessions may be so long that so many take more time than a statement has
            if isinstance(error.__cause__, TimeoutError):
                self._batch = max(batch // 2, 1)
            raise
        self._batch = min(batch + 1, self._most)
        self._note(Effects(ended, deleted))
        return bool(max(ended, deleted) >= batch)

    async def _each(self, statement: str, *policy: timedelta | None) -> None:
        """Do something with every session of the agent."""
        begun: datetime | None = None
        key, seen = 0, TOUCHED
        while seen == TOUCHED:
            page = (*self._owner, *policy, begun, key, TOUCHED)
            ((seen, begun, key, *would),) = await self._pool.fetch(statement, *page)
            if would:
                self._note(Effects(would[0], would[1], dry_run=True))
