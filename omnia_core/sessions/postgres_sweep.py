"""Deletes what has expired from PostgreSQL, in batches, beside the work that comes anyway."""

import asyncio
import time

import structlog

from omnia_core.sessions.postgres_pool import PostgresPool
from omnia_core.sessions.store import StoreUnavailable

SWEEP_SECONDS = 60.0
SWEEP_BATCH = 200

_log = structlog.get_logger()


class Sweep:
    """Runs a statement that deletes up to `batch` rows and returns their number.

    Attributes:
        running: the batch that is being deleted; None between two.
    """

    def __init__(self, pool: PostgresPool, statement: str, *, seconds: float, batch: int) -> None:
        """`seconds` lie between two batches, unless the last one was full."""
        self._pool = pool
        self._statement = statement
        self._seconds, self._batch = seconds, batch
        self._due = time.monotonic() + seconds
        self.running: asyncio.Task[None] | None = None

    def when_due(self) -> None:
        """Begin a batch in the background if it is time; called with each write."""
        if time.monotonic() >= self._due and self.running is None:
            self._due = time.monotonic() + self._seconds
            self.running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give up the batch that is under way."""
        if self.running:
            self.running.cancel()
            await asyncio.wait({self.running})

    async def _run(self) -> None:
        try:
            ((deleted,),) = await self._pool.fetch(self._statement, self._batch)
            if deleted == self._batch:
                self._due = time.monotonic()
        except StoreUnavailable as error:
            _log.warning("what has expired was not deleted", reason=str(error))
        finally:
            self.running = None
