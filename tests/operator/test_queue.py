"""The work queue delivers what is due, one resource at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from omnia_core.errors import Code
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import AGENT_RUNTIME, TOOL_REGISTRY
from omnia_operator.references import ObjectReference
from omnia_operator.scheduling import Requeue, WorkQueue, WorkQueues
from omnia_operator.scheduling import queue as queue_module

A = ObjectReference(AGENT_RUNTIME, ("default", "a"))
B = ObjectReference(AGENT_RUNTIME, ("default", "b"))
SECONDS = 5.0


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


async def test_what_can_never_succeed_is_not_tried_again() -> None:
    work = Work()
    work.outcomes = [ClusterError(Code.INVALID_ARGUMENT, "no", transient=False)]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: work.done == [A])
        queue.add(B)
        await work.until(lambda: work.done == [A, B])
        async with asyncio.timeout(SECONDS):
            while not queue.idle:  # noqa: ASYNC110 - bounded above
                await asyncio.sleep(0)


async def test_a_change_does_not_wait_for_the_next_retry() -> None:
    work = Work()
    work.outcomes = [Requeue.with_backoff()]
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: work.done == [A])
        queue.add(A)
        await work.until(lambda: work.done == [A, A])


async def test_work_that_was_begun_is_finished_at_the_end() -> None:
    work = Work()
    work.gate = asyncio.Event()
    async with running(work) as queue:
        queue.add(A)
        await work.until(lambda: A in work.doing)
        asyncio.get_running_loop().call_soon(work.gate.set)

    assert work.done == [A]
