"""When a wait is said to take too long."""

import asyncio
from collections.abc import Callable

import pytest

from omnia_runtime.providers.watchdog import Watchdog


class Timers:
    """A clock that is moved by hand, and the calls that are due by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[asyncio.TimerHandle] = []
        self._loop = asyncio.new_event_loop()
        self._loop.close()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        self.calls.append(asyncio.TimerHandle(when, callback, (), self._loop))
        return self.calls[-1]

    def move(self, to: float) -> None:
        """Move the clock, and make the calls on the way."""
        while due := [each for each in self.calls if each.when() <= to and not each.cancelled()]:
            first = min(due, key=asyncio.TimerHandle.when)
            self.calls.remove(first)
            self.now = first.when()
            first._run()
        self.now = to


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def fired() -> list[float]:
    return []


def watch(timers: Timers, fired: list[float], seconds: float = 10) -> Watchdog:
    return Watchdog(seconds, lambda: fired.append(timers.now), timers)


@pytest.mark.parametrize("began", [0.0, 0.5, 9.5, 10.5, 25.0])
def test_a_wait_is_over_time_exactly_when_its_seconds_are_used_up(
    timers: Timers, fired: list[float], began: float
) -> None:
    watchdog = watch(timers, fired)
    timers.move(began)
    watchdog.since = began
    timers.move(began + 9.9)
    assert fired == []
    timers.move(began + 60)
    assert fired == [began + 10]


def test_short_waits_and_whoever_reads_slowly_are_never_over_time(
    timers: Timers, fired: list[float]
) -> None:
    watchdog = watch(timers, fired)
    for second in range(0, 100, 5):
        timers.move(second)
        watchdog.since = second
    watchdog.since = None
    timers.move(500)
    assert fired == []
    assert len(timers.calls) == 1


def test_a_shorter_time_holds_from_its_change_on(timers: Timers, fired: list[float]) -> None:
    watchdog = watch(timers, fired, 60)
    timers.move(1)
    watchdog.change(2)
    watchdog.since = 1
    timers.move(60)
    assert fired == [3]


def test_a_watchdog_that_was_stopped_does_nothing(timers: Timers, fired: list[float]) -> None:
    watchdog = watch(timers, fired)
    watchdog.since = 0
    watchdog.stop()
    timers.move(60)
    assert fired == []
