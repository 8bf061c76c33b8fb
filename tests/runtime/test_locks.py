"""One turn of a session at a time, and nobody who waits for ever."""

import asyncio

import pytest

from omnia_runtime.turns import session_turns
from omnia_runtime.turns.session_turns import SessionBusy, SessionLocks


async def test_who_comes_while_the_next_turn_is_waking_up_is_refused_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_turns, "WAIT_SECONDS", 0.02)
    sessions, over = SessionLocks(), asyncio.Event()

    async def turn() -> None:
        async with sessions.turn("s"):
            await over.wait()

    async with sessions.turn("s"):
        second = asyncio.create_task(turn())
        await asyncio.sleep(0)
    # The lock is free, and promised to the second.
    async with asyncio.timeout(5):
        with pytest.raises(SessionBusy):
            await turn()
    over.set()
    await second
    async with sessions.turn("s"):
        pass
