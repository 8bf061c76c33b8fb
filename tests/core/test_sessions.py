"""The contract of the session store; every driver passes it."""

import pytest

from omnia_core.sessions import Message, Session, SessionConflict, SessionStore
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration

TTL = Duration.parse("60s")


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> SessionStore:
    return MemorySessionStore(TTL, clock=clock)


HELLO = Message(role="user", content="hello")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")


async def test_a_session_begins_with_its_first_append(store: SessionStore) -> None:
    assert await store.load("a") is None
    assert await store.append("a", [HELLO], expected_length=0) == 1
    assert await store.append("a", [ANSWER], expected_length=1) == 2
    assert await store.load("a") == Session("a", (HELLO, ANSWER))


async def test_sessions_do_not_see_each_other(store: SessionStore) -> None:
    await store.append("a", [HELLO], expected_length=0)
    assert await store.load("b") is None


async def test_an_append_after_another_writer_is_refused_whole(store: SessionStore) -> None:
    await store.append("a", [HELLO], expected_length=0)
    with pytest.raises(SessionConflict, match="send the message again"):
        await store.append("a", [HELLO, ANSWER], expected_length=0)
    assert await store.load("a") == Session("a", (HELLO,))


async def test_a_session_ends_after_its_time_to_live(store: SessionStore, clock: Clock) -> None:
    await store.append("a", [HELLO], expected_length=0)
    clock.now = TTL.seconds
    assert await store.load("a") is None
    assert await store.append("a", [HELLO], expected_length=0) == 1


async def test_reading_and_writing_begin_the_time_to_live_anew(
    store: SessionStore, clock: Clock
) -> None:
    await store.append("a", [HELLO], expected_length=0)
    await store.append("b", [HELLO], expected_length=0)
    clock.now = 40
    await store.load("a")
    clock.now = 70
    await store.append("a", [ANSWER], expected_length=1)
    clock.now = 120
    assert await store.load("a") == Session("a", (HELLO, ANSWER))
    assert await store.load("b") is None
