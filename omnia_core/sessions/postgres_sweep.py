"""Work in PostgreSQL that is done in batches, beside the work that comes anyway."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from omnia_core.sessions.store import StoreUnavailable

SWEEP_SECONDS = 60.0
SWEEP_BATCH = 200

_log = structlog.get_logger()


class Sweep:
    """Does a piece of work from time to time, such as deleting a batch of what has expired.

    Attributes:
        running: the batch that is being worked on; None between two.
    """

    def __init__(self, work: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """`seconds` lie between two batches, unless `work` returns that there is more."""
        self._work = work
        self._seconds = seconds
        self._due = time.monotonic() + seconds
        self.running: asyncio.Task[bool] | None = None

    def when_due(self) -> None:
        """Begin a batch in the background if it is time; called with each write."""
        if time.monotonic() >= self._due:
            _ = self.begin()

    def begin(self) -> asyncio.Task[bool]:
        """Begin a batch in the background, unless one is under way; return it.

        Its result says whether there is more.
        """
        if self.running is None:
            self._due = time.monotonic() + self._seconds
            self.running = asyncio.create_task(self._run())
        return self.running

    async def close(self) -> None:
        """Give up the batch that is under way."""
        if self.running:
            self.running.cancel()
            await asyncio.wait({self.running})

    async def _run(self) -> bool:
        try:
            more = await self._work()
        except StoreUnavailable as error:
            _log.warning("what has expired was not deleted", reason=str(error))
            return False
        except Exception:  # noqa: BLE001 - nobody waits for this task, and the next batch may do
            _log.exception("what has expired was not deleted")
            return False
        finally:
            self.running = None
        if more:
            self._due = time.monotonic()
        return more
