"""Validators of a pack: what is accepted, and that nothing is left out in silence."""

from typing import Any

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.files.validators import (
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
    Rule,
    ValidatorSpec,
    parse_validators,
)

WHERE = "prompts.support.validators"
SCHEMA = {"type": "object"}


def parse(*declared: dict[str, Any]) -> list[ValidatorSpec]:
    return parse_validators(declared, WHERE)


@pytest.mark.parametrize(
    ("kind", "params", "rule"),
    [
        ("banned_words", {"words": ["a", "b"]}, Excludes(("a", "b"), whole_words=True)),
        ("banned_words", {"patterns": ["a"]}, Excludes(("a",), whole_words=True)),
        (
            "banned_words",
            {"words": ["a"], "match_mode": "substring"},
            Excludes(("a",), whole_words=False),
        ),
        ("content_excludes", {"patterns": ["a"]}, Excludes(("a",), whole_words=False)),
        (
            "content_not_includes",
            {"words": ["a"], "match_mode": "word_boundary"},
            Excludes(("a",), whole_words=True),
        ),
        ("max_length", {"max": 5}, MaxLength(5)),
        ("length", {"max_characters": 5}, MaxLength(5)),
        ("length", {"max_chars": 5.0}, MaxLength(5)),
        ("max_length", {"max_tokens": 5}, MaxLength(20)),
        ("max_length", {"max_tokens": 5, "max": 7}, MaxLength(7)),
        ("min_length", {"min": 5}, MinLength(5)),
        ("min_length", {"min_characters": 5}, MinLength(5)),
        ("min_length", {"min_chars": 5}, MinLength(5)),
        ("max_sentences", {"max_sentences": 2}, MaxSentences(2)),
        ("sentence_count", {"max": 2}, MaxSentences(2)),
        ("required_fields", {"required_fields": ["x"]}, Includes(("x",), every=True)),
        ("field_presence", {"fields": ["x"]}, Includes(("x",), every=True)),
        ("regex", {"pattern": "a+"}, Matches("a+", expected=True)),
        ("regex_match", {"pattern": "a", "expect_match": True}, Matches("a", expected=True)),
        ("content_matches", {"pattern": "a", "expect_match": False}, Matches("a", expected=False)),
        ("json_valid", {}, Json(None, allow_wrapped=False, extract_json=False)),
        ("is_valid_json", {"allow_wrapped": True}, Json(None, True, False)),
        ("valid_json", {"extract_json": True}, Json(None, False, True)),
        ("json_schema", {"schema": SCHEMA}, Json(SCHEMA, False, False)),
        ("pii_leakage", {}, NoPersonalData()),
        ("pii_detection", {}, NoPersonalData()),
        (
            "pii_detection",
            {"types": ["credit_card", "ssn"]},
            NoPersonalData(frozenset({"credit_card", "ssn"})),
        ),
        (
            "banned_words",
            {"words": ["a"], "case_sensitive": False},
            Excludes(("a",), whole_words=True),
        ),
        ("contains", {"patterns": ["x"]}, Includes(("x",), every=True)),
        ("content_includes", {"patterns": ["x"]}, Includes(("x",), every=True)),
        ("contains_any", {"patterns": ["x"]}, Includes(("x",), every=False)),
        ("content_includes_any", {"patterns": ["x"]}, Includes(("x",), every=False)),
    ],
)
def test_a_declaration_becomes_a_rule(kind: str, params: dict[str, Any], rule: Rule) -> None:
    assert parse({"type": kind, "enabled": True, "params": params}) == [ValidatorSpec(kind, rule)]


def test_direction_and_message_are_read_and_the_declared_message_wins() -> None:
    params = {"direction": "both", "message": "no", "patterns": ["x"]}
    first, second = parse(
        {"type": "contains", "params": params},
        {"type": "contains", "params": params, "message": "never", "id": "a", "extensions": {}},
    )
    assert (first.direction, first.message) == ("both", "no")
    assert second.message == "never"


@pytest.mark.parametrize("fail_on_violation", [True, False])
def test_a_validator_is_enforced_whatever_fail_on_violation_says(fail_on_violation: bool) -> None:
    assert parse({"type": "pii_leakage", "fail_on_violation": fail_on_violation})


def test_what_is_not_enabled_is_left_out_whatever_it_is() -> None:
    kept = {"type": "pii_leakage"}
    assert parse({"type": "toxicity", "enabled": False}, kept) == parse(kept)


def test_every_wrong_validator_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"type": "x"}, {"type": "json_valid"}, {"type": "min_length"}, {"enabled": 1})
    assert f"{WHERE}[0].type: " in caught.value.message
    assert f"{WHERE}[2].params.min: " in caught.value.message
    assert f"{WHERE}[3].enabled: " in caught.value.message


