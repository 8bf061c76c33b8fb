"""What is computed of two sides of the same sessions, and what a difference of two runs says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_cli.evaluation.comparison import compare, interval, mcnemar, quantile
from omnia_cli.evaluation.differences import broken, differences
from omnia_cli.evaluation.results import ExitCode, Report, report
from omnia_core.conversation.usage import Usage
from omnia_core.files.evals.case_results import CaseResult, Evaluation, RecordedSide
from omnia_core.names import EvalOutcome


def result(score: float, turn: int = 1, name: str = "e", why: str = "") -> Evaluation:
    outcome = EvalOutcome.PASSED if score >= 1 else EvalOutcome.FAILED
    return Evaluation(name, "contains", turn, outcome, score, explanation=why)


def answer(before: list[float], now: list[float], **others: object) -> CaseResult:
    def results(scores: list[float]) -> tuple[Evaluation, ...]:
        return tuple(result(score, turn) for turn, score in enumerate(scores, 1))

    side = RecordedSide(results(before), Usage(cost_usd=0.2), 100.0)
    values = {"usage": Usage(cost_usd=0.1), "latency_ms": 300.0, **others}
    return CaseResult(0, results=results(now), recorded=side, **values)  # type: ignore[arg-type]


def test_the_quantiles_are_those_of_the_tables() -> None:
    table = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962}
    for degrees, value in table.items():
        assert quantile(degrees) == pytest.approx(value, rel=0.01)


def test_mcnemars_test_is_exact() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(0.0625)
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)


@given(st.lists(st.floats(-1, 1), max_size=30))
def test_an_interval_has_its_mean_and_stays_among_scores(values: list[float]) -> None:
    found = interval(values)
    assert (found is None) is (len(values) < 2)
    if found:
        low, high = found
        mean = sum(values) / len(values)
        assert -1 <= low <= mean + 1e-9
        assert mean - 1e-9 <= high <= 1


def test_each_session_counts_once_however_long_it_is() -> None:
    made = compare("a", "2", {"short": answer([1], [0]), "long": answer([1] * 9, [1] * 9)})
    (only,) = made.evals
    assert (only.pairs, only.difference, only.lost, only.gained) == (10, -0.5, 1, 0)
    assert (made.cost_usd.recorded, made.cost_usd.candidate) == (0.4, 0.2)
    assert (made.cost_usd.ratio, made.model_ms.ratio) == (0.5, 3.0)
    assert made.exit_code is ExitCode.PASSED


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([answer([1], [1])] * 9, ExitCode.PASSED),
        ([answer([0], [1])] * 9, ExitCode.PASSED),
        ([answer([1], [0])] * 9, ExitCode.FAILED),
        ([answer([1], [0])], ExitCode.PASSED),
        ([answer([1], [1]), CaseResult(0, error="away")], ExitCode.FAILED),
        ([answer([1], [1], calls=10, unmatched=3)], ExitCode.NOT_EVALUATED),
        ([CaseResult(0, not_asked="media")], ExitCode.NOT_EVALUATED),
        ([], ExitCode.NOT_EVALUATED),
    ],
)
def test_the_exit_code_tells_worse_from_not_compared(
    answers: list[CaseResult], code: ExitCode
) -> None:
    made = compare("a", "2", {str(number): each for number, each in enumerate(answers)})
    assert made.exit_code is code


def test_a_session_with_a_fifth_unmatched_calls_is_compared_and_no_more() -> None:
    fifth, more = answer([1], [1], calls=10, unmatched=2), answer([1], [1], calls=10, unmatched=3)
    made = compare("a", "2", {"fifth": fifth, "more": more})
    assert [each.reason for each in made.sessions] == [
        "",
        "not comparable: 3 of 10 tool calls are not recorded",
    ]


def run(*answers: CaseResult) -> Report:
    return report("a", ["one", "two"], answers, 1.0)


def test_a_difference_says_of_each_case_what_changed_and_why() -> None:
    before = run(
        CaseResult(0, answer="12 March", results=(result(1), result(1, name="kind"))),
        CaseResult(1, answer="Bye", results=(result(1),)),
    )
    why = 'it does not contain "March"'
    now = run(
        CaseResult(0, answer="Soon", results=(result(0, why=why), result(1, name="new"))),
        CaseResult(1, answer="Bye!", results=(result(1),)),
    )
    assert list(differences(before, now)) == [
        "broken: one",
        f"      e: passed 1.00 -> failed 0.00: {why}",
        "      kind: passed 1.00 -> not there",
        "      new: not there -> passed 1.00",
        '      answer: "12 March" -> "Soon"',
        "e: mean score 1.00 -> 0.50",
    ]
    assert broken(before, now)
    assert not broken(now, before)
    assert list(differences(now, now)) == []


def test_a_difference_counts_repetitions_and_names_what_was_not_answered() -> None:
    before = run(CaseResult(0, 1, "a", (result(1),)), CaseResult(0, 2, "a", (result(1),)))
    now = run(CaseResult(0, 1, "a", (result(1),)), CaseResult(0, 2, error="away"))
    assert list(differences(before, now))[:3] == [
        "broken: one",
        "      2 of 2 answers passed, now 1 of 2",
        '      answer: "a" -> none (away)',
    ]


def test_what_a_budget_ended_is_neither_passed_nor_failed() -> None:
    made = run(CaseResult(0, results=(result(1),)), CaseResult(1, not_asked="--max-cost"))
    assert [case.passed for case in made.cases] == [True, False]
    assert made.exit_code is ExitCode.NOT_EVALUATED
    failed = run(CaseResult(0, results=(result(0),)), CaseResult(1, not_asked="--max-cost"))
    assert failed.exit_code is ExitCode.FAILED
