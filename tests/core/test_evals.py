"""The evaluations of a pack: read, sampled, and decided."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from omnia_core.errors import ConfigurationError
from omnia_core.files.evals import evals_of, read_evals
from omnia_core.files.evals.outcome import Requirement, requirement
from omnia_core.files.evals.readers import TYPES
from omnia_core.files.evals.rules import Judged, ToolsCalled
from omnia_core.files.evals.sampling import SESSION, sampled
from omnia_core.files.pack import Pack
from omnia_core.files.pack.document import TemplateEngine
from omnia_core.files.pack.prompt import Eval, Prompt, Threshold
from omnia_core.files.placement import bucket_of
from omnia_core.files.validators import Includes
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import EvalOutcome

VECTORS = {
    "session-1": {0: 1432, 1: 385, 2: 4533, 7: 2970},
    "sess-abc": {0: 3902, 1: 7612, 2: 1650, 7: 8051},
    "11111111-2222-3333-4444-555555555555": {0: 7077, 1: 5821, 2: 4504, 7: 2466},
}


def declared(kind: str, params: JsonObject | None = None, **others: Any) -> Eval:
    return structs.replace(Eval("e", kind, "every_turn", params=params or {}), **others)


def problem(each: Eval) -> str:
    specs, problems = read_evals([each])
    assert specs == []
    return problems[0]


@pytest.mark.parametrize("session", VECTORS)
def test_the_place_of_a_turn_depends_on_session_and_number_alone(session: str) -> None:
    for turn, place in VECTORS[session].items():
        assert bucket_of(f"{session}:{turn}") == place
        assert sampled(session, turn, (place + 1) / 100)
        assert not sampled(session, turn, place / 100)


@given(st.text(max_size=40), st.integers(0, 1000), st.floats(0, 100), st.floats(0, 100))
def test_what_a_rarer_evaluation_takes_is_part_of_what_a_more_frequent_one_takes(
    session: str, turn: int, one: float, other: float
) -> None:
    if sampled(session, turn, min(one, other)):
        assert sampled(session, turn, max(one, other))


def test_all_are_taken_at_100_percent_and_none_at_0() -> None:
    assert all(sampled(f"s{number}", SESSION, 100) for number in range(500))
    assert not any(sampled(f"s{number}", SESSION, 0) for number in range(500))


def test_neighbouring_turns_are_sampled_independently() -> None:
    both = sum(sampled(f"s{n}", 1, 10) and sampled(f"s{n}", 2, 10) for n in range(20_000))
    assert 120 < both < 280  # 1 % of 20,000 is 200; three standard deviations are 42


def test_the_evaluations_of_a_prompt_win_over_those_of_its_pack() -> None:
    prompt = Prompt("p", "p", "1.0.0", "Be kind.", evals=[declared("json_valid", id="b")])
    pack = Pack(
        "p",
        "p",
        "1.0.0",
        TemplateEngine("v1", "{{variable}}"),
        {"p": prompt},
        evals=[declared("min_length", id="a"), declared("max_length", id="b")],
    )
    found = {each.id: each.type for each in evals_of(pack, prompt)}
    assert found == {"a": "min_length", "b": "json_valid"}


def test_parameters_have_types() -> None:
    specs, problems = read_evals(
        [
            declared("content_includes", {"patterns": ["a"]}),
            declared("tools_called", {"tools": ["t"], "min_calls": 2, "max_calls": 3}),
            declared("llm_judge", {"criteria": "kind", "judge": "strict", "scope": "session"}),
        ]
    )
    assert problems == []
    contains, called, judged = specs
    assert contains.rule == Includes(("a",), every=True)
    assert called.rule == ToolsCalled(("t",), 2, 3)
    assert isinstance(judged.rule, Judged)
    assert (judged.judge, judged.session, contains.judge) == ("strict", True, "")


@pytest.mark.parametrize(
    ("each", "said"),
    [
        (declared("no_such"), 'evals.e.type: "no_such" is not known'),
        (declared("contains", {"pattern": "a"}), "evals.e.params.patterns: is required"),
        (declared("contains", {"patterns": ["a"], "x": 1}), "evals.e.params.x: is not known"),
        (declared("regex", {"pattern": "("}), "RE2 refuses it"),
        (declared("tool_args", {"tool": "t"}), "expected_args: is required"),
        (declared("tool_call_count", {"tool": "t"}), "params.min: is required"),
        (declared("llm_judge", {"criteria": "c", "min_score": 1}), "belongs into the threshold"),
        (declared("cost_budget"), "max_cost_usd: is required"),
        (declared("latency_budget", {"max_ms": -1}), "expected a number from 0 on, found -1"),
        (declared("json_valid", trigger="on_workflow_step"), "is not run"),
        (declared("json_valid", threshold=Threshold("~", 1)), "evals.e.threshold.operator"),
        (declared("json_valid", threshold=Threshold(">=")), "value: is required"),
        (declared("json_valid", when={"tool": "t"}), "evals.e.when"),
        (declared("assertion"), "params.eval_type: is required"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(each: Eval, said: str) -> None:
    assert said in problem(each)


def test_what_is_not_enabled_is_not_read() -> None:
    assert read_evals([declared("no_such", enabled=False)]) == ([], [])


def test_only_triggers_that_sample_have_a_percentage() -> None:
    (always,), _ = read_evals([declared("json_valid", sample_percentage=5.0)])
    (rarely,), _ = read_evals(
        [declared("json_valid", trigger="sample_turns", sample_percentage=5.0)]
    )
    assert (always.sample_percentage, rarely.sample_percentage) == (100.0, 5.0)


def test_an_assertion_is_its_evaluation_with_a_threshold() -> None:
    inner = {"eval_type": "contains", "eval_params": {"patterns": ["a", "b"]}, "min_score": 0.5}
    (spec,), problems = read_evals([declared("assertion", inner)])
    assert problems == []
    assert spec.type == "contains"
    assert str(spec.requirement) == ">= 0.5"
    (strict,), _ = read_evals([declared("assertion", {**inner, "min_score": None})])
    assert str(strict.requirement) == ">= 1"


@pytest.mark.parametrize(
    ("threshold", "score", "passed", "outcome"),
    [
        (None, 0.2, None, EvalOutcome.SCORED),
        (None, 0.0, False, EvalOutcome.FAILED),
        (None, 1.0, True, EvalOutcome.PASSED),
        (Threshold(">=", 0.8), 0.8, None, EvalOutcome.PASSED),
        (Threshold("gte", 0.8), 0.79, None, EvalOutcome.FAILED),
        (Threshold("<", 0.5), 0.4, False, EvalOutcome.PASSED),
        (Threshold("!=", 0.5), 0.5, None, EvalOutcome.FAILED),
        (Threshold(min_score=0.2, max_score=0.6), 0.6, None, EvalOutcome.PASSED),
        (Threshold(min_score=0.2, max_score=0.6), 0.7, None, EvalOutcome.FAILED),
        (Threshold(passed=True), 0.9, True, EvalOutcome.PASSED),
        (Threshold(passed=True), 0.9, False, EvalOutcome.FAILED),
        (Threshold(passed=False), 0.0, False, EvalOutcome.PASSED),
        (Threshold(passed=True), 1.0, None, EvalOutcome.PASSED),
        (Threshold(passed=True), 0.9, None, EvalOutcome.FAILED),
        (Threshold(">=", 0.5, min_score=0.7), 0.6, None, EvalOutcome.FAILED),
    ],
)
def test_a_threshold_of_either_form_decides(
    threshold: Threshold | None, score: float, passed: bool | None, outcome: EvalOutcome
) -> None:
    assert requirement(threshold).outcome(score, passed=passed) is outcome


def test_a_requirement_is_told_in_words() -> None:
    assert str(requirement(Threshold(">", 0.5, passed=True))) == "> 0.5 and passed"
    assert str(Requirement()) == ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = (
    *(
        "patterns",
        "pattern",
        "tools",
        "tool",
        "sequence",
        "expected_args",
        "args_match",
        "min",
        "max",
    ),
    *(
        "schema",
        "criteria",
        "max_ms",
        "max_cost_usd",
        "min_calls",
        "max_calls",
        "scope",
        "expected",
    ),
)


@given(
    st.sampled_from([*TYPES, "assertion", "unknown"]),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), values, max_size=4),
)
def test_any_parameters_are_read_or_refused_with_their_place(kind: str, params: JsonObject) -> None:
    specs, problems = read_evals([declared(kind, params)])
    assert len(specs) + len(problems) == 1
    assert all(each.startswith("evals.e.") for each in problems)


def test_an_unknown_operator_names_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match=">=, >, <=, <, ==, !="):
        requirement(Threshold("about", 1))
