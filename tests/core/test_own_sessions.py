"""What users may do with sessions of their own; every driver passes it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.sessions import AuditTrail, Message, Session
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.own import LIST_START, CursorInvalid, ListedSession, ListPlace, list_place
from omnia_core.sessions.retention import Retention
from tests.core.kept_beds import KEEPING, kept_bed, swept
from tests.core.session_beds import KINDS, TTL, Bed, bed_of

HELLO = Message(role="user", content="hello")
ANSWER = Message(role="assistant", content="hi", finish_reason="stop")


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


@pytest.fixture(params=[each for each in KINDS if each != "redis"])
async def listing(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


async def begin(bed: Bed, session_id: str, user_id: str = "") -> None:
    message = Message(role="user", content="hello", user_id=user_id)
    await bed.store.append(session_id, [message], expected_length=0)


async def ids(bed: Bed, user_id: str = "", limit: int = 10) -> list[str]:
    return [each.id for each in await bed.other.own.of_user(user_id, limit, LIST_START)]


async def test_a_name_that_a_person_gave_is_replaced_by_a_person_only(bed: Bed) -> None:
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.rename("a", "greetings", expected_name="")
    assert await bed.other.own.give_name("a", "My order")
    named = Session("a", (HELLO,), name="My order", name_given=True)
    assert await bed.store.load("a") == named
    assert not await bed.store.rename("a", "better", expected_name="My order", audit=AuditTrail())
    assert not await bed.store.rename("a", "My order", expected_name="")
    await bed.store.append("a", [ANSWER], expected_length=1)
    assert await bed.store.own.give_name("a", "Ünïcode, “new”")
    read = await bed.other.read("a")
    assert read
    assert (read.session.name, read.session.name_given) == ("Ünïcode, “new”", True)


async def test_a_name_that_a_person_gave_neither_begins_nor_prolongs_a_session(bed: Bed) -> None:
    assert not await bed.store.own.give_name("a", "Nothing")
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.advance(TTL.seconds / 2)
    assert await bed.store.own.give_name("a", "Mine")
    await bed.advance(TTL.seconds / 2)
    assert not await bed.store.own.give_name("a", "Late")
    assert await bed.store.load("a") is None
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.load("a") == Session("a", (HELLO,))
    assert await bed.store.rename("a", "greetings", expected_name="")


async def test_a_session_that_its_user_ends_is_gone_for_every_pod(bed: Bed) -> None:
    assert not await bed.store.own.end("a")
    await bed.store.append("a", [HELLO], expected_length=0)
    await bed.store.checkpoint("a", [ANSWER], expected_length=1)
    await bed.store.own.give_name("a", "Mine")
    await bed.store.append("b", [HELLO], expected_length=0)
    assert await bed.other.own.end("a")
    assert await bed.store.load("a") is None
    assert not await bed.store.own.end("a")
    assert not await bed.store.own.give_name("a", "Again")
    assert await bed.store.load("b") == Session("b", (HELLO,))
    assert await bed.store.append("a", [HELLO], expected_length=0) == 1
    assert await bed.store.load("a") == Session("a", (HELLO,))


async def test_a_list_has_the_sessions_of_one_user_the_latest_first(listing: Bed) -> None:
    for number in range(5):
        await begin(listing, f"ada-{number}", "ada")
    await begin(listing, "bob", "bob")
    await begin(listing, "nobody")
    assert await ids(listing, "ada") == [f"ada-{number}" for number in (4, 3, 2, 1, 0)]
    assert await ids(listing, "bob") == ["bob"]
    assert await ids(listing) == ["nobody"]
    assert await ids(listing, "eve") == []


async def test_pages_follow_each_other_without_gaps(listing: Bed) -> None:
    for number in range(5):
        await begin(listing, f"s-{number}", "ada")
    found: list[str] = []
    place = LIST_START
    while page := await listing.store.own.of_user("ada", 2, place):
        found += [each.id for each in page]
        place = list_place(page[-1].place.cursor)
        # A session that begins meanwhile is before the first page.
        await begin(listing, f"late-{len(found)}", "ada")
    assert found == ["s-4", "s-3", "s-2", "s-1", "s-0"]


async def test_sessions_that_ended_are_in_no_list(listing: Bed) -> None:
    await begin(listing, "old", "ada")
    await listing.advance(TTL.seconds / 2)
    await begin(listing, "young", "ada")
    await begin(listing, "deleted", "ada")
    await listing.store.own.end("deleted")
    assert sorted(await ids(listing, "ada")) == ["old", "young"]
    await listing.advance(TTL.seconds / 2)
    assert await ids(listing, "ada") == ["young"]


async def test_what_a_list_tells_of_a_session(listing: Bed) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    call = ProviderCall("2026-11-30T10:00:00Z", "main", "m", "success", "", 1, 800, 200, 0, 0.25)
    began = AuditTrail(status="active", turns=1)
    ended = AuditTrail(status="completed", provider_calls=(call,), turn_ms=5.0)
    odd = "a \\ \0 ü"
    await listing.store.append(odd, [HELLO], expected_length=0, audit=began)
    (running,) = await listing.store.own.of_user("", 10, LIST_START)
    await listing.store.append(odd, [ANSWER], expected_length=1, audit=ended)
    await listing.store.own.give_name(odd, "Greetings")
    (done,) = await listing.store.own.of_user("", 10, LIST_START)
    assert (running.status, done.status) == ("active", "completed")
    assert (done.id, done.name, done.turns) == (odd, "Greetings", 1)
    assert before < done.begun_at <= done.active_at < datetime.now(UTC) + timedelta(seconds=1)
    assert TTL.seconds - 5 < (done.ends_at - done.active_at).total_seconds() < TTL.seconds + 5
    if listing.store.keeps_audit:
        assert (done.tokens, done.cost_usd) == (1000, 0.25)
    else:
        assert (done.tokens, done.cost_usd) == (None, None)


async def test_a_list_has_the_first_words_of_each_session(listing: Bed) -> None:
    said = {
        "a": [Message(role="user", content="Where is\r\nmy \0 parcel?"), ANSWER, HELLO],
        "b": [Message(role="assistant", content="How can I help?"), HELLO],
        "c": [Message(role="user", content="😀" * 500)],
        "d": [Message(role="user"), ANSWER],
        "e": [ANSWER],
    }
    for session_id, messages in said.items():
        await listing.store.append(session_id, messages, expected_length=0)
    await listing.store.own.give_name("a", "Parcel")
    found = await listing.other.own.of_user("", 10, LIST_START)
    assert {each.id: each.first_message for each in found} == {
        "a": "Where is my parcel?",
        "b": "hello",
        "c": "😀" * 80,
        "d": "",
        "e": "",
    }


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "redis"])
async def test_first_words_that_a_policy_deleted_are_in_no_list(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with bed_of(kind, request, Retention(max_messages=2)) as bed:
        for number in range(2):
            said = [Message(role="user", content=f"question {number}"), ANSWER]
            await bed.store.append("a", said, expected_length=2 * number)
            (listed,) = await bed.store.own.of_user("", 10, LIST_START)
            assert listed.first_message == ("" if number else "question 0")


@pytest.mark.parametrize("kind", KEEPING)
async def test_calls_of_functions_are_in_no_list(kind: str, request: pytest.FixtureRequest) -> None:
    async with bed_of(kind, request) as bed:
        audit = AuditTrail(tag="function", turns=1)
        await bed.store.append("call", [HELLO], expected_length=0, audit=audit)
        assert await ids(bed) == []


@pytest.mark.parametrize("kind", KEEPING)
@pytest.mark.parametrize(("days", "kept"), [(30, 1), (None, 0)])
async def test_what_a_policy_keeps_beyond_the_end_stays_when_a_user_ends_a_session(
    kind: str, days: int | None, kept: int, request: pytest.FixtureRequest
) -> None:
    async with kept_bed(kind, request) as database:
        store = database.store(Retention(days=days))
        await store.append("a", [HELLO], expected_length=0)
        assert await store.own.end("a")
        assert await store.load("a") is None
        assert await store.own.of_user("", 10, LIST_START) == []
        assert await database.count("messages") == kept
        found = await database.sessions()
        assert [ended for _, _, ended in found] == [True] * kept
        # The trail has the deletion; its user is that of the session.
        assert await database.count("runtime_events") == kept
        # Whoever reads the history sees that it cannot be continued.
        assert all(lives < timedelta(minutes=5) for lives, _, _ in found)
        await database.advance(timedelta(days=30))
        if days:
            await swept(store)
        assert await database.count("messages") == 0


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=128))
def test_a_cursor_is_the_place_that_it_was_made_of(begun_at: datetime, session_id: str) -> None:
    place = ListPlace(begun_at, session_id)
    try:
        cursor = place.cursor
    except UnicodeEncodeError:
        return
    assert list_place(cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=200))
def test_whatever_a_stranger_gives_is_a_place_or_no_cursor(text: str) -> None:
    try:
        place = list_place(text)
    except CursorInvalid:
        return
    assert place == LIST_START or place.begun_at.tzinfo is UTC


def test_the_beginning_of_a_list_needs_no_cursor() -> None:
    assert list_place("") == LIST_START
    with pytest.raises(CursorInvalid):
        list_place("x" * 2000)
    listed = ListedSession(
        id="a", name="", begun_at=datetime.now(UTC), active_at=datetime.now(UTC),
        ends_at=datetime.now(UTC), turns=0, status="completed",
    )  # fmt: skip
    assert list_place(listed.place.cursor) == listed.place