@pytest.mark.parametrize(
    ("declared", "place", "problem"),
    [
        ({}, "[0].type", "is required and missing; known: banned_words"),
        ({"type": "nonsense"}, "[0].type", '"nonsense" is not known; known: banned_words'),
        ({"type": ["x"]}, "[0].type", "is not known"),
        ({"type": "toxicity"}, "[0].type", "needs a model or a classifier as judge"),
        ({"type": "sentiment", "params": {}}, "[0].type", "enabled: false"),
        ({"type": "hallucination"}, "[0].type", "does not have: remove the validator"),
        ({"type": "json_valid", "enabled": "no"}, "[0].enabled", "true or false"),
        ({"type": "json_valid", "params": []}, "[0].params", "expected an object"),
        ({"type": "json_valid", "message": 1}, "[0].message", "expected a text"),
        ({"type": "json_valid", "fail_on_violation": 42}, "[0].fail_on_violation", "true or false"),
        (
            {"type": "pii_leakage", "params": {"types": ["ssn", "iris_scan"]}},
            "[0].params.types[1]",
            '"iris_scan" is not detected; expected credit_card, email, ssn',
        ),
        ({"type": "pii_leakage", "params": {"types": []}}, "[0].params.types", "at least one"),
        (
            {"type": "banned_words", "params": {"words": ["a"], "case_sensitive": True}},
            "[0].params.case_sensitive",
            "expected false",
        ),
        ({"type": "json_valid", "direction": "input"}, "[0].direction", "known: type"),
    ],
)
def test_a_broken_declaration_names_its_place(
    declared: dict[str, Any], place: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(declared)
    assert caught.value.message.startswith(f"{WHERE}{place}: ")
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("kind", "params", "problem"),
    [
        ("banned_words", {}, "words: is required and missing; another name for it: patterns"),
        ("banned_words", {"words": []}, "words: expected a list of texts with at least one"),
        (
            "banned_words",
            {"words": "bad"},
            "words: expected a list of texts with at least one, fou",
        ),
        ("banned_words", {"words": ["a", ""]}, 'words[1]: expected a text, found ""'),
        ("banned_words", {"words": ["a", 1]}, "words[1]: expected a text, found 1"),
        ("banned_words", {"words": ["a"], "patterns": ["b"]}, "patterns: means the same as words"),
        ("banned_words", {"words": ["a"], "match_mode": "x"}, "match_mode: expected substring or"),
        ("banned_words", {"words": ["a"], "matchmode": "x"}, "matchmode: is not known; known here"),
        (
            "max_length",
            {},
            "max: is required and missing; another name for it: max_characters, max_chars, ",
        ),
        ("max_length", {"max": 0}, "max: expected a whole number from 1 on, found 0"),
        (
            "max_length",
            {"max_chars": "5"},
            'max_chars: expected a whole number from 1 on, found "5"',
        ),
        ("max_length", {"max": True}, "max: expected a whole number from 1 on, found true"),
        ("max_length", {"max": 1.5}, "max: expected a whole number"),
        ("min_length", {"max": 3}, "min: is required"),
        ("max_sentences", {}, "max_sentences: is required"),
        ("required_fields", {"fields": {}}, "fields: expected a list"),
        ("regex", {}, "pattern: is required and missing"),
        ("regex", {"pattern": "("}, "pattern: RE2 refuses it: missing ): ("),
        ("regex", {"pattern": "(?=a)b"}, "pattern: RE2 refuses it: invalid perl operator: (?="),
        ("regex", {"pattern": r"(a)\1"}, r"pattern: RE2 refuses it: invalid escape sequence: \1"),
        (
            "regex",
            {"pattern": "\ud800"},
            "pattern: RE2 refuses it: it contains half of a surrogate",
        ),
        ("regex", {"pattern": "a", "expect_match": "no"}, "expect_match: expected true or false"),
        ("json_schema", {}, "schema: is required and missing"),
        ("json_schema", {"schema": True}, "schema: expected an object, found true"),
        (
            "json_schema",
            {"schema": {"type": "objekt"}},
            "schema: is not a valid JSON Schema: /type",
        ),
        ("contains", {"patterns": ["a"], "direction": "sideways"}, "direction: expected input or"),
        ("pii_leakage", {"judge": "x"}, "judge: is not known; known here: direction, message"),
        ("contains_any", {"patterns": ["a"], "min_score": 0.5}, "min_score: is not known"),
    ],
)
def test_a_wrong_parameter_stops_the_pack_instead_of_the_validator(
    kind: str, params: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"type": "pii_leakage"}, {"type": kind, "params": params})
    assert caught.value.message.startswith(f"{WHERE}[1].params.{problem}")
