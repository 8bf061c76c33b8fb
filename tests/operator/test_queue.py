"""The work queue delivers what is due, one resource at a time."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from omnia_core.errors import Code
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import AGENT_RUNTIME, TOOL_REGISTRY, ObjectKind
from omnia_operator.references import ObjectReference
from omnia_operator.scheduling import Requeue, WorkQueue, WorkQueues
from omnia_operator.scheduling import queue as queue_module
from tests.services import LIMIT

A = ObjectReference(AGENT_RUNTIME, ("default", "a"))
B = ObjectReference(AGENT_RUNTIME, ("default", "b"))
SECONDS = 100.0


class Work:
    """Notes what it is given; each item may be told what to do."""

    def __init__(self) -> None:
        self.done: list[ObjectReference] = []
        self.doing: set[ObjectReference] = set()
        self.outcomes: list[Requeue | Exception] = []
        self.gate: asyncio.Event | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, item: ObjectReference) -> Requeue:
        assert item not in self.doing, "worked on twice at a time"
        self.doing.add(item)
        await self._tell()
        if self.gate is not None:
            await self.gate.wait()
        self.doing.discard(item)
        self.done.append(item)
        await self._tell()
        outcome = self.outcomes.pop(0) if self.outcomes else Requeue.NO
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS), self._changed:
            await self._changed.wait_for(holds)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def running(
    work: Callable[[ObjectReference], Awaitable[Requeue]],
) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(work, debounce=0.001)
    task = asyncio.create_task(queue.run(2))
    try:
        yield queue
    finally:
        queue.clear()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_an_item_that_is_added_often_is_worked_on_once() -> None:
    work = Work()
    async with running(work) as queue:
        for _ in range(10):
            queue.add(A)
        queue.add(B)
        await work.until(lambda: len(work.done) == 2)

    assert sorted(work.done) == [A, B]


async def test_an_item_that_changes_during_its_work_is_worked_on_again_afterwards() -> None:
    work = Work()
    work.gate = asyncio.Event()
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: A in work.doing)
        queue.add(A)
        queue.add(A)
        work.gate.set()
        await work.until(lambda: len(work.done) == 2)

    assert work.done == [A, A]


async def test_one_item_does_not_wait_for_another() -> None:
    work = Work()
    work.gate = asyncio.Event()
    async with running(work) as queue:
        queue.add(A)
        queue.add(B)
        await work.until(lambda: work.doing == {A, B})
        work.gate.set()


@pytest.mark.parametrize(
    "outcome",
    [
        Requeue.with_backoff(),
        ClusterError(Code.UNAVAILABLE, "no answer", transient=True),
        RuntimeError("a fault of ours"),
    ],
    ids=["asked", "transient", "fault"],
)
async def test_what_fails_is_tried_again(
    outcome: Requeue | Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_module, "FIRST_RETRY", 0.001)
    work = Work()
    work.outcomes = [outcome, outcome]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: len(work.done) == 3)


@pytest.fixture
def longest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the random part of a wait as long as it can be."""
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)


def waits(queue: WorkQueue, outcomes: list[Requeue]) -> list[float]:
    """Return the seconds until the next attempt after each outcome."""
    now = asyncio.get_running_loop().time
    result = []
    for outcome in outcomes:
        queue._requeue(A, outcome)
        result.append(queue._due.pop(A).when() - now())
    return result


@pytest.mark.usefixtures("longest_waits")
async def test_waits_grow_with_every_failure_to_a_bound_and_begin_anew_after_a_success() -> None:
    queue = WorkQueue(Work())
    failed = Requeue.with_backoff()
    assert waits(queue, [failed] * 8) == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=0.1)
    assert waits(queue, [Requeue.after(7), failed]) == pytest.approx([7, 1], abs=0.1)
    queue._requeue(A, Requeue.NO)
    assert queue.idle
    assert waits(queue, [failed, failed]) == pytest.approx([1, 2], abs=0.1)


async def test_the_waits_of_many_objects_are_spread() -> None:
    queue = WorkQueue(Work())
    found = []
    for _ in range(50):
        found += waits(queue, [Requeue.with_backoff()])
        queue._failures.clear()
    assert 0.7 < min(found) < 0.85
    assert 0.9 < max(found) < 1.01


async def test_an_object_keeps_the_earlier_of_two_due_times() -> None:
    queue = WorkQueue(Work(), debounce=0.5)
    now = asyncio.get_running_loop().time()
    for delay, due in ((20, 20), (30, 20), (10, 10), (0, 0.5)):
        queue.add(A, delay)
        assert queue._due[A].when() - now == pytest.approx(due, abs=0.2)
    (timer,) = queue._due.values()
    assert not queue.idle
    queue.clear()
    assert queue.idle
    assert timer.cancelled()


async def test_an_object_waits_from_its_due_time_on() -> None:
    queue = WorkQueue(Work(), debounce=0)
    for item in (A, B, A):
        queue.add(item)
    assert (len(queue.waiting()), queue.idle) == (0, False)
    await asyncio.sleep(0.02)
    queue.add(A)
    assert (len(queue.waiting()), queue.idle) == (2, False)
    assert not queue._due


async def test_what_waits_in_both_queues_is_told_together() -> None:
    queues = WorkQueues(Work())
    registry = ObjectReference(TOOL_REGISTRY, ("default", "a"))
    for item in (A, B, registry):
        queues.add(item, 0.01)
    await asyncio.sleep(0.3)
    assert set(queues.waiting()) == {A, B, registry}


