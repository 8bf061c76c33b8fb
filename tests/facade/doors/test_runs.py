"""A run and its readers: whoever reads, whenever and however slowly, gets everything once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.tools import ToolCall
from omnia_facade.backend.events import (
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.runs.log import LogBudget
from omnia_facade.runs.reader import Collector
from omnia_facade.runs.run import Run, RunOptions, RunState
from omnia_facade.runs.table import RunLimits, RunTable

ASK = ToolCallEvent(ToolCall("c1", "pick"), by_client=True)


class ScriptedConnection:
    """A backend that says pieces, one in each round of the event loop, and asks for tools."""

    def __init__(self, script: Sequence[str | ToolCallEvent]) -> None:
        self._script = script
        self._results: asyncio.Queue[ClientToolResult] = asyncio.Queue()
        self.cancelled = False
        self.said = 0

    variant = "stable"

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:  # noqa: ARG002 - the port's
        for entry in self._script:
            if self.cancelled:
                return Done("", finish_reason=CANCELLED)
            if isinstance(entry, str):
                self.said += 1
                if not listener.send_text(entry):
                    await listener.drain()
            else:
                await listener.send_event(entry)
                result = await self._results.get()
                listener.send_text(result.rejection or result.result_json)
            await asyncio.sleep(0)
        return Done("")

    def cancel(self) -> None:
        self.cancelled = True

    def send_tool_result(self, result: ClientToolResult) -> None:
        self._results.put_nowait(result)

    def close(self) -> None:
        """Nothing is held."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


class SlowReader(Collector):
    """Takes a rest after every few entries."""

    def __init__(self, rest_after: int, rounds: int) -> None:
        super().__init__()
        self._rest_after = rest_after
        self._rounds = rounds
        self._taken = 0

    def text(self, text: str) -> bool:
        super().text(text)
        self._taken += 1
        return self._taken % self._rest_after != 0

    async def drain(self) -> None:
        for _ in range(self._rounds if self._taken % self._rest_after == 0 else 0):
            await asyncio.sleep(0)


def run_of(script: Sequence[str | ToolCallEvent], **options: Any) -> tuple[Run, ScriptedConnection]:
    connection = ScriptedConnection(script)
    budget = LogBudget(options.pop("budget", 64 << 20))
    run = Run("r1", TurnRequest("s1"), connection, RunOptions(**options), budget=budget)
    return run, connection


PIECES = [f"p{number} " for number in range(40)]


@given(
    readers=st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 7), st.integers(0, 9), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_every_reader_of_a_kept_run_gets_everything_once(
    readers: list[tuple[int, int, int, bool]],
) -> None:
    async def check() -> None:
        run, _ = run_of(PIECES, keep=True)
        run.start()
        following = []
        for begins, rest_after, rounds, merged in sorted(readers):
            reader = SlowReader(rest_after, rounds)

            async def follow(
                reader: SlowReader = reader, begins: int = begins, merged: bool = merged
            ) -> SlowReader:
                for _ in range(begins):
                    await asyncio.sleep(0)
                await run.follow(reader, merged=merged)
                return reader

            following.append(follow())
        for reader in await asyncio.gather(*following):
            assert "".join(reader.texts) == "".join(PIECES)
            assert isinstance(reader.outcome, Done)

    asyncio.run(check())


@given(
    begins=st.integers(0, 30),
    rest_after=st.integers(1, 5),
    rounds=st.integers(0, 9),
    limit=st.sampled_from([100, 1 << 20]),
)
def test_a_run_without_a_log_waits_for_its_only_reader(
    begins: int, rest_after: int, rounds: int, limit: int
) -> None:
    async def check() -> None:
        run, _ = run_of(PIECES, log_bytes=limit)
        run.start()
        for _ in range(begins):
            await asyncio.sleep(0)
        reader = SlowReader(rest_after, rounds)
        await run.follow(reader)
        assert "".join(reader.texts) == "".join(PIECES)

    asyncio.run(check())


async def test_a_run_that_nobody_reads_yet_is_held_when_its_log_is_full() -> None:
    run, connection = run_of(PIECES, log_bytes=300)
    run.start()
    await asyncio.sleep(0.05)
    assert 0 < connection.said < len(PIECES)
    reader = Collector()
    await run.follow(reader)
    assert "".join(reader.texts) == "".join(PIECES)


