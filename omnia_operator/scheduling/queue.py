"""The work queues: one object is never reconciled twice at a time, and failures back off."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import structlog

from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import TOOL_REGISTRY, ObjectKind
from omnia_operator.references import ObjectReference

# Events of one change come in bursts: a short delay makes one reconciliation of them.
DEBOUNCE = 0.1
FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
# The API server answers within milliseconds; more requests would queue there instead of here.
CONCURRENCY = 16
# Discovery mostly waits for tool servers.
_DISCOVERY_CONCURRENCY = 32

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Requeue:
    """Whether and when to reconcile an object again without a new event."""

    NO: ClassVar["Requeue"]

    delay: float | None = None
    """Seconds until then; None stands for no fixed time."""
    backoff: bool = False
    """Whether to try again after a delay that grows with every failure in a row."""

    @classmethod
    def after(cls, seconds: float) -> "Requeue":
        """Return a request for a reconciliation in some seconds."""
        return cls(delay=seconds)

    @classmethod
    def with_backoff(cls) -> "Requeue":
        """Return a request to try again soon, and less and less often while it fails."""
        return cls(backoff=True)


Requeue.NO = Requeue()

Work = Callable[[ObjectReference], Awaitable[Requeue]]
"""Reconciles an object."""


class QueueObserver:
    """Is told what becomes of queued objects; ignores it. Times are in seconds."""

    def added(self, kind: ObjectKind) -> None:
        """Called when an object is due, and waits for a worker."""

    def started(self, kind: ObjectKind, waited: float) -> None:
        """Called when a worker begins."""

    def ended(self, kind: ObjectKind, seconds: float) -> None:
        """Called when a worker has ended."""

    def retried(self, kind: ObjectKind) -> None:
        """Called when an object is queued again after a failure."""


class WorkQueues:
    """Two queues: discovery takes seconds, and must not delay the other kinds."""

    def __init__(self, work: Work, observer: QueueObserver | None = None) -> None:
        self._main = WorkQueue(work, observer)
        self._discovery = WorkQueue(work, observer)

    def waiting(self) -> Mapping[ObjectReference, float]:
        """Return the objects that wait for a worker, and since when by `time.monotonic`.

        It is safe to call from any thread.
        """
        return {**self._main.waiting(), **self._discovery.waiting()}

    def running(self) -> Mapping[ObjectReference, float]:
        """Return the objects that have a worker, and since when; safe to call from any thread."""
        return {**self._main.running(), **self._discovery.running()}

    def add(self, item: ObjectReference, delay: float = 0.0) -> None:
        """Queue an object. An earlier due time stays."""
        queue = self._discovery if item.kind == TOOL_REGISTRY else self._main
        queue.add(item, delay)

    async def run(self) -> None:
        """Work until cancelled; discovery in progress is then dropped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._main.run())
            group.create_task(self._discovery.run(_DISCOVERY_CONCURRENCY, finish=False))


class WorkQueue:
    """Delivers objects to workers, each at most once at a time."""

    def __init__(
        self, work: Work, observer: QueueObserver | None = None, *, debounce: float = DEBOUNCE
    ) -> None:
        self._work = work
        self._observer = observer or QueueObserver()
        self._debounce = debounce
        self._due: dict[ObjectReference, asyncio.TimerHandle] = {}
        self._ready: asyncio.Queue[ObjectReference] = asyncio.Queue()
        self._waiting: dict[ObjectReference, float] = {}
        self._running: dict[ObjectReference, float] = {}
        self._again: set[ObjectReference] = set()
        self._failures: dict[ObjectReference, int] = {}
        self._workers: Counter[str] = Counter()
        """Number of workers that are busy with a namespace."""
        self._held: dict[str, deque[ObjectReference]] = {}
        """By namespace the objects for which no worker of the namespace was free."""

    def waiting(self) -> Mapping[ObjectReference, float]:
        """Return the objects that wait for a worker, and since when by `time.monotonic`.

        It is safe to call from any thread.
        """
        return self._waiting.copy()

    def running(self) -> Mapping[ObjectReference, float]:
        """Return the objects that have a worker, and since when; safe to call from any thread."""
        return self._running.copy()

    @property
    def idle(self) -> bool:
        """Whether nothing waits, runs, or is due."""
        return not (self._due or self._waiting or self._running)

    def add(self, item: ObjectReference, delay: float = 0.0) -> None:
        """Queue an object. An earlier due time stays."""
        if item in self._waiting:
            return
        if item in self._running:
            self._again.add(item)
            return
        self._schedule(item, max(delay, self._debounce))

    async def run(self, concurrency: int = CONCURRENCY, *, finish: bool = True) -> None:
        """Work until cancelled; running work is then finished or, without `finish`, cancelled.

        A quarter of the workers stays free of each namespace, so that one whose resources take
        long does not keep the others waiting.
        """
        most = concurrency - concurrency // 4
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._worker(most, finish=finish))

    def clear(self) -> None:
        """Cancel everything that is due later."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()

    def _schedule(self, item: ObjectReference, delay: float) -> None:
        loop = asyncio.get_running_loop()
        timer = self._due.get(item)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._due[item] = loop.call_later(delay, self._put, item)

    def _put(self, item: ObjectReference) -> None:
        del self._due[item]
        self._waiting[item] = time.monotonic()
        self._observer.added(item.kind)
        self._ready.put_nowait(item)

    async def _worker(self, most: int, *, finish: bool) -> None:
        while True:
            item = await self._ready.get()
            namespace = item.key[0]
            if self._workers[namespace] >= most:
                self._held.setdefault(namespace, deque()).append(item)
                continue
            self._workers[namespace] += 1
            began = self._running[item] = time.monotonic()
            self._observer.started(item.kind, began - self._waiting.pop(item))
            work = asyncio.create_task(self._attempt(item))
            try:
                requeue = await asyncio.shield(work)
            except asyncio.CancelledError:
                if not finish:
                    work.cancel()
                await work
                raise
            finally:
                del self._running[item]
                self._observer.ended(item.kind, time.monotonic() - began)
                self._release(namespace)
            self._requeue(item, requeue)

    def _release(self, namespace: str) -> None:
        self._workers[namespace] -= 1
        if not self._workers[namespace]:
            del self._workers[namespace]
        if held := self._held.get(namespace):
            self._ready.put_nowait(held.popleft())
            if not held:
                del self._held[namespace]

    def _requeue(self, item: ObjectReference, requeue: Requeue) -> None:
        changed = item in self._again
        self._again.discard(item)
        if requeue.backoff:
            count = self._failures[item] = self._failures.get(item, 0) + 1
            self._observer.retried(item.kind)
            delay = min(FIRST_RETRY * 2 ** (count - 1), LONGEST_RETRY)
            # A random part spreads the retries after an outage of the API server.
            self._schedule(item, delay * random.uniform(0.75, 1.0))  # noqa: S311 - no secret
        else:
            self._failures.pop(item, None)
            if requeue.delay is not None:
                self._schedule(item, max(requeue.delay, self._debounce))
        if changed:
            self._schedule(item, self._debounce)

    async def _attempt(self, item: ObjectReference) -> Requeue:
        try:
            return await self._work(item)
        except ClusterError as error:
            _log.warning("not reconciled", item=_name(item), error=error.message)
            return Requeue.with_backoff() if error.transient else Requeue.NO
        except Exception:  # noqa: BLE001 - a fault in one resource must not stop the others
            _log.exception("reconcile failed", item=_name(item))
            return Requeue.with_backoff()


def _name(item: ObjectReference) -> str:
    return f"{item.kind} {item.key[0]}/{item.key[1]}"
