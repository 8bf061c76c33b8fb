"""Evaluates the sessions that the feed says are due.

A result is kept as soon as it is there, and what is kept is not asked for again: a worker that dies
costs at most the calls that were running. What fails because a judge is away is tried again later,
by whichever worker runs then.
"""

import asyncio
import time
from contextlib import suppress

import structlog
from msgspec import Struct

from omnia_core.errors import OmniaError
from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.feed import DueSession, SessionFeed
from omnia_runtime.evals.session import SessionEvaluation
from omnia_runtime.evals.worker_metrics import WorkerMetrics

# How many sessions are evaluated at the same time.
SESSIONS = 16
POLL_SECONDS = 1.0
# A third of the time of a claim.
RENEW_SECONDS = 40.0
# How long to wait while the store does not answer.
AWAY_SECONDS = 5.0

_log = structlog.get_logger()


class WorkerTiming(Struct, frozen=True):
    """The intervals of a worker in seconds; tests shorten them.

    Attributes:
        poll: between two looks at the feed while nothing is due.
        renew: between two renewals of claims.
        away: before the store is asked again that did not answer.
    """

    poll: float = POLL_SECONDS
    renew: float = RENEW_SECONDS
    away: float = AWAY_SECONDS


class EvalWorker:
    """Claims sessions and evaluates them, several at a time, until it is told to stop."""

    def __init__(
        self,
        feed: SessionFeed,
        evaluation: SessionEvaluation,
        metrics: WorkerMetrics,
        timing: WorkerTiming | None = None,
    ) -> None:
        self._feed = feed
        self._evaluation = evaluation
        self._metrics = metrics
        self._timing = timing or WorkerTiming()
        self._active: dict[asyncio.Task[None], DueSession] = {}
        self._stopped = asyncio.Event()
        self._renewed = time.monotonic()

    async def run(self) -> None:
        """Work until `stop`; then return at once, while `drain` waits for what has begun."""
        while not self._stopped.is_set():
            try:
                full = await self._claim()
                await self._renew()
                self._metrics.backlog(await self._feed.backlog())
                wait = 0.0 if full else self._timing.poll
            except StoreUnavailable as error:
                _log.warning("the feed of evaluations cannot be read", reason=error.message)
                wait = self._timing.away
            await self._wait(wait)

    def stop(self) -> None:
        """Stop claiming sessions."""
        self._stopped.set()

    async def drain(self, seconds: float) -> None:
        """Wait for the sessions that are being evaluated; then leave the rest to another worker."""
        if self._active:
            await asyncio.wait(self._active, timeout=seconds)
        rest = list(self._active)
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    async def _claim(self) -> bool:
        """Claim as many sessions as there is room for; return whether there may be more."""
        room = SESSIONS - len(self._active)
        if room <= 0:
            return False
        found = await self._feed.claim(room)
        for due in found:
            task = asyncio.create_task(self._work(due))
            self._active[task] = due
            task.add_done_callback(self._active.pop)
        return len(found) == room

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until there is room where there was none, or until `stop`."""
        stopped = asyncio.create_task(self._stopped.wait())
        waited: set[asyncio.Task[object]] = {stopped}
        full = len(self._active) >= SESSIONS
        if full:
            waited |= set(self._active)
        await asyncio.wait(
            waited,
            timeout=self._timing.poll if full else seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopped.cancel()

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed < self._timing.renew:
            return
        self._renewed = time.monotonic()
        for due in list(self._active.values()):
            await self._feed.renew(due)

    async def _work(self, due: DueSession) -> None:
        try:
            await self._evaluation.run(due)
        except asyncio.CancelledError:
            # Another worker need not wait until the claim ends.
            with suppress(OmniaError):
                await self._feed.done(due, due.progress, 0.0)
            raise
        except StoreUnavailable as error:
            _log.warning("a session was not evaluated", reason=error.message)
            await asyncio.sleep(self._timing.away)
            # It is due at once, unless the store is still away: then when the claim ends.
            with suppress(OmniaError):
                await self._feed.done(due, due.progress, 0.0)
        except Exception:  # noqa: BLE001 - one bad session costs only itself
            _log.exception("a session was not evaluated", session=due.session_id)
            self._metrics.failed()
            with suppress(OmniaError):
                await self._evaluation.failed(due)
