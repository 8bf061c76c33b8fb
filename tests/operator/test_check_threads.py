"""Checks of resources in threads: the event loop goes on, and a namespace takes one thread."""

import asyncio
import threading

import pytest

from omnia_operator.check_threads import CheckThreads
from tests.services import LIMIT


class Blocked:
    """A check that ends when a test lets it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.thread = 0

    def __call__(self) -> str:
        self.thread = threading.get_ident()
        self.begun.set()
        assert self.gate.wait(LIMIT)
        return "checked"


async def test_a_check_runs_beside_the_event_loop() -> None:
    check, checks = Blocked(), CheckThreads()
    running = asyncio.create_task(checks.run("one", check))
    # The loop could not come so far if the check ran on it.
    await asyncio.to_thread(check.begun.wait, LIMIT)
    check.gate.set()
    assert await running == "checked"
    assert check.thread != threading.get_ident()


async def test_a_namespace_has_one_thread_and_the_others_have_theirs() -> None:
    first, second, other, checks = Blocked(), Blocked(), Blocked(), CheckThreads(2)
    other.gate.set()
    second.gate.set()
    running = [asyncio.create_task(checks.run("one", check)) for check in (first, second)]
    assert await checks.run("two", other) == "checked"
    assert not second.begun.is_set()
    first.gate.set()
    assert await asyncio.gather(*running) == ["checked", "checked"]


async def test_a_check_whose_caller_went_away_keeps_the_turn_of_its_namespace() -> None:
    first, second, checks = Blocked(), Blocked(), CheckThreads()
    second.gate.set()
    gone = asyncio.create_task(checks.run("one", first))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    waiting = asyncio.create_task(checks.run("one", second))
    await checks.run("two", lambda: None)
    assert not second.begun.is_set()
    first.gate.set()
    assert await waiting == "checked"


async def test_the_error_of_a_check_is_that_of_its_caller() -> None:
    checks = CheckThreads()
    with pytest.raises(ZeroDivisionError):
        await checks.run("one", lambda: 1 // 0)
    assert await checks.run("one", lambda: 1) == 1
