"""The contract of the session store; every driver passes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import AuditTrail, Message, Session, SessionConflict
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.retention import Retention
from tests.core.session_beds import KINDS, TTL, Bed, bed_of

HELLO = Message(role="user", content="hello")
PART = Message(role="assistant", content="h", finish_reason="interrupted")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


async def test_a_session_begins_with_its_first_append(bed: Bed) -> None:
    assert await bed.store.load("a") is None
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1
    assert await bed.store.append("a", [ANSWER], expected_length=1) == 2
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))


async def test_messages_come_back_as_they_were(bed: Bed) -> None:
    messages = (
        Message(role="assistant", tool_calls=(ToolCall("1", "look_up", '{"a": "é\\u0000"}'),)),
        Message(role="tool", content="ünï\ncode \x00", tool_call_id="1", is_error=True),
        Message(role="assistant", content="", finish_reason="cancelled", created_at="2026-01-01"),
        Message("user", "and?", pack_version="1.0.0", variant="candidate", user_id="5a3f"),
        Message("user", "kept", variables={"plan": "ünï\n\x00", "empty": ""}),
        Message("user", "kept too", variables={}),
    )
    await bed.store.append("a", messages, expected_length=0)
    assert await bed.store.load("a") == Session("a", messages)


async def test_sessions_do_not_see_each_other(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.load("b") is None


async def test_an_append_after_another_writer_is_refused_whole(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    with pytest.raises(SessionConflict, match="send the message again"):
        await bed.store.append("a", [HELLO, ANSWER], expected_length=0)
    assert await bed.store.load("a") == Session("a", (HELLO,))


async def test_of_many_writers_at_once_one_wins(bed: Bed) -> None:
    async def write(number: int) -> bool:
        try:
            message = Message(role="user", content=str(number))
            await bed.store.append("a", [message, ANSWER], expected_length=0)
        except SessionConflict:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(50)))

    session = await bed.store.load("a")
    assert won.count(True) == 1
    assert session
    assert session.messages == (Message(role="user", content=str(won.index(True))), ANSWER)


async def test_a_session_ends_after_its_time_to_live(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.advance(TTL.seconds)
    assert await bed.store.load("a") is None
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1


async def test_reading_and_writing_begin_the_time_to_live_anew(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.append("b", [HELLO], expected_length=0)
    await bed.advance(40)
    await bed.store.load("a")
    await bed.advance(15)
    await bed.store.append("a", [ANSWER], expected_length=1)
    await bed.advance(50)
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))
    assert await bed.store.load("b") is None


async def test_a_session_that_is_only_read_ends_as_before(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.checkpoint("a", [ANSWER], expected_length=1)
    await bed.store.rename("a", "greetings", expected_name="")
    await bed.advance(20)
    assert await bed.store.read("a") == RecordedSession(
        Session("a", (HELLO,), (ANSWER,), name="greetings")
    )
    await bed.advance(20)
    assert await bed.other.read("a")
    await bed.advance(20)
    assert await bed.store.read("a") is None
    assert await bed.store.load("a") is None
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1


async def test_many_writers_fill_a_session_one_after_another(bed: Bed) -> None:
    async def write(number: int) -> None:
        store = bed.other if number % 2 else bed.store
        length = 0
        while True:
            try:
                message = Message(role="user", content=str(number))
                await store.append("a", [message], expected_length=length)
            except SessionConflict:
                session = await store.load("a")
                assert session
                length = len(session.messages)
            else:
                places[length] = number
                return

    places: dict[int, int] = {}
    await asyncio.gather(*(write(number) for number in range(20)))

    session = await bed.store.load("a")
    assert session
    kept = {place: int(each.content) for place, each in enumerate(session.messages)}
    assert kept == places
    assert sorted(kept.values()) == list(range(20))


async def test_a_long_session_comes_back_in_order(bed: Bed) -> None:
    messages = tuple(Message(role="user", content=f"{number}") for number in range(10_000))
    assert await bed.store.append("a", messages[:5000], expected_length=0) == 5000
    assert await bed.store.append("a", messages[5000:], expected_length=5000) == 10_000
    assert await bed.store.load("a") == Session("a", messages)


async def test_ids_may_be_any_text(bed: Bed) -> None:
    ids = ["a\0", "a\\0", "a", "é 🙂", "'; DROP", "{a}"]
    for number, each in enumerate(ids):
        message = Message(role="user", content=str(number), pack_version="1.0.0\0")
        await bed.store.append(each, [message], expected_length=0)
    for number, each in enumerate(ids):
        session = await bed.other.load(each)
        assert session
        assert session.messages[0].content == str(number)


async def test_a_session_that_ended_is_not_continued(bed: Bed) -> None:
    await bed.store.append("a", [HELLO, ANSWER], expected_length=0)
    await bed.store.checkpoint("a", [PART], expected_length=2)
    await bed.advance(TTL.seconds)
    with pytest.raises(SessionConflict, match="has 0 messages where 2"):
        await bed.store.append("a", [ANSWER], expected_length=2)
    assert await bed.store.load("a") is None
    await bed.store.append("a", [ANSWER], expected_length=0)
    assert await bed.store.load("a") == Session("a", (ANSWER,))


async def test_an_audit_goes_with_its_append_and_changes_nothing_of_the_messages(bed: Bed) -> None:
    call = ProviderCall("2026-01-01T00:00:00Z", "default", "m", "success", cost_usd=0.5)
    audit = AuditTrail("completed", turns=1, turn_ms=12.5, provider_calls=(call,))
    assert await bed.store.append("a", [HELLO], expected_length=0, audit=audit) == 1
    assert await bed.other.append("a", [ANSWER], expected_length=1, audit=audit) == 2
    with pytest.raises(SessionConflict):
        await bed.store.append("a", [ANSWER], expected_length=1, audit=audit)
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))


async def test_the_last_checkpoint_stands_beside_the_session_until_the_next_append(
    bed: Bed,
) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.checkpoint("a", [ANSWER], expected_length=1)
    parts = (PART, Message(role="assistant", content="line\nline \0", finish_reason="interrupted"))
    await bed.store.checkpoint("a", parts, expected_length=1)
    assert await bed.other.load("a") == Session("a", (HELLO,), parts)
    assert await bed.other.append("a", [ANSWER], expected_length=1) == 2
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))


async def test_a_checkpoint_that_comes_late_changes_nothing(bed: Bed) -> None:
    await bed.store.checkpoint("a", [PART], expected_length=0)
    assert await bed.store.load("a") is None
    await bed.store.append("a", [HELLO, ANSWER], expected_length=0)
    await bed.store.checkpoint("a", [PART], expected_length=1)
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER))


async def test_a_checkpoint_begins_the_time_to_live_anew(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.advance(40)
    await bed.store.checkpoint("a", [PART], expected_length=1)
    await bed.advance(40)
    assert await bed.store.load("a") == Session("a", (HELLO,), (PART,))


async def test_a_name_stands_beside_the_messages_and_outlives_appends(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.rename("a", "Größe \\0 und 🙂", expected_name="", audit=AuditTrail())
    await bed.other.checkpoint("a", [PART], expected_length=1)
    assert await bed.other.load("a") == Session("a", (HELLO,), (PART,), name="Größe \\0 und 🙂")
    await bed.other.append("a", [ANSWER], expected_length=1)
    assert await bed.store.load("a") == Session("a", (HELLO, ANSWER), name="Größe \\0 und 🙂")


async def test_a_name_is_replaced_by_the_writer_that_knows_it(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.rename("a", "first", expected_name="")
    assert not await bed.other.rename("a", "late", expected_name="")
    assert await bed.other.rename("a", "second", expected_name="first")
    session = await bed.store.load("a")
    assert session
    assert session.name == "second"


async def test_of_many_names_at_once_one_is_kept(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    stores = (bed.store, bed.other)
    named = await asyncio.gather(
        *(stores[n % 2].rename("a", f"name {n}", expected_name="") for n in range(20))
    )
    session = await bed.store.load("a")
    assert session
    assert named.count(True) == 1
    assert session.name == f"name {named.index(True)}"


async def test_a_name_neither_begins_nor_prolongs_a_session(bed: Bed) -> None:
    assert not await bed.store.rename("a", "of nothing", expected_name="")
    assert await bed.store.load("a") is None
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.advance(40)
    assert await bed.store.rename("a", "old", expected_name="")
    await bed.advance(30)
    assert not await bed.store.rename("a", "late", expected_name="old")
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.load("a") == Session("a", (HELLO,))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_stays_when_the_first_messages_are_deleted(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with bed_of(kind, request, Retention(max_messages=2)) as bounded:
        await bounded.store.append("a", [HELLO, ANSWER], expected_length=0)
        await bounded.store.rename("a", "greetings", expected_name="")
        await bounded.store.append("a", [HELLO, ANSWER], expected_length=2)
        session = await bounded.other.load("a")
    assert session
    assert (session.first, session.length, session.name) == (2, 4, "greetings")
