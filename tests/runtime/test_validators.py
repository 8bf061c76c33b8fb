"""What each validator lets through and what it blocks."""

import subprocess
import sys
from typing import Any

import pytest

from omnia_core.files.validators import Json, parse_validators
from omnia_runtime.validators import (
    Blocked,
    OutputBlocked,
    OutputGate,
    Validators,
    compile_validators,
)
from omnia_runtime.validators.compiled import INPUT_MESSAGE
from omnia_runtime.validators.text_checks import JsonNotFound, count_sentences, read_json


def validators(*declared: dict[str, Any]) -> Validators:
    return compile_validators(parse_validators(declared, "validators"))


def play(gate: OutputGate, text: str) -> str:
    return gate.feed(text) + gate.end()


def blocks(kind: str, text: str, **params: Any) -> bool:
    """Whether the text is blocked, as an input and as an answer alike."""
    both = validators({"type": kind, "params": {"direction": "both", **params}})
    on_input = both.check_input(text) is not None
    gate = both.gate()
    assert gate is not None
    try:
        sent = play(gate, text)
    except OutputBlocked:
        assert on_input
        return True
    assert not on_input
    assert sent == text
    return False


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("this is BAD.", True),
        ("bad", True),
        ("a badge", False),
        ("not_bad", False),
        ("forbad", False),
        ("gut, schlecht, ÜBEL!", True),
        ("verübelt", False),
        ("das geht ans eingemachte", True),
        ("c++ is fine", True),
        ("abc++d", False),
        ("abc++", False),
    ],
)
def test_a_banned_word_is_found_as_a_word_in_any_alphabet_and_case(
    text: str, blocked: bool
) -> None:
    assert blocks("banned_words", text, words=["bad", "übel", "ANS eingemachte", "c++"]) is blocked


def test_a_word_that_is_part_of_a_longer_word_is_found_where_substrings_count() -> None:
    assert blocks("content_excludes", "a badge", patterns=["bad"])
    assert blocks("content_excludes", "STRAẞE", patterns=["straße"])
    assert not blocks("content_excludes", "ba d", patterns=["bad"])


def test_the_shorter_of_two_words_is_found_within_the_beginning_of_the_longer() -> None:
    assert blocks("content_excludes", "abcx", patterns=["bc", "abcd"])
    assert blocks("banned_words", "ab bc!", words=["bc", "ab bcd"])


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("write to ada.l+x@mail.example.co.uk please", True),
        ("ada@localhost", False),
        ("a @ b.de", False),
        ("see @ada.example", False),
        ("SSN: 123-45-6789.", True),
        ("1123-45-67890", False),
        ("card 4111 1111 1111 1111", True),
        ("card 4111-1111-1111-1111, thanks", True),
        ("4111111111111111", True),
        ("4111 1111-1111 1111", False),
        ("4111 1111 1111 1112", False),
        ("1234 4111 1111 1111 1111", True),
        ("4111 1111 1111 1111 123", True),
        ("3782 822463 10005", True),
        ("0.4111111111111111", False),
        ("order 41111111111111114111111111111111", False),
        ("In 2024, 12 of 30 - 5 - left 1234-5678.", False),
    ],
)
def test_personal_data_is_addresses_social_security_numbers_and_valid_card_numbers(
    text: str, blocked: bool
) -> None:
    assert blocks("pii_leakage", text) is blocked


@pytest.mark.parametrize("kind", ["email", "ssn", "credit_card"])
def test_personal_data_may_be_some_kinds_of_it(kind: str) -> None:
    texts = {"email": "ada@b.example", "ssn": "123-45-6789", "credit_card": "4111111111111111"}
    found = [name for name, text in texts.items() if blocks("pii_leakage", text, types=[kind])]
    assert found == [kind]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("…", 0),
        ("no full stop", 1),
        ("One. Two! Three?", 3),
        ("Pears, apples, etc. are fruit. Eat them.", 2),
        ("Really?! Yes... No.", 3),
        ("It costs 3.50 at example.com today.", 1),
        ("Dr. Smith met J. Doe, e.g. here. Fine.", 2),
        ('He said "Stop." Then left.', 2),
        ("1. First\n2. Second", 2),
        ("A heading\n\nA text.", 2),
        ("你好。再见\uff01", 2),
    ],
)
def test_a_text_with_more_sentences_than_allowed_is_blocked(text: str, sentences: int) -> None:
    assert not blocks("sentence_count", text, max=max(sentences, 1))
    if sentences > 1:
        assert blocks("max_sentences", text, max_sentences=sentences - 1)


