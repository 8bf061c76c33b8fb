"""The audit trail of the last turns; every driver passes this contract."""

from collections.abc import AsyncIterator

import pytest
from msgspec import json, structs

from omnia_core.sessions import AuditTrail, Message
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.mongodb.documents import Owner, append_document, new_session, now
from omnia_core.sessions.mongodb.trails import decode_trail
from omnia_core.sessions.postgres.encoding import encode_audit
from omnia_core.sessions.trail import MOST_RECORDS, TrailRow, TurnTrail, session_trail
from tests.core.session_beds import KINDS, Bed, bed_of, connected
from tests.services import PostgresServer

AT = "2026-03-01T12:00:00.250Z"
CALL = ProviderCall(AT, "default", "m-1", "success", "", 2, 10, 5, 4, 0.5, 12.5, 7.25)
FAILED = ProviderCall(AT, "default", "m-1", "error", "overloaded", 1, duration_ms=20)
TOOL = ToolExecution(AT, "c1", "look_up", "crm", '{"a": 1}', "error", 3.5)
BEGAN = RuntimeEvent(AT, EventKind.TURN_BEGAN)
RETRIED = RuntimeEvent(AT, EventKind.PROVIDER_RETRIED, "default: overloaded")
ENDED = RuntimeEvent(AT, EventKind.TURN_ENDED, "stop")
FIRST = AuditTrail("active", turns=1, events=(BEGAN,))
LAST = AuditTrail("completed", "agent", 0, 40.0, (FAILED, CALL), (TOOL,), (RETRIED, ENDED))
TURN = TurnTrail((FAILED, CALL), (structs.replace(TOOL, arguments=""),), (BEGAN, RETRIED, ENDED))
AUDITED = ["postgres", "sqlite", "mongodb"]


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


async def say(bed: Bed, length: int) -> int:
    """Store a turn, and return the new length of the session."""
    store = bed.store
    await store.append("a", [Message("user", "hello")], expected_length=length, audit=FIRST)
    answer = [Message("assistant", "hi", finish_reason="stop")]
    return await store.append("a", answer, expected_length=length + 1, audit=LAST)


async def test_the_trail_of_the_last_turns_comes_back_as_it_was(bed: Bed) -> None:
    length = 0
    for _ in range(3):
        length = await say(bed, length)
    trail = await bed.other.trail("a", 2)
    if not bed.store.keeps_audit:
        assert trail is None
        return
    assert trail is not None
    assert (trail.length, trail.counted) == (6, 3)
    assert trail.turns == {2: TURN, 3: TURN}
    all_of_them = await bed.store.trail("a", 100)
    assert all_of_them is not None
    assert list(all_of_them.turns) == [1, 2, 3]


async def test_there_is_no_trail_of_an_unknown_session(bed: Bed) -> None:
    assert await bed.store.trail("nobody", 1) is None


@pytest.mark.parametrize("kind", AUDITED)
async def test_a_turn_that_was_told_elsewhere_has_no_number(
    request: pytest.FixtureRequest, kind: str
) -> None:
    async with bed_of(kind, request) as bed:
        said = [Message("user", "before"), Message("assistant", "yes"), Message("user", "now")]
        await bed.store.append("a", said, expected_length=0, audit=FIRST)
        trail = await bed.store.trail("a", 5)
        assert trail is not None
        assert (trail.length, trail.counted, list(trail.turns)) == (3, 1, [1])


def test_a_turn_of_which_records_may_be_missing_is_left_out() -> None:
    newest: list[TrailRow] = [(3, CALL), *[(2, CALL)] * (MOST_RECORDS - 1)]
    assert list(session_trail(6, 3, (newest, [(2, TOOL)], [(1, BEGAN)])).turns) == [3]
    assert list(session_trail(6, 3, (newest[:-1], [(1, TOOL)], [])).turns) == [1, 2, 3]


async def test_a_pod_of_the_version_before_appends_to_the_same_postgresql(
    request: pytest.FixtureRequest, postgres: PostgresServer
) -> None:
    async with bed_of("postgres", request) as bed, connected(postgres.url) as connection:
        await bed.store.append("a", [Message("user", "hello")], expected_length=0, audit=FIRST)
        earlier = json.decode(encode_audit(LAST))
        for call in earlier["provider_calls"]:
            del call["first_word_ms"]
        await connection.execute(
            "SELECT omnia.keep_trail(s, $1::jsonb) FROM omnia.sessions AS s WHERE id = 'a'",
            json.encode(earlier).decode(),
        )
        trail = await bed.store.trail("a", 1)
    assert trail is not None
    without = structs.replace(CALL, first_word_ms=None)
    assert trail.turns[1].provider_calls == (FAILED, without)


def test_mongodb_has_the_calls_of_the_version_before_and_gives_it_no_field_more() -> None:
    session = new_session(Owner("n", "a"), "s", now()) | {"length": 1, "turns": 1}
    append = append_document(session, [Message("assistant", "hi")], LAST, writer="w", time=now())
    before = {*ProviderCall.__struct_fields__} - {"first_word_ms"}
    assert [set(call) for call in append["trail"]["provider_calls"]] == [before, before]
    assert decode_trail(session, [append]).turns[1].provider_calls == (FAILED, CALL)
    del append["trail"]["first_words_ms"]
    without = structs.replace(CALL, first_word_ms=None)
    assert decode_trail(session, [append]).turns[1].provider_calls == (FAILED, without)
