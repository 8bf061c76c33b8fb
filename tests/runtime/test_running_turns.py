"""Which running turn a signal cancels, and when signals are listened to."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack

from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.signals import CANCEL, Signal, Signals
from omnia_runtime.turns.running import RunningTurns
from tests.runtime.program import LIMIT


class Scripted(Signals):
    """Yields what it is told; each None is a lost connection."""

    def __init__(self, idle_seconds: float = 60.0) -> None:
        self.idle_seconds = idle_seconds
        self.listeners = 0
        self.connections = 0
        self.queue: asyncio.Queue[Signal | None] = asyncio.Queue()

    async def send(self, signal: Signal) -> None:
        self.queue.put_nowait(signal)

    async def listen(self) -> AsyncGenerator[Signal]:
        self.listeners += 1
        self.connections += 1
        try:
            while (signal := await self.queue.get()) is not None:
                yield signal
            raise StoreUnavailable("gone")
        finally:
            self.listeners -= 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.005)


async def test_a_signal_is_for_one_turn_of_a_session() -> None:
    signals, cancelled = Scripted(), list[str]()
    turns = RunningTurns(signals)
    with ExitStack() as stack:
        one = stack.enter_context(turns.running("a", "", lambda: cancelled.append("a")))
        two = stack.enter_context(turns.running("b", "", lambda: cancelled.append("b")))
        one.stored(3)
        two.stored(3)
        # Of an earlier turn, of a later one, of another session, of a kind that is not known.
        for signal in (
            Signal("a", CANCEL, "mia", 1),
            Signal("a", CANCEL, "mia", 5),
            Signal("c", CANCEL, "mia", 3),
            Signal("a", "pause", "mia", 3),
            Signal("b", CANCEL, "mia", 3),
        ):
            await turns.send(signal)
        await until(lambda: bool(cancelled))
        assert cancelled == ["b"]
    await turns.close()


async def test_a_signal_that_overtakes_the_storing_of_its_turn_cancels_it() -> None:
    signals, cancelled = Scripted(), list[str]()
    turns = RunningTurns(signals)
    with turns.running("a", "", lambda: cancelled.append("a")) as turn:
        await turns.send(Signal("a", CANCEL, "mia", 3))
        await until(signals.queue.empty)
        await asyncio.sleep(0)
        assert cancelled == []
        turn.stored(3)
        assert cancelled == ["a"]
    await turns.close()


async def test_signals_are_listened_to_while_there_are_turns_and_a_bit_longer() -> None:
    signals = Scripted(idle_seconds=0.02)
    turns = RunningTurns(signals)
    assert signals.connections == 0
    for _ in range(2):
        with turns.running("a", "", lambda: None), turns.running("b", "", lambda: None):
            await until(lambda: signals.listeners == 1)
        await until(lambda: signals.listeners == 0)
    assert signals.connections == 2
    await turns.close()


async def test_a_connection_is_kept_for_the_next_turn() -> None:
    signals = Scripted(idle_seconds=LIMIT)
    turns = RunningTurns(signals)
    for _ in range(5):
        with turns.running("a", "", lambda: None):
            await until(lambda: signals.listeners == 1)
    assert signals.connections == 1
    await turns.close()
    assert signals.listeners == 0


async def test_a_lost_connection_is_opened_again_and_costs_only_its_signals() -> None:
    signals, cancelled = Scripted(), list[str]()
    turns = RunningTurns(signals)
    with turns.running("a", "", lambda: cancelled.append("a")) as turn:
        turn.stored(1)
        signals.queue.put_nowait(None)
        await until(lambda: signals.connections == 2)
        await turns.send(Signal("a", CANCEL, "", 1))
        await until(lambda: cancelled == ["a"])
    await turns.close()


async def test_without_signals_nothing_is_sent() -> None:
    turns = RunningTurns(None)
    with turns.running("a", "", lambda: None):
        assert not await turns.send(Signal("b", CANCEL, "", 1))
        assert turns.get("a")
        assert turns.get("b") is None
    await turns.close()
