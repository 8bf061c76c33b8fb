"""A session that begins with the first turns of another one, in every store."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.sessions import AuditTrail, Message, Session
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import DeletedMessages
from omnia_core.sessions.retention import Retention
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.evals.recorded import answered_turns
from omnia_runtime.turns.fork import ForkOutOfRange, TurnUnanswered, batches, copied, fork, numbered
from omnia_runtime.turns.session_turns import SessionUnknown
from omnia_runtime.turns.turn import Caller
from tests.core.session_beds import KINDS, Bed, bed_of
from tests.runtime.program import LIMIT, Program, Stream, client, said
from tests.runtime.scripted import Mounted
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]

ANN = Caller({"x-omnia-user-id": "ann"})
BOB = Caller({"x-omnia-user-id": "bob"})


def turn(word: str, *, user: str = "ann") -> tuple[Message, Message]:
    return (
        Message("user", word, user_id=user, pack_version="2.0.0", created_at="2026-11-30"),
        Message("assistant", f"{word}!", finish_reason="stop"),
    )


ONE, TWO, THREE = turn("one"), turn("two"), turn("three")


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


def spoken(session: Session | None) -> list[str]:
    assert session
    return [message.content for message in session.messages if message.role != "summary"]


async def test_a_fork_begins_with_the_first_turns_and_the_old_session_stays(bed: Bed) -> None:
    await bed.store.append("old", [*ONE, *TWO, *THREE], expected_length=0)
    await bed.store.rename("old", "Desks", expected_name="")
    before = await bed.store.load("old")

    await fork(bed.other, "old", "new", 2, ANN)

    new = await bed.store.load("new")
    assert new
    assert spoken(new) == ["one", "one!", "two", "two!"]
    assert (new.name, new.user_id, new.pack_version, new.turns) == ("Desks (2)", "ann", "2.0.0", 2)
    assert [each.created_at for each in new.messages] == [each.created_at for each in (*ONE, *TWO)]
    assert await bed.store.load("old") == before
    # Each goes on by itself.
    await bed.store.append("new", turn("four"), expected_length=new.length)
    assert spoken(await bed.store.load("new"))[-2:] == ["four", "four!"]
    assert await bed.store.load("old") == before


async def test_a_fork_without_turns_is_a_session_of_the_same_user_and_version(bed: Bed) -> None:
    await bed.store.append("old", ONE, expected_length=0)

    await fork(bed.store, "old", "new", 0, ANN)

    new = await bed.other.load("new")
    assert new
    assert (spoken(new), new.turns, new.answering) == ([], 0, False)
    assert (new.user_id, new.pack_version) == ("ann", "2.0.0")
    assert new.open_to("ann")
    assert not new.open_to("bob")
    await bed.store.append("new", TWO, expected_length=new.length)
    assert spoken(await bed.store.load("new")) == ["two", "two!"]


async def test_a_long_session_is_copied_in_several_appends(bed: Bed) -> None:
    await bed.store.append("old", [*ONE, *TWO, *THREE], expected_length=0)

    await fork(bed.store, "old", "new", 3, ANN, batch_bytes=200)

    new = await bed.store.load("new")
    assert new
    assert spoken(new) == ["one", "one!", "two", "two!", "three", "three!"]


async def test_what_the_turns_cost_is_counted_once(bed: Bed) -> None:
    call = ProviderCall("2026-11-30T10:00:00Z", "default", "m", "success", cost_usd=0.25)
    audit = AuditTrail("completed", turns=1, turn_ms=10, provider_calls=(call,))
    await bed.store.append("old", ONE, expected_length=0, audit=audit)
    day = datetime.now(UTC).date()
    spent = await bed.store.spent(day)

    await fork(bed.store, "old", "new", 1, ANN)

    assert await bed.store.spent(day) == spent == 0.25
    recorded = await bed.store.read("new")
    assert recorded
    assert recorded.turns == {}
    # The trail of the next turn is that of the second one.
    await bed.store.append("new", TWO, expected_length=2, audit=audit)
    if bed.store.keeps_audit:
        found = await bed.store.read("new")
        assert found
        assert {number: each.usage.cost_usd for number, each in found.turns.items()} == {2: 0.25}


async def test_strangers_and_unknown_sessions_are_one_answer(bed: Bed) -> None:
    await bed.store.append("old", ONE, expected_length=0)
    for session, caller in (("old", BOB), ("old", Caller()), ("none", ANN)):
        with pytest.raises(SessionUnknown):
            await fork(bed.store, session, "new", 0, caller)
    assert await bed.store.load("new") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_whose_first_turns_are_deleted_is_forked_from_what_is_kept(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with bed_of(kind, request, Retention(max_messages=5)) as bed:
        await bed.store.append("old", ONE, expected_length=0)
        await bed.store.append("old", TWO, expected_length=2)
        await bed.store.append("old", turn("half"), expected_length=4)
        await bed.store.append("old", THREE, expected_length=6)
        old = await bed.store.load("old")
        assert old
        assert old.deleted
        assert old.deleted.turns == 2

        with pytest.raises(ForkOutOfRange, match="expected 0, or 2 to 4"):
            copied(old, 1)
        await fork(bed.store, "old", "new", 4, ANN)

        new = await bed.store.load("new")
        assert new
        assert (new.pack_version, new.user_id) == ("2.0.0", "ann")
        assert spoken(new) == spoken(old) == ["half", "half!", "three", "three!"]


def test_summaries_cover_the_same_messages_in_the_fork() -> None:
    summary = Message("summary", "of one and two", covers=4)
    whole = Session("s", (*ONE, *TWO, summary, *THREE))
    assert copied(whole, 2)[-1] == summary
    # Two messages are deleted; one record stands for them.
    cut = Session("s", (*TWO, summary, *THREE), deleted=DeletedMessages(2, 1, "2.0.0", "ann"))
    first, *rest = copied(cut, 3)
    assert (first.role, first.content, first.covers) == ("summary", "", 0)
    assert [each.covers for each in rest if each.role == "summary"] == [3]


def test_a_turn_without_an_answer_is_not_copied() -> None:
    running = Session("s", (*ONE, TWO[0]))
    with pytest.raises(TurnUnanswered, match=r"turn 2 .* fork after turn 1"):
        copied(running, 2)
    assert [each.content for each in copied(running, 1)] == ["one", "one!"]


@given(st.integers(0, 5), st.integers(0, 9))
def test_only_turns_of_the_session_are_asked_for(turns: int, after: int) -> None:
    session = Session("s", tuple(each for n in range(turns) for each in turn(str(n))))
    if after > turns:
        with pytest.raises(ForkOutOfRange, match=rf"expected 0 to {turns}.*found {after}"):
            copied(session, after)
    else:
        made = Session("t", tuple(copied(session, after)))
        assert made.turns == after
        assert spoken(made) == spoken(session)[: 2 * after]


def test_batches_are_as_large_as_they_may_be() -> None:
    messages = [Message("user", "x" * size) for size in (10, 10, 500, 10)]
    sizes = [[len(each.content) for each in batch] for batch in batches(messages, 200)]
    assert sizes == [[10, 10], [500], [10]]
    assert list(batches([], 200)) == []


def test_forks_of_forks_know_where_a_message_was_said() -> None:
    first = Session("b", tuple(copied(Session("a", (*ONE, *TWO)), 2)))
    again = copied(Session("b", (*first.messages, *THREE)), 3)
    assert [each.forked_from for each in again if each.role == "user"] == ["a", "a", "b"]


def test_a_copied_turn_is_evaluated_where_it_was_said() -> None:
    session = Session("b", (*copied(Session("a", (*ONE, *TWO)), 2), *THREE))
    assert [facts.turn for facts in answered_turns(RecordedSession(session))] == [3]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Desk", "Desk (2)"), ("Desk (2)", "Desk (3)"), ("(2)", "(2) (2)"), ("A (b)", "A (b) (2)")],
)
def test_forks_are_numbered(name: str, expected: str) -> None:
    assert numbered(name) == expected


async def test_the_model_is_told_nothing_twice_in_a_fork(mounted: Mounted, start: Start) -> None:
    server = ChatServer([chunk({"content": "fine"}), chunk({}, "stop")])
    async with serving(server) as model:
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            await stream.ask("hello", "old")
            server.refusal = 400, {"error": {"message": "no"}}
            assert (await stream.ask("again?", "old"))[-1].HasField("error")
            server.refusal = None
            # Send again after the failure: the fork is before it.
            for number, after in enumerate((1, 0)):
                new = f"new{number}"
                request = pb.ForkConversationRequest(
                    session_id="old", new_session_id=new, after_turn=after
                )
                answer = await stub.ForkConversation(request, timeout=LIMIT)
                assert answer.state == pb.FORK_STATE_CREATED
                has = pb.HasConversationRequest(session_id=new)
                found = await stub.HasConversation(has, timeout=LIMIT)
                assert found.state == pb.RESUME_STATE_RESUMABLE
                assert said(await Stream(stub).ask("again?", new)) == "fine"
    after_one, empty = (
        [each["content"] for each in body["messages"][1:]] for body in server.bodies[-2:]
    )
    assert after_one == ["hello", "fine", "again?"]
    assert empty == ["again?"]


async def test_each_refusal_of_a_fork_says_why(mounted: Mounted, start: Start) -> None:
    server = ChatServer([chunk({"content": "so far"})], hold=True)
    async with serving(server) as model:
        mounted.write_provider(type="openai", baseURL=f"{model}/v1")
        start()
        async with client(mounted) as stub:

            async def forked(session: str, after: int) -> pb.ForkConversationResponse:
                request = pb.ForkConversationRequest(
                    session_id=session, new_session_id=f"{session}-{after}", after_turn=after
                )
                answer: pb.ForkConversationResponse = await stub.ForkConversation(
                    request, timeout=LIMIT
                )
                return answer

            stream = Stream(stub)
            await stream.send("hi", "s")
            while (message := await stream.read()) is not None and not message.chunk.content:
                pass
            running = await forked("s", 1)
            before = await forked("s", 0)
            beyond = await forked("s", 2)
            unknown = await forked("t", 0)
            await stream.send(cancel=True)
            await stream.turn()
            cancelled = await forked("s", 1)
    assert running.state == pb.FORK_STATE_TURN_RUNNING
    assert "has no answer yet" in running.detail
    assert before.state == cancelled.state == pb.FORK_STATE_CREATED
    assert beyond.state == pb.FORK_STATE_OUT_OF_RANGE
    assert "expected 0 to 1" in beyond.detail
    assert unknown.state == pb.FORK_STATE_NOT_FOUND
