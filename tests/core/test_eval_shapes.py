"""The evaluations that packs of other products declare: each is read, or named."""

import re
from pathlib import Path

import pytest

from omnia_core.files.evals import read_evals
from omnia_core.files.evals.readers import TYPES
from omnia_core.files.pack.prompt import Eval
from omnia_core.jsonvalue import JsonObject

PAGE = Path(__file__).parents[2] / "docs/how-to/evals.md"
CRITERIA: JsonObject = {"criteria": "It is kind."}
CONTEXT: JsonObject = {"context": "Oak desks take a week.", "question": "When?"}
CALLED: JsonObject = {"tool_name": "look_up", "expected_args": {"id": "A-1", "note": None}}
URL: JsonObject = {"url": "https://judge.example/v1"}

SHAPES: list[tuple[str, JsonObject]] = [
    ("contains", {"patterns": ["oak"]}),
    ("content_includes", {"patterns": ["oak"]}),
    ("contains_any", {"patterns": ["oak", "pine"]}),
    ("content_includes_any", {"patterns": ["oak", "pine"]}),
    ("content_excludes", {"patterns": ["damn"], "match_mode": "word_boundary"}),
    ("content_not_includes", {"patterns": ["damn"]}),
    ("banned_words", {"words": ["damn"]}),
    ("regex", {"pattern": "[A-Z]-[0-9]+", "expect_match": True}),
    ("regex_match", {"pattern": "[A-Z]-[0-9]+"}),
    ("content_matches", {"pattern": "[A-Z]-[0-9]+", "expect_match": False}),
    ("json_valid", {"allow_wrapped": True, "extract_json": True}),
    ("valid_json", {}),
    ("is_valid_json", {}),
    ("json_schema", {"schema": {"type": "object"}, "allow_wrapped": True, "extract_json": True}),
    ("field_presence", {"fields": ["order"]}),
    ("required_fields", {"required_fields": ["order"]}),
    ("min_length", {"min": 1}),
    ("min_length", {"min_characters": 1}),
    ("max_length", {"max": 400}),
    ("max_length", {"max_characters": 400}),
    ("length", {"max": 400}),
    ("sentence_count", {"max": 3}),
    ("max_sentences", {"max_sentences": 3}),
    ("pii_detection", {}),
    ("equals", {"expected": "yes", "ignore_case": True}),
    ("tools_called", {"tool_names": ["look_up"], "min_calls": 1, "max_calls": 2}),
    ("tool_called", {"tools": ["look_up"]}),
    ("tools_not_called", {"tools": ["refund"]}),
    ("tool_args", CALLED),
    ("tool_calls_with_args", {**CALLED, "args_match": {"id": "^A-"}}),
    ("tool_call_count", {"tool": "look_up", "min": 1, "max": 2}),
    ("tool_call_sequence", {"sequence": ["look_up", "refund"]}),
    ("tool_result_includes", {"tool": "look_up", "patterns": ["oak"], "occurrence": 1}),
    ("tool_result_matches", {"tool": "look_up", "pattern": "oak|pine", "occurrence": 2}),
    ("tool_no_repeat", {"tools": ["look_up"], "max_repeats": 1}),
    ("no_tool_errors", {"tools": ["look_up"]}),
    ("tools_called_session", {"tool_names": ["look_up"], "min_calls": 1}),
    ("tools_not_called_session", {"tool_names": ["refund"]}),
    ("tool_args_session", CALLED),
    ("guardrail_triggered", {"validator_type": "banned_words", "should_trigger": True}),
    ("cost_budget", {"max_cost_usd": 0.01, "max_input_tokens": 9, "max_total_tokens": 20}),
    ("latency_budget", {"max_ms": 2000}),
    ("llm_judge", {**CRITERIA, "rubric": "1: polite", "system_prompt": "You judge."}),
    ("llm_judge_session", CRITERIA),
    ("llm_judge_conversation", CRITERIA),
    ("llm_judge_tool_calls", {**CRITERIA, "tools": ["look_up"]}),
    ("faithfulness", {**CONTEXT, "contexts": ["Pine desks take a day."]}),
    ("hallucination", CONTEXT),
    ("answer_relevancy", {}),
    ("contextual_precision", {**CONTEXT, "expected_output": "a week"}),
    ("contextual_recall", {**CONTEXT, "reference": "a week"}),
    ("contextual_relevancy", CONTEXT),
    ("bias", {}),
    ("toxicity", {}),
    ("pii_leakage", {}),
    ("role_violation", {"agent_role": "a support agent"}),
    ("similarity", {"references": ["a week", "seven days"], "min_similarity": 0.8}),
    ("cosine_similarity", {"reference": ["a week", "seven days"], "min_similarity": 0.8}),
    ("rest_eval", {**URL, **CRITERIA, "method": "POST", "headers": {"x": "y"}, "timeout": "30s"}),
    ("rest_eval_session", {**URL, "include_messages": True, "include_tool_calls": True}),
    ("assertion", {"eval_type": "contains", "eval_params": {"patterns": ["oak"]}, "min_score": 1}),
]
"""Types as the format of packs has them, with all parameters that are read."""

TRIGGERS = [
    "every_turn",
    "sample_turns",
    "on_session_complete",
    "on_conversation_complete",
    "sample_sessions",
]


@pytest.mark.parametrize(("kind", "params"), SHAPES)
def test_a_shape_of_other_products_is_read(kind: str, params: JsonObject) -> None:
    declared = [
        Eval(f"e-{trigger}", kind, trigger, params=params, groups=["default", "fast-running"])
        for trigger in TRIGGERS
    ]
    specs, problems = read_evals(declared)
    assert problems == []
    assert [each.id for each in specs] == [each.id for each in declared]


def test_every_type_has_a_shape() -> None:
    assert TYPES.keys() <= {kind for kind, _ in SHAPES}


def missing() -> set[str]:
    """Return the types that the page names as not run."""
    text = PAGE.read_text().partition("### Types that are not run")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row.split(" | ")[0])}


def test_every_type_that_is_not_run_is_on_the_page_and_named_where_it_is_declared() -> None:
    assert len(missing()) == 43
    for kind in missing():
        specs, problems = read_evals([Eval("e", kind, "every_turn", params={})])
        assert specs == []
        assert problems[0].startswith(f'evals.e.type: "{kind}" is not known; known: ')


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("llm_judge", {**CRITERIA, "model": "m"}, "params.model: is that of the Provider"),
        ("llm_judge", {**CRITERIA, "min_score": 1}, "belongs into the threshold"),
        ("faithfulness", {"context_field": "docs"}, "params.context_field: is not known"),
        ("tools_called", {"tools": ["a"], "require_args": True}, "params.require_args: is not"),
        ("rest_eval", {**URL, "headers": {"x": "${KEY}"}}, "variables of the environment"),
    ],
)
def test_a_parameter_that_is_not_read_is_named(kind: str, params: JsonObject, said: str) -> None:
    specs, problems = read_evals([Eval("e", kind, "every_turn", params=params)])
    assert specs == []
    assert said in problems[0]
