"""Retention in a database: the terms of its statements, and the background work."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import structlog
from msgspec import Struct

from omnia_core.sessions.retention import EffectsCallback, Retention, RetentionEffects
from omnia_core.sessions.store import StoreUnavailable
from omnia_core.units import Duration

SWEEP_SECONDS = 60.0
SWEEP_BATCH = 200
# Without appends, the worker runs this often. An idle agent then holds no connection most of the
# time.
IDLE_SECONDS = 3600.0
# How many sessions one transaction visits, to change their times or to count them.
PAGE_SIZE = 1000
# A dry run visits every session of the agent, so it may take a thousandth of the time.
_DRY_RUN_PAUSE = 1000

_log = structlog.get_logger()


class RetentionTerms(Struct, frozen=True):
    """How long sessions live and are kept, and how many messages of each.

    Attributes:
        ttl: from the last use of a session to its end.
        keep: from the last use to the deletion; zero: deleted when it ends; None: no policy is
            known, and the value that others wrote stays.
        most: how many messages are kept; None: all.
        trial_ttl: `ttl` of a dry-run policy; None without such a policy.
        trial_keep: `keep` of a dry-run policy.
        trial_most: `most` of a dry-run policy.
    """

    ttl: timedelta
    keep: timedelta | None = None
    most: int | None = None
    trial_ttl: timedelta | None = None
    trial_keep: timedelta | None = None
    trial_most: int | None = None


def retention_terms(ttl: Duration, retention: Retention | None) -> RetentionTerms:
    """Return the terms for sessions that live for `ttl`; `retention` None: no policy is known."""
    lifetime = timedelta(seconds=ttl.seconds)
    if retention is None:
        return RetentionTerms(lifetime)
    kept = retention.kept
    if not retention.dry_run:
        keep = _timedelta(kept) if kept else timedelta()
        return RetentionTerms(lifetime, keep, retention.max_messages)
    bounded = retention.bounded(ttl)
    return RetentionTerms(
        lifetime,
        timedelta(),
        None,
        _timedelta(bounded),
        _timedelta(max(kept or bounded, bounded)),
        retention.max_messages,
    )


def report_effects(on_retention: EffectsCallback, counts: Sequence[int] | None) -> None:
    """Report the result of a database function: three counts, then those of a dry run."""
    if counts and any(counts):
        ended, deleted, messages, *trial = counts
        on_retention(RetentionEffects(ended, deleted, messages))
        ended, deleted, messages = trial
        on_retention(RetentionEffects(ended, deleted, messages, dry_run=True))


class VisitedPage(Struct, frozen=True):
    """Up to `PAGE_SIZE` sessions of an agent, in the order of their beginnings.

    Attributes:
        seen: how many there were; fewer than `PAGE_SIZE` on the last page.
        begun_at: when the last one began, as the database returns it.
        key: of the last one, as the database returns it.
        ended: how many of them a dry-run policy would have ended.
        deleted: how many of them a dry-run policy would have deleted.
    """

    seen: int
    begun_at: object
    key: object
    ended: int = 0
    deleted: int = 0


class RetentionDatabase(Protocol):
    """The statements of the background work; each is a transaction.

    Every method raises `StoreUnavailable` when the database cannot be reached.
    """

    async def sweep(self, batch: int) -> tuple[int, int]:
        """End and delete expired sessions of all agents; return how many of both.

        At most `batch` end, and twice as many are deleted.
        """

    async def restamp(self, after: VisitedPage | None) -> VisitedPage:
        """Give the page after `after` the times that it would have had under the present terms."""

    async def try_policy(self, after: VisitedPage | None) -> VisitedPage:
        """Note what a dry-run policy would have done to the page after `after`."""


class RetentionWorker:
    """Deletes expired sessions of all agents, and applies the policy to the sessions of one agent.

    It applies the policy at start and repeats it: while pods roll, those with the previous policy
    still write the previous times.

    Attributes:
        sweep: the task that deletes a batch.
    """

    def __init__(
        self,
        database: RetentionDatabase,
        terms: RetentionTerms,
        on_retention: EffectsCallback,
        *,
        seconds: float,
        batch: int,
    ) -> None:
        """Create a worker that waits for `start` or for writes.

        Args:
            database: runs the statements.
            terms: the policy of the agent.
            on_retention: called with what was deleted.
            seconds: between two batches, unless the last one was full.
            batch: how many sessions one batch deletes at most.
        """
        self._database = database
        self._terms = terms
        self._on_retention = on_retention
        self._max_batch = self._batch = batch
        self._restamp_due = self._trial_due = 0.0
        self._loop: asyncio.Task[None] | None = None
        self.sweep = BatchTask(self._work, seconds=seconds)

    def start(self) -> None:
        """Work now, and periodically while nothing is written, until `close`."""
        self._loop = asyncio.create_task(self._run_idle())

    async def close(self) -> None:
        """Cancel the work in progress."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait({self._loop})
        await self.sweep.close()

    async def _run_idle(self) -> None:
        while True:
            more = True
            while more:
                batch = self.sweep.start()
                await asyncio.wait({batch})
                more = not batch.cancelled() and batch.result()
            # The jitter keeps the pods of an agent from working at the same time.
            await asyncio.sleep(random.uniform(0.5, 1.5) * IDLE_SECONDS)  # noqa: S311 - jitter

    async def _work(self) -> bool:
        terms = self._terms
        if terms.keep is not None and time.monotonic() >= self._restamp_due:
            await self._visit_sessions(self._database.restamp)
            self._restamp_due = time.monotonic() + IDLE_SECONDS
        sooner = terms.trial_ttl is not None and terms.trial_ttl < terms.ttl
        if sooner and time.monotonic() >= self._trial_due:
            began = time.monotonic()
            await self._visit_sessions(self._database.try_policy)
            now = time.monotonic()
            self._trial_due = now + min((now - began) * _DRY_RUN_PAUSE, IDLE_SECONDS)
        return await self._delete_batch()

    async def _delete_batch(self) -> bool:
        batch = self._batch
        try:
            ended, deleted = await self._database.sweep(batch)
        except StoreUnavailable as error:
            # Very long sessions may take more time than a statement has.
            if isinstance(error.__cause__, TimeoutError):
                self._batch = max(batch // 2, 1)
            raise
        self._batch = min(batch + 1, self._max_batch)
        self._on_retention(RetentionEffects(ended, deleted))
        return bool(max(ended, deleted) >= batch)

    async def _visit_sessions(
        self, visit: Callable[[VisitedPage | None], Awaitable[VisitedPage]]
    ) -> None:
        """Visit every session of the agent, page by page."""
        page: VisitedPage | None = None
        while page is None or page.seen == PAGE_SIZE:
            page = await visit(page)
            if page.ended or page.deleted:
                self._on_retention(RetentionEffects(page.ended, page.deleted, dry_run=True))


class BatchTask:
    """Runs a piece of work periodically in the background, one batch at a time.

    Attributes:
        running: the batch in progress; None between two batches.
    """

    def __init__(self, work: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """`seconds` pass between two batches, unless `work` returns that there is more to do."""
        self._work = work
        self._seconds = seconds
        self._due = time.monotonic() + seconds
        self.running: asyncio.Task[bool] | None = None

    def start_when_due(self) -> None:
        """Start a batch if it is time; called with each write."""
        if time.monotonic() >= self._due:
            _ = self.start()

    def start(self) -> asyncio.Task[bool]:
        """Start a batch unless one is in progress, and return it.

        The result of the task says whether there is more to do.
        """
        if self.running is None:
            self._due = time.monotonic() + self._seconds
            self.running = asyncio.create_task(self._run())
        return self.running

    async def close(self) -> None:
        """Cancel the batch in progress."""
        if self.running:
            self.running.cancel()
            await asyncio.wait({self.running})

    async def _run(self) -> bool:
        try:
            more = await self._work()
        except StoreUnavailable as error:
            _log.warning("expired records were not deleted", reason=str(error))
            return False
        except Exception:  # noqa: BLE001 - no task awaits this one, and the next batch may succeed
            _log.exception("expired records were not deleted")
            return False
        finally:
            self.running = None
        if more:
            self._due = time.monotonic()
        return more


def _timedelta(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds)