async def test_a_kept_run_goes_on_when_its_log_is_full_and_nobody_reads() -> None:
    run, _ = run_of(PIECES, keep=True, log_bytes=300)
    run.start()
    await run.ended()
    assert not run.replayable


async def test_a_slow_reader_of_a_full_log_still_gets_everything() -> None:
    run, _ = run_of(PIECES, keep=True, log_bytes=300)
    slow, quick = SlowReader(3, 9), Collector()
    following = [asyncio.ensure_future(run.follow(slow)), asyncio.ensure_future(run.follow(quick))]
    await asyncio.sleep(0)
    run.start()
    await asyncio.gather(*following)
    assert "".join(slow.texts) == "".join(quick.texts) == "".join(PIECES)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_parked_run_goes_on_with_its_result(keep: bool) -> None:
    run, _ = run_of(["before ", ASK, " after"], keep=keep, client_tools=True)
    run.start()
    first, second = Collector(), Collector()
    await run.follow(first)
    assert (run.state, [event.call.id for event in first.pending]) == (RunState.WAITING, ["c1"])
    assert run.answer([ClientToolResult("c1", '"May 7"')])
    assert not run.answer([ClientToolResult("c1", '"May 8"')])
    await run.follow(second, run.position)

    assert "".join(first.texts) == "before "
    assert "".join(second.texts) == '"May 7" after'
    assert isinstance(second.outcome, Done)


async def test_a_call_that_no_door_can_answer_is_rejected_at_once() -> None:
    run, _ = run_of([ASK, " then"])
    run.start()
    reader = Collector()
    await run.follow(reader)
    assert "no tools of the client" in "".join(reader.texts)
    assert reader.events == []


async def test_a_call_that_is_not_answered_is_rejected_after_its_time() -> None:
    run, _ = run_of([ASK], keep=True, client_tools=True, client_tool_seconds=0.2)
    run.start()
    assert isinstance(await run.ended(), Done)
    late = Collector()
    await run.follow(late)
    assert "did not answer" in "".join(late.texts)
    assert any(isinstance(event, ToolResultEvent) for event in late.events)


async def test_a_run_that_waits_for_another_can_be_cancelled_before_it_began() -> None:
    first, _ = run_of([ASK], client_tools=True)
    second, connection = run_of(PIECES, waits=True)
    first.start()
    second.start(first)
    await asyncio.sleep(0.01)
    assert second.state is RunState.SUBMITTED
    second.cancel()
    assert await second.ended() == Done("", finish_reason=CANCELLED)
    assert connection.said == 0
    first.cancel()
    first.interrupt()


async def test_a_crash_ends_a_run_with_a_failure() -> None:
    class Crashing(ScriptedConnection):
        async def turn(self, request: Any, listener: Any) -> Done | Failed:  # noqa: ARG002 - as above
            raise RuntimeError("secret")

    run = Run("r", TurnRequest("s"), Crashing([]), RunOptions())
    run.start()
    outcome = await run.ended()
    assert isinstance(outcome, Failed)
    assert "secret" not in outcome.message


async def test_the_oldest_logs_are_forgotten_when_the_pod_has_too_many() -> None:
    table = RunTable(RunLimits(log_bytes=10_000))
    runs = []
    for number in range(8):
        run = Run(
            f"r{number}",
            TurnRequest("s"),
            ScriptedConnection(PIECES),
            RunOptions(keep=True),
            budget=table.budget,
        )
        table.add(run)
        run.start()
        await run.ended()
        table.ended(run)
        runs.append(run)
    assert table.budget.used <= 10_000
    assert [run.replayable for run in runs][-1]
    assert not runs[0].replayable
    assert table.find("r7", "") is runs[7]
    assert table.find("r7", "bob") is None


async def test_an_ended_run_is_forgotten_after_its_time() -> None:
    table = RunTable(RunLimits(kept_seconds=0.05))
    run, _ = run_of(["a"])
    table.add(run)
    run.start()
    await run.ended()
    table.ended(run)
    await asyncio.sleep(0.3)
    assert table.find(run.id, "") is None
    assert list(table.of_session("s1", "")) == []