@pytest.mark.parametrize(
    ("kind", "params", "text", "blocked"),
    [
        ("min_length", {"min": 3}, "äöü", False),
        ("min_length", {"min": 4}, "äöü", True),
        ("required_fields", {"fields": ["Name", "age"]}, "NAME: Ada, Age: 36", False),
        ("required_fields", {"fields": ["name", "age"]}, "name: Ada", True),
        ("contains", {"patterns": ["a", "B"]}, "ab", False),
        ("contains", {"patterns": ["a", "b"]}, "a", True),
        ("contains_any", {"patterns": ["a", "b"]}, "B", False),
        ("contains_any", {"patterns": ["a", "b"]}, "c", True),
        ("regex", {"pattern": "^[A-Z]"}, "Abc", False),
        ("regex", {"pattern": "^[A-Z]"}, "abc", True),
        ("regex", {"pattern": r"(?i)\brouting\b", "expect_match": False}, "a Routing n", True),
        ("regex", {"pattern": r"(?i)\brouting\b", "expect_match": False}, "rerouting", False),
        ("regex", {"pattern": "ä.c", "expect_match": False}, "xä\ud800c", True),
        ("json_valid", {}, ' {"a": [1]} ', False),
        ("json_valid", {}, "{'a': 1}", True),
        ("json_valid", {}, "NaN", True),
        ("json_valid", {}, '```json\n{"a": 1}\n```', True),
        ("json_valid", {"allow_wrapped": True}, 'Here:\n```json\n{"a": 1}\n``` ok', False),
        ("json_valid", {}, 'so: {"a": 1}', True),
        ("json_valid", {"extract_json": True}, r'in {x} is {"a": "}\"{"} so', False),
        ("json_valid", {"extract_json": True}, "so: [1, 2]", False),
        ("json_valid", {"extract_json": True}, "so: {", True),
        ("json_schema", {"schema": {"required": ["a"]}}, '{"a": 1}', False),
        ("json_schema", {"schema": {"required": ["a"]}}, '{"b": 1}', True),
        ("json_schema", {"schema": {"required": ["a"]}}, "[", True),
    ],
)
def test_a_validator_judges_the_whole_text(
    kind: str, params: dict[str, Any], text: str, blocked: bool
) -> None:
    assert blocks(kind, text, **params) is blocked


DETAILS: list[tuple[str, dict[str, Any], str, str]] = [
    ("pii_leakage", {}, "123-45-6789 ada@b.example", "it contains a US social security number"),
    ("pii_leakage", {}, "ada@b.example 123-45-6789", "it contains an e-mail address"),
    ("pii_leakage", {}, "4111111111111111 123-45-6789 x", "it contains a payment card number"),
    ("pii_leakage", {}, "123-45-6789", "it contains a US social security number"),
    ("banned_words", {"words": ["bad egg", "bad"]}, "so bad egg!", 'it contains "bad"'),
    ("contains", {"patterns": ["a", "B", "c"]}, "xb", 'it does not contain "a", "c"'),
    ("contains_any", {"patterns": ["a", "B"]}, "x", 'it contains none of "a", "B"'),
    ("min_length", {"min": 3}, "äö", "it has 2 characters, at least 3 are required"),
    ("max_sentences", {"max": 1}, "Ah. Be.", "it has 2 sentences, at most 1 are allowed"),
    ("regex", {"pattern": "a+"}, "b", "it does not match a+"),
    ("regex", {"pattern": "a+", "expect_match": False}, "ba", "it matches a+"),
    ("json_schema", {"schema": {"type": "object"}}, "x", "it is not JSON"),
    (
        "json_schema",
        {"schema": {"type": "array", "items": {"type": "string"}}},
        '[1, "a", 2, 3, 4]',
        "it does not fit the schema at /0, /2, /3",
    ),
    (
        "json_schema",
        {"schema": {"type": "object"}},
        "[1]",
        "it does not fit the schema at the root",
    ),
]