async def test_what_has_a_worker_in_either_queue_is_told_together() -> None:
    work = Work()
    work.gate = asyncio.Event()
    queues = WorkQueues(work)
    registry = ObjectReference(TOOL_REGISTRY, ("default", "a"))
    for item in (A, registry):
        queues.add(item)
    task = asyncio.create_task(queues.run())
    async with asyncio.timeout(LIMIT):
        await work.until(lambda: work.doing == {A, registry})
    assert set(queues.running()) == {A, registry}
    work.gate.set()
    task.cancel()
    await asyncio.wait({task})
    assert not queues.running()


async def test_an_object_that_changed_once_is_worked_on_once_more_and_no_oftener() -> None:
    work = Work()
    work.gate = asyncio.Event()
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: A in work.doing)
        assert not queue.idle
        queue.add(A, 30)
        work.gate.set()
        await work.until(lambda: len(work.done) == 2)
        await until_idle(queue)

    assert work.done == [A, A]


async def until_idle(queue: WorkQueue) -> None:
    async with asyncio.timeout(SECONDS):
        while not queue.idle:  # noqa: ASYNC110 - bounded above
            await asyncio.sleep(0.001)


async def test_what_is_due_later_is_worked_on_then() -> None:
    work = Work()
    work.outcomes = [Requeue.after(0.05)]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: work.done == [A])
        began = asyncio.get_running_loop().time()
        await work.until(lambda: work.done == [A, A])
        assert asyncio.get_running_loop().time() - began > 0.04


async def test_asking_tool_servers_holds_up_nothing_else() -> None:
    done, answered = asyncio.Event(), asyncio.Event()

    async def work(item: ObjectReference) -> Requeue:
        if item.kind == TOOL_REGISTRY:
            await answered.wait()
        else:
            done.set()
        return Requeue.NO

    queues = WorkQueues(work)
    task = asyncio.create_task(queues.run())
    for index in range(100):
        queues.add(ObjectReference(TOOL_REGISTRY, ("default", f"tools-{index}")))
    queues.add(A)
    async with asyncio.timeout(SECONDS):
        await done.wait()
        task.cancel()  # and nobody waits for the servers
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_can_never_succeed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "FIRST_RETRY", 0.001)
    work = Work()
    work.outcomes = [ClusterError(Code.INVALID_ARGUMENT, "no", transient=False)]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: work.done == [A])
        queue.add(B)
        await work.until(lambda: work.done == [A, B])
        await until_idle(queue)

    assert work.done == [A, B]


async def test_a_change_does_not_wait_for_the_next_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "FIRST_RETRY", 100.0)
    work = Work()
    work.outcomes = [Requeue.with_backoff()]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: work.done == [A])
        queue.add(A)
        await work.until(lambda: work.done == [A, A])


@pytest.mark.parametrize("finish", [True, False])
async def test_work_that_was_begun_is_finished_at_the_end_or_cancelled(*, finish: bool) -> None:
    work = Work()
    work.gate = asyncio.Event()
    queue = WorkQueue(work, debounce=0.001)
    task = asyncio.create_task(queue.run(2, finish=finish))
    queue.add(A)
    await work.until(lambda: A in work.doing)
    task.cancel()
    for _ in range(10):  # the cancellation arrives
        await asyncio.sleep(0)
    assert task.done() is not finish
    work.gate.set()
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(SECONDS):
            await task

    assert work.done == ([A] if finish else [])


@pytest.mark.parametrize(("kind", "finished"), [(AGENT_RUNTIME, True), (TOOL_REGISTRY, False)])
async def test_at_the_end_an_agent_is_finished_and_discovery_is_dropped(
    kind: ObjectKind, *, finished: bool
) -> None:
    work = Work()
    work.gate = asyncio.Event()
    queues = WorkQueues(work)
    task = asyncio.create_task(queues.run())
    item = ObjectReference(kind, ("default", "a"))
    queues.add(item)
    await work.until(lambda: item in work.doing)
    task.cancel()
    for _ in range(20):  # the cancellation arrives
        await asyncio.sleep(0)
    work.gate.set()
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(SECONDS):
            await task

    assert work.done == ([item] if finished else [])


async def test_an_item_that_fails_does_not_stop_its_worker() -> None:
    work = Work()
    work.outcomes = [RuntimeError("a fault of ours")] * 3
    items = [ObjectReference(AGENT_RUNTIME, ("default", str(number))) for number in range(6)]
    async with running(work) as queue:
        for item in items:
            queue.add(item)
        await work.until(lambda: sorted(work.done) == items)


async def test_a_namespace_never_has_all_workers() -> None:
    work = Work()
    work.gate = asyncio.Event()
    queue = WorkQueue(work, debounce=0.001)
    task = asyncio.create_task(queue.run(4))
    many = [ObjectReference(AGENT_RUNTIME, ("busy", f"a{index}")) for index in range(20)]
    try:
        for item in many:
            queue.add(item)
        await work.until(lambda: len(work.doing) == 3)
        queue.add(A)
        await work.until(lambda: A in work.doing)
        assert len(work.doing) == 4
        assert len(queue.waiting()) == 17
        assert queue.running().keys() == work.doing
        work.gate.set()
        await work.until(lambda: len(work.done) == 21)
        assert set(work.done) == {A, *many}
        assert not queue.waiting()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
