"""The conditions of an analysis: what they mean, what they refuse and where, and their bounds."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_operator.analysis.conditions import ConditionFailed, is_missing, parse_condition
from omnia_operator.analysis.expression import MAX_DEPTH, MAX_LENGTH, ConditionInvalid

NAN = math.nan
ANSWERS: list[tuple[str, Any, bool]] = [
    ("result < 0.05", 0.01, True),
    ("result < 0.05", 0.05, False),
    ("result < 0.05", [0.01], True),
    ("result[0] < 0.05", [0.01], True),
    ("result[0] <= 5e-2 && result[1] > .5", [0.05, 0.6], True),
    ("result[0] >= 0.95 || result[1] != 1", [0.9, 1], False),
    ("!(result > 1)", 1, True),
    ("-result == 2", -2, True),
    ("2 + 3 * 4 == 14 && (2 + 3) * 4 == 20", None, True),
    ("10 - 3 - 2 == 5", None, True),
    ("7 % 4 == 3 && 8 / 4 == 2", None, True),
    ("1 < 2 == true", None, True),
    ("true || false && false", None, True),
    ("result.ok ? result.n > 3 : true", {"ok": True, "n": 3}, False),
    ("result > 1 ? true : result > 0 ? true : false", 1, True),
    ('result == "ok"', "ok", True),
    (r'result == "a\"b\n"', 'a"b\n', True),
    ("result == 'ok'", "bad", False),
    ("result.data.rate < 0.1", {"data": {"rate": 0.05}}, True),
    ('result["data"][0].rate < 0.1', {"data": [{"rate": 0.05}]}, True),
    ("result.absent == nil", {}, True),
    ("result == nil", None, True),
    ("len(result) == 0 || result[0] < 1", [], True),
    ("len(result) == 3", "abc", True),
    ("isNaN(result) || result < 1", NAN, True),
    ("isNaN(result[0])", [], True),
    ("isInf(result)", math.inf, True),
    ("isInf(result)", 1.0, False),
    ("default(result, 0) < 1", [], True),
    ("default(result[0], 2) < 1", [], False),
    ("default(result, 2) < 1", [0.5], True),
    ("abs(result) == 2", -2, True),
    ("result == 1", True, False),
    ("result == 10000000000", 10**10, True),
    ("result > 0", 10**400, True),
    ("result < {{args.limit}}", 0.05, True),
    ("'{{ args.name }}' == 'x'", None, False),
    ("{{args.name}} == 'a\" || true'", None, True),
]
ARGUMENTS = {"limit": "0.1", "name": 'a" || true'}

REFUSED: list[tuple[str, int, str]] = [
    ("", 1, "expected a value, such as result, found the end"),
    ("result <", 9, "expected a value, such as result, found the end"),
    ("result < 0.05)", 14, "expected an operator or the end, found )"),
    ("(result < 1", 12, "expected ), found the end"),
    ("result = 1", 8, "= is no comparison: write =="),
    ("result < 1 & true", 12, "& is no operator: write &&"),
    ("result < 1 and true", 12, "expected an operator or the end, found and"),
    ('result == "ok', 11, "the string has no end: close it in the same line"),
    ("rate < 1", 1, "rate is not known here; the words are result,"),
    ("__import__('os')", 1, "__import__ is not known here"),
    ("len(result, 1) > 0", 1, "len takes 1 values, found 2"),
    ("default(result) > 0", 1, "default takes 2 values, found 1"),
    ("result. > 1", 9, "expected the name of a field, found >"),
    ("result[0 > 1", 13, "expected ], found the end"),
    ("result ? 1", 11, "expected :, found the end"),
    ("result < {{limit}}", 10, "expected an argument as {{args.NAME}}"),
    ("result < $limit", 10, "the character $ has no meaning here"),
    (f"{'(' * 60}result{')' * 60}", MAX_DEPTH + 1, "more than 50 levels"),
    ("1" + " + 1" * 60, 199, "more than 50 levels"),
    ("!" * 60 + "result", MAX_DEPTH + 1, "more than 50 levels"),
    ("result" + "[0]" * 60, 154, "more than 50 levels"),
    ("1" * (MAX_LENGTH + 1), MAX_LENGTH + 1, "expected at most 2000 characters, found 2001"),
]

UNANSWERED: list[tuple[str, Any, str]] = [
    ("result", 0.3, "column 1: expected true or false, found 0.3"),
    ("result && true", 1.0, "column 8: expected true or false, found 1"),
    ("result < 1", "text", 'column 8: expected a number, found "text"'),
    ("result < 1", None, "column 8: expected a number, found nothing"),
    ("result < 1", [1, 2], "column 8: expected a number, found a list of 2 values"),
    ("result < 1", True, "column 8: expected a number, found true"),
    ("result[2] < 1", [1], "column 11: expected a number, found nothing"),
    ("result.a < 1", 3.0, 'column 7: 3 has no "a"'),
    ("result / 0 < 1", 3.0, "column 8: a division by zero"),
    ("result % 0 < 1", 3.0, "column 8: % has no answer for these numbers"),
    ("len(result) > 1", 3.0, "column 1: 3 has no length"),
    ("result < {{args.absent}}", 3.0, "column 10: the argument absent has no value"),
]


@pytest.mark.parametrize(("text", "result", "expected"), ANSWERS)
def test_what_a_condition_means(text: str, result: Any, expected: bool) -> None:
    assert parse_condition(text).holds(result, ARGUMENTS) is expected


@pytest.mark.parametrize(("text", "column", "message"), REFUSED)
def test_a_text_that_is_no_condition_is_refused_at_its_column(
    text: str, column: int, message: str
) -> None:
    with pytest.raises(ConditionInvalid) as refused:
        parse_condition(text)
    assert refused.value.column == column
    assert str(refused.value).startswith(f"column {column}: {message}")


@pytest.mark.parametrize(("text", "result", "message"), UNANSWERED)
def test_a_value_without_an_answer_is_an_error_and_no_verdict(
    text: str, result: Any, message: str
) -> None:
    with pytest.raises(ConditionFailed) as failed:
        parse_condition(text).holds(result, ARGUMENTS)
    assert str(failed.value) == message


def test_a_condition_says_what_it_uses() -> None:
    found = parse_condition("result < {{args.limit}} || {{ args.name }} == 'x'")
    assert found.arguments == {"limit", "name"}
    assert not found.expects_missing
    for text in ("isNaN(result)", "len(result) == 0", "default(result, 0) < 1"):
        assert parse_condition(text).expects_missing


@pytest.mark.parametrize(
    ("result", "missing"),
    [(None, True), ([], True), (NAN, True), ([NAN], True), ([NAN, 1.0], False), (0.0, False)],
)
def test_what_counts_as_missing(result: Any, missing: bool) -> None:
    assert is_missing(result) is missing


PIECES = st.sampled_from(
    [
        *("result", "0.5", "1e309", "'a'", '"b"', "nil", "true", "{{args.limit}}", "(", ")", "["),
        *("]", ".", ",", "?", ":", "+", "-", "*", "/", "%", "<", "<=", "==", "!=", "&&", "||"),
        *("!", "len(", "isNaN(", "isInf(", "default(", "abs(", "a", "0", " ", "\\", "{{", "é"),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def check(text: str, value: Any) -> None:
    column, said = 1, "column "
    try:
        assert isinstance(parse_condition(text).holds(value, ARGUMENTS), bool)
    except ConditionInvalid as error:
        column = error.column
    except ConditionFailed as failed:
        said = str(failed)
    assert 1 <= column <= len(text) + 1
    assert said.startswith("column ")


@given(TEXTS, VALUES)
def test_any_text_is_read_or_refused_and_any_value_answered_or_refused(
    text: str, value: Any
) -> None:
    check(text, value)


@given(st.sampled_from(ANSWERS), st.randoms(use_true_random=False))
def test_a_changed_condition_is_read_or_refused(
    good: tuple[str, Any, bool], chance: random.Random
) -> None:
    text, value, _ = good
    letters = list(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(letters))
        letters[at] = chance.choice(["", "(", ")", letters[at] * 2, "[", "!", "result", "&&", "0"])
    check("".join(letters), value)
