"""The work that is due: one resource is never worked on twice at a time, failures back off."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.port import ClusterError
from omnia_operator.resolve import Key

# Events of one change come in bursts: a moment's patience makes one reconciliation of them.
DEBOUNCE = 0.1
FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
# The API server answers within milliseconds; more would queue there instead of here.
CONCURRENCY = 16

_log = structlog.get_logger()


class Item(NamedTuple):
    """A custom resource that has to be looked at."""

    kind: ObjectKind
    key: Key


Work = Callable[[Item], Awaitable[bool | float]]
"""Works on an item; returns whether to do it again without being asked: True for soon, and then
less and less often, or the seconds until then."""


class WorkQueue:
    """Delivers items to workers, each at most once at a time."""

    def __init__(self, work: Work, *, debounce: float = DEBOUNCE) -> None:
        self._work = work
        self._debounce = debounce
        self._due: dict[Item, asyncio.TimerHandle] = {}
        self._ready: asyncio.Queue[Item] = asyncio.Queue()
        self._waiting: set[Item] = set()
        self._running: set[Item] = set()
        self._again: set[Item] = set()
        self._failures: dict[Item, int] = {}

    @property
    def depth(self) -> int:
        """How many items wait for a worker."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, runs, or is due."""
        return not (self._due or self._waiting or self._running)

    def add(self, item: Item, delay: float = 0.0) -> None:
        """Work on an item soon. What is due earlier stays due earlier."""
        if item in self._waiting:
            return
        if item in self._running:
            self._again.add(item)
            return
        self._schedule(item, max(delay, self._debounce))

    async def run(self, concurrency: int = CONCURRENCY, *, finish: bool = True) -> None:
        """Work until cancelled; what was begun is then finished or, without `finish`, dropped."""
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._worker(finish=finish))

    def clear(self) -> None:
        """Forget everything that waits."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()

    def _schedule(self, item: Item, delay: float) -> None:
        loop = asyncio.get_running_loop()
        timer = self._due.get(item)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._due[item] = loop.call_later(delay, self._put, item)

    def _put(self, item: Item) -> None:
        del self._due[item]
        self._waiting.add(item)
        self._ready.put_nowait(item)

    async def _worker(self, *, finish: bool) -> None:
        while True:
            item = await self._ready.get()
            self._waiting.discard(item)
            self._running.add(item)
            work = asyncio.create_task(self._attempt(item))
            try:
                retry = await asyncio.shield(work)
            except asyncio.CancelledError:
                if not finish:
                    work.cancel()
                await work
                raise
            finally:
                self._running.discard(item)
            self._follow_up(item, retry=retry)

    def _follow_up(self, item: Item, *, retry: bool | float) -> None:
        changed = item in self._again
        self._again.discard(item)
        if retry is True:
            count = self._failures[item] = self._failures.get(item, 0) + 1
            delay = min(FIRST_RETRY * 2 ** (count - 1), LONGEST_RETRY)
            # Not all at once, when the API server was away for everyone.
            self._schedule(item, delay * random.uniform(0.75, 1.0))  # noqa: S311 - no secret
        else:
            self._failures.pop(item, None)
            if retry is not False:
                self._schedule(item, max(retry, self._debounce))
        if changed:
            self._schedule(item, self._debounce)

    async def _attempt(self, item: Item) -> bool | float:
        try:
            return await self._work(item)
        except ClusterError as error:
            _log.warning("not reconciled", item=_name(item), error=error.message)
            return error.transient
        except Exception:  # noqa: BLE001 - one resource's fault must not stop the others
            _log.exception("reconcile failed", item=_name(item))
            return True


def _name(item: Item) -> str:
    return f"{item.kind} {item.key[0]}/{item.key[1]}"