@pytest.mark.parametrize(("kind", "params", "text", "detail"), DETAILS)
def test_a_verdict_says_what_is_wrong(
    kind: str, params: dict[str, Any], text: str, detail: str
) -> None:
    declared = validators({"type": kind, "params": params | {"direction": "input"}})
    blocked = declared.check_input(text)
    assert blocked is not None
    assert (blocked.detail, blocked.direction, blocked.validator_type) == (detail, "input", kind)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("...", 0),
        ("One. Two! Three?", 3),
        ("One.Two", 1),
        ("Dr. No met Mr. Fox. They left.", 2),
        ("It costs 1. 5 more.", 2),
        ("See e.g. this. And z.B. that.", 2),
        ('He said "no." She left.', 2),
        ("One. two", 1),
        ("1. Apples\n2. Pears", 2),
        ("1)", 0),
        ("一。二。三", 3),
        ("A heading\n\nA text", 2),
        ("A line\nand more", 1),
        ("No end", 1),
        ("Hello. !! Bye.", 2),
        ("J. S. Bach", 1),
    ],
)
def test_sentences_are_counted_as_people_count_them(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "more", "value"),
    [
        ("[1]", {}, [1]),
        ("```json\n[1]\n```", {"allow_wrapped": True}, [1]),
        ("```json\n[1]\n```", {}, None),
        ("so: [1] and [2]", {"extract_json": True}, [1]),
        ("so: [1]", {}, None),
        ('[1] {"a": "}"} x', {"extract_json": True}, {"a": "}"}),
        ('{"a": "\\"}"}!', {"extract_json": True}, {"a": '"}'}),
        ("{x} {y} [[2], 3]", {"extract_json": True}, [[2], 3]),
        ("{ [1]", {"extract_json": True}, [1]),
        ("\\[1]", {"extract_json": True}, [1]),
        ("[1", {"extract_json": True}, None),
    ],
)
def test_the_json_of_a_text_is_found(text: str, more: dict[str, bool], value: Any) -> None:
    rule = Json(None, **({"allow_wrapped": False, "extract_json": False} | more))
    if value is None:
        with pytest.raises(JsonNotFound):
            read_json(text, rule)
    else:
        assert read_json(text, rule) == value


def test_a_pattern_that_would_backtrack_for_ever_is_answered() -> None:
    assert not blocks("regex", "a" * 50_000, pattern="(a+)+$")
    assert blocks("regex", "a" * 50_000 + "!", pattern="^(a+)+$")


def test_an_input_that_is_too_long_is_blocked() -> None:
    limit = validators({"type": "max_length", "params": {"max": 3, "direction": "input"}})
    assert limit.check_input("äöü") is None
    assert limit.check_input("äöüx") == Blocked(
        "max_length", INPUT_MESSAGE, "input", "it has 4 characters, at most 3 are allowed"
    )
    assert limit.gate() is None


def test_the_first_declared_validator_speaks_with_its_own_message() -> None:
    several = validators(
        {"type": "contains", "params": {"patterns": ["x"]}},
        {"type": "banned_words", "params": {"words": ["bad"], "direction": "input"}},
        {"type": "min_length", "params": {"min": 9, "direction": "both"}, "message": "Say more."},
    )
    assert several.check_input("good morning") is None
    bad = several.check_input("bad")
    assert bad is not None
    assert (bad.validator_type, bad.detail) == ("banned_words", 'it contains "bad"')
    short = several.check_input("good")
    assert short is not None
    assert short.message == "Say more."


def test_no_validators_leave_no_gate() -> None:
    assert validators().gate() is None
    assert validators().check_input("anything") is None


def test_the_detail_repeats_nothing_of_the_text() -> None:
    secret = "ada@example.com"
    schema = {"properties": {"mail": {"const": "x"}}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"type": "pii_leakage"}, f"mail {secret}"),
        ({"type": "json_schema", "params": {"schema": schema}}, f'{{"mail": "{secret}"}}'),
    ]
    for declared, text in cases:
        gate = validators(declared).gate()
        assert gate is not None
        with pytest.raises(OutputBlocked) as caught:
            play(gate, text)
        assert secret not in f"{caught.value} {caught.value.blocked}"


def test_re2_and_jsonschema_are_loaded_for_the_validator_that_needs_them() -> None:
    program = """
import sys
from omnia_core.files.validators import Json, parse_validators
from omnia_runtime.validators.compiled import compile_validators
def use(kind, **params):
    compile_validators(parse_validators([{"type": kind, "params": params}], "v")).gate()
use("banned_words", words=["a"]); use("max_length", max=3); use("pii_leakage")
assert not {"re2", "jsonschema_rs"} & set(sys.modules)
use("regex", pattern="a")
assert "re2" in sys.modules and "jsonschema_rs" not in sys.modules
use("json_schema", schema={})
assert "jsonschema_rs" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=150)
