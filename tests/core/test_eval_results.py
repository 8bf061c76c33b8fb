"""Results of evaluations in the session stores; every driver passes this contract."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from omnia_core.names import EvalOutcome
from omnia_core.sessions import AuditTrail, EvalResult, Message
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.evaluations import MOST_RESULTS
from tests.core.session_beds import KINDS, TTL, Bed, bed_of

CALL = ProviderCall("2026-03-01T12:00:00Z", "judge", "m-1", "success", cost_usd=0.25)
HELLO = Message("user", "hello")
RESULT = EvalResult(
    session="a",
    turn=1,
    at="2026-03-01T12:00:00.250Z",
    evaluation="polite",
    type="contains",
    trigger="every_turn",
    source="inline",
    outcome=EvalOutcome.FAILED,
    score=0.25,
    passed=False,
    threshold=">= 0.5",
    explanation='it does not contain "please"',
    duration_ms=0.5,
    variant="canary",
    pack_version="1.0.0",
)
JUDGED = structs.replace(
    RESULT,
    source="worker",
    outcome=EvalOutcome.ERROR,
    score=None,
    passed=None,
    explanation="",
    error="the judge took too long",
    cost_usd=0.125,
    judge_model="m-1",
)


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        await made.store.append("a", [HELLO], expected_length=0)
        yield made


async def test_results_come_back_as_they_were(bed: Bed) -> None:
    assert await bed.store.add_eval_results([JUDGED, RESULT]) == 2
    assert await bed.other.eval_results("a") == [RESULT, JUDGED]


async def test_of_each_turn_evaluation_and_source_there_is_one_result(bed: Bed) -> None:
    others = [
        structs.replace(RESULT, turn=2),
        structs.replace(RESULT, evaluation="1:inline:polite"),
        structs.replace(RESULT, source="manual"),
    ]
    assert await bed.store.add_eval_results([RESULT]) == 1
    again = structs.replace(RESULT, score=1.0, outcome=EvalOutcome.PASSED)
    assert await bed.store.add_eval_results([again, *others]) == 3
    assert await bed.store.add_eval_results([again, *others]) == 0
    found = await bed.store.eval_results("a")
    assert {each.key for each in found} == {each.key for each in (RESULT, *others)}
    assert [each.score for each in found] == [0.25] * 4


async def test_of_writers_at_once_one_keeps_its_result(bed: Bed) -> None:
    results = [structs.replace(RESULT, score=number / 20) for number in range(20)]
    stores = [bed.store, bed.other]
    added = await asyncio.gather(
        *(stores[number % 2].add_eval_results([each]) for number, each in enumerate(results))
    )
    assert sum(added) == 1
    assert await bed.store.eval_results("a") == [results[added.index(1)]]


async def test_results_of_an_unknown_session_are_left_out(bed: Bed) -> None:
    unknown = structs.replace(RESULT, session="b")
    assert await bed.store.add_eval_results([unknown, RESULT]) == 1
    assert await bed.store.eval_results("b") == []
    assert await bed.store.eval_results("a") == [RESULT]


async def test_a_new_session_does_not_inherit_results(bed: Bed) -> None:
    await bed.store.add_eval_results([RESULT])
    await bed.advance(TTL.seconds)
    await bed.store.append("a", [HELLO], expected_length=0)
    assert await bed.store.eval_results("a") == []


async def test_results_live_as_long_as_their_session_and_do_not_renew_it(bed: Bed) -> None:
    await bed.advance(40)
    await bed.store.add_eval_results([RESULT])
    await bed.store.eval_results("a")
    await bed.advance(TTL.seconds - 40)
    assert await bed.store.load("a") is None


async def test_results_are_renewed_with_their_session(bed: Bed) -> None:
    await bed.store.add_eval_results([RESULT])
    await bed.advance(40)
    await bed.store.load("a")
    await bed.advance(40)
    assert await bed.store.eval_results("a") == [RESULT]
    session = await bed.store.load("a")
    assert session
    assert session.messages == (HELLO,)


async def test_ids_and_texts_may_be_any_text(bed: Bed) -> None:
    await bed.store.append("é\0\\0", [HELLO], expected_length=0)
    result = structs.replace(RESULT, session="é\0\\0", explanation="ünï\ncode 🙂", evaluation="a:b")
    assert await bed.store.add_eval_results([result]) == 1
    assert await bed.store.eval_results("é\0\\0") == [result]
    nul = structs.replace(RESULT, explanation="a\0b")
    assert await bed.store.add_eval_results([nul]) == 1
    (found,) = await bed.store.eval_results("a")
    assert found.explanation in ("a\0b", "a\ufffdb")


async def test_calls_are_added_to_the_costs_of_the_day_with_new_results_alone(bed: Bed) -> None:
    today = datetime.now(UTC).date()
    assert await bed.store.spent(today) == 0
    await bed.store.add_eval_results([RESULT], [CALL, CALL])
    await bed.store.add_eval_results([RESULT], [CALL])
    await bed.store.add_eval_results([structs.replace(RESULT, session="b")], [CALL])
    assert await bed.other.spent(today) == 0.5
    assert await bed.other.spent(today.replace(day=1)) == 0.5
    assert await bed.other.spent(today, ["judge", "other"]) == 0.5
    assert await bed.other.spent(today, ["other"]) == 0
    assert await bed.other.spent(today + timedelta(days=1)) == 0


async def test_the_calls_of_turns_and_names_are_added_to_the_costs(bed: Bed) -> None:
    today = datetime.now(UTC).date()
    audit = AuditTrail("completed", provider_calls=(CALL,))
    await bed.store.append("a", [HELLO], expected_length=1, audit=audit)
    assert await bed.other.spent(today) == 0.25
    await bed.store.rename("a", "n", expected_name="", audit=AuditTrail(provider_calls=(CALL,)))
    assert await bed.other.spent(today) == 0.5
    await bed.store.add_costs([CALL])
    assert await bed.other.spent(today) == (0.5 if bed.store.keeps_audit else 0.75)


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_a_store_in_memory_keeps_a_bounded_number(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with bed_of(kind, request) as bed:
        await bed.store.append("a", [HELLO], expected_length=0)
        results = [structs.replace(RESULT, turn=turn) for turn in range(1, MOST_RESULTS + 2)]
        assert await bed.store.add_eval_results(results) == MOST_RESULTS + 1
        found = await bed.store.eval_results("a")
        assert MOST_RESULTS // 2 <= len(found) <= MOST_RESULTS
        assert found[-1].turn == MOST_RESULTS + 1
        assert await bed.store.load("a")
