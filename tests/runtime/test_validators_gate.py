"""The gate: what is sent, what is held back, and that it never depends on the chunks."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.files.validators import parse_validators
from omnia_runtime.validators import (
    Blocked,
    OutputBlocked,
    OutputGate,
    Validators,
    compile_validators,
)
from omnia_runtime.validators.personal_data import passes_luhn


def validators(*declared: dict[str, Any]) -> Validators:
    return compile_validators(parse_validators(declared, "validators"))


def opened(*declared: dict[str, Any]) -> OutputGate:
    gate = validators(*declared).gate()
    assert gate is not None
    return gate


def play(guarded: Validators, chunks: Iterable[str]) -> tuple[str, Blocked | None, bool]:
    """Return what was sent, what blocked, and whether the answer was cut."""
    gate, sent = guarded.gate(), ""
    assert gate is not None
    try:
        for chunk in chunks:
            sent += gate.feed(chunk)
        sent += gate.end()
    except OutputBlocked as blocked:
        return sent, blocked.blocked, gate.cut
    return sent, None, gate.cut


@st.composite
def splits(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, list[str]]:
    """A text, and the same in chunks."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return text, [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def pieces(*choices: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(choices), max_size=24).map("".join)


WORDS = ["bad", "adder", "übel", "a b", "bad egg", "\u017fs", "c++"]
WORD_TEXTS = pieces(
    *"abdegül UE.+_s\u017f", "bad", "adder", "BAD", " egg", "Übel", "a b", "c+", "\u0301"
)


def first_word(text: str, *, whole: bool) -> int | None:
    """Return where the first forbidden word begins, decided another way."""
    joins = r"[\w\u0301]"

    def bounded(word: str) -> str:
        left = rf"(?<!{joins})" if word[0].isalnum() else ""
        right = rf"(?!{joins})" if word[-1].isalnum() else ""
        return f"{left}{re.escape(word)}{right}"

    patterns = [bounded(word) if whole else re.escape(word) for word in WORDS]
    found = [re.search(pattern, text, re.IGNORECASE) for pattern in patterns]
    return min((match.start() for match in found if match), default=None)


@pytest.mark.parametrize("mode", ["substring", "word_boundary"])
@given(sample=splits(WORD_TEXTS))
def test_a_banned_word_never_leaves_however_the_answer_is_split(
    mode: str, sample: tuple[str, list[str]]
) -> None:
    text, chunks = sample
    guarded = validators({"type": "banned_words", "params": {"words": WORDS, "match_mode": mode}})
    sent, blocked, _ = play(guarded, chunks)
    begin = first_word(text, whole=mode == "word_boundary")
    assert (blocked is None) is (begin is None)
    assert sent == text if begin is None else text[:begin].startswith(sent)
    assert play(guarded, [text])[1] == blocked


NUMBERS = ["123-45-6789", "4111 1111 1111 1111", "4111111111111111", "3782-822463-10005"]
DATA_TEXTS = pieces(
    *NUMBERS, *"0145 -.@ax\n", "@mail", ".de", "1111", "0000 0000 0000 0", " 4111 1111", "a" * 40
)
ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2}")
CARD = (
    r"[0-9]{13,19}",
    r"[0-9]{4}(?P<s>[ -])[0-9]{4}(?P=s)[0-9]{4}(?P=s)[0-9]{4}",
    r"[0-9]{4}(?P<s>[ -])[0-9]{4}(?P=s)[0-9]{4}(?P=s)[0-9]{4}(?P=s)[0-9]{3}",
    r"[0-9]{4}(?P<s>[ -])[0-9]{6}(?P=s)[0-9]{4,5}",
)


def first_datum(text: str) -> int | None:
    """Return where the first personal datum begins, tried at every place of the whole text."""
    for begin in range(len(text)):
        if ADDRESS.match(text, begin):
            return begin
        if re.search(r"[0-9]\.?\Z", text[:begin]):
            continue
        for end in range(begin + 11, min(begin + 23, len(text)) + 1):
            number, after = text[begin:end], text[end : end + 1]
            if after in set("0123456789"):
                continue
            if re.fullmatch(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", number):
                return begin
            if any(re.fullmatch(each, number) for each in CARD) and passes_luhn(number):
                return begin
    return None


@given(splits(DATA_TEXTS))
def test_personal_data_never_leave_however_the_answer_is_split(
    sample: tuple[str, list[str]],
) -> None:
    text, chunks = sample
    guarded = validators({"type": "pii_leakage"})
    sent, blocked, _ = play(guarded, chunks)
    begin = first_datum(text)
    assert (blocked is None) is (begin is None)
    assert sent == text if begin is None else text[:begin].startswith(sent)
    assert play(guarded, [text])[1] == blocked
    assert play(guarded, text)[1] == blocked


def every_split(text: str) -> Iterator[list[str]]:
    """Yield the text in up to three chunks, cut at every place, and in single characters."""
    yield list(text)
    for second in range(len(text) + 1):
        for first in range(second + 1):
            yield [text[:first], text[first:second], text[second:]]


@pytest.mark.parametrize(
    ("declared", "text", "begin"),
    [
        ({"type": "banned_words", "params": {"words": WORDS}}, "bad egg!", 0),
        ({"type": "banned_words", "params": {"words": ["bad egg", "bad"]}}, "xbad eggs", None),
        ({"type": "banned_words", "params": {"words": ["bad egg"]}}, "xbad egg", None),
        ({"type": "content_excludes", "params": {"patterns": ["abc"]}}, "ababababcab", 6),
        ({"type": "pii_leakage"}, "mail abcdefgh@mail.example", 5),
        ({"type": "pii_leakage"}, "mail " + "a" * 30 + "@b.de", 5),
        ({"type": "pii_leakage"}, "4000 0000 0000 0000 006", 0),
        ({"type": "pii_leakage"}, "4000-0000-0000-0000-006 x", 0),
        ({"type": "pii_leakage"}, "pi 0.4111111111111111 x", None),
        ({"type": "pii_leakage"}, "94111 1111 1111 1111" + " " * 9, None),
        ({"type": "pii_leakage"}, "123-45-67890", None),
    ],
)
def test_a_violation_never_leaves_at_any_split(
    declared: dict[str, Any], text: str, begin: int | None
) -> None:
    guarded = validators(declared)
    verdict = play(guarded, [text])[1]
    assert (verdict is None) is (begin is None)
    for chunks in every_split(text):
        sent, blocked, _ = play(guarded, chunks)
        assert blocked == verdict
        assert sent == text if begin is None else text[:begin].startswith(sent)


@pytest.mark.parametrize(
    ("text", "decided"),
    [
        ("123-45-6789 q", "pii_leakage"),
        ("a@b.cdq.ef", "pii_leakage"),
        ("a@b.q.ef", "content_excludes"),
        ("4111111111111111 q", "pii_leakage"),
    ],
)
def test_of_two_violations_the_one_that_is_complete_first_is_the_verdict(
    text: str, decided: str
) -> None:
    excludes: dict[str, Any] = {"type": "content_excludes", "params": {"patterns": ["q"]}}
    for rules in ([excludes, {"type": "pii_leakage"}], [{"type": "pii_leakage"}, excludes]):
        guarded = validators(*rules)
        blocked = [play(guarded, chunks)[1] for chunks in every_split(text)]
        assert {each.validator_type for each in blocked if each} == {decided}
        assert None not in blocked


def test_of_two_violations_at_one_character_the_first_declared_is_the_verdict() -> None:
    # A number is certain with the character that follows it.
    excludes: dict[str, Any] = {"type": "content_excludes", "params": {"patterns": ["9x"]}}
    rules = [excludes, {"type": "pii_leakage"}]
    for declared in (rules, rules[::-1]):
        guarded = validators(*declared)
        for chunks in every_split("123-45-6789x"):
            blocked = play(guarded, chunks)[1]
            assert blocked is not None
            assert blocked.validator_type == declared[0]["type"]


RULES: list[dict[str, Any]] = [
    {"type": "banned_words", "params": {"words": ["bad", "a b"]}},
    {"type": "content_excludes", "params": {"patterns": ["ad.", "12"]}},
    {"type": "pii_leakage"},
    {"type": "max_length", "params": {"max": 40}},
    {"type": "max_length", "params": {"max": 7}},
    {"type": "min_length", "params": {"min": 5}},
    {"type": "max_sentences", "params": {"max": 2}},
    {"type": "regex", "params": {"pattern": "b..b", "expect_match": False}},
    {"type": "contains_any", "params": {"patterns": ["b", "1"]}},
]
ANY_TEXTS = pieces(*"ab1. @é", "bad", "a@b.de ", "e\u0301", "👩‍👧", "123-45-6789", "x" * 20)


@given(splits(ANY_TEXTS), st.lists(st.sampled_from(RULES), min_size=1, max_size=4))
def test_the_verdict_of_several_validators_does_not_depend_on_the_split(
    sample: tuple[str, list[str]], rules: list[dict[str, Any]]
) -> None:
    text, chunks = sample
    guarded = validators(*rules)
    sent, blocked, cut = play(guarded, chunks)
    at_once, blocked_at_once, cut_at_once = play(guarded, [text])
    assert (blocked, cut) == (blocked_at_once, cut_at_once)
    assert text.startswith(sent)
    if blocked is None:
        assert sent == at_once
        assert cut or sent == text


@given(splits(ANY_TEXTS), st.sampled_from([{"max": 1}, {"max": 9}, {"max": 50}]))
def test_an_answer_that_is_too_long_is_cut_at_its_limit_and_nothing_follows(
    sample: tuple[str, list[str]], params: dict[str, int]
) -> None:
    text, chunks = sample
    sent, blocked, cut = play(validators({"type": "max_length", "params": params}), chunks)
    assert blocked is None
    assert cut is (len(text) > params["max"])
    assert text.startswith(sent)
    assert len(sent) <= params["max"]
    assert len(sent) > params["max"] - 32 if cut else sent == text


def test_of_two_lengths_the_shorter_is_the_limit() -> None:
    lengths = [{"type": "max_length", "params": {"max": number}} for number in (7, 3, 5)]
    assert play(validators(*lengths), "abcdefgh") == ("abc", None, True)


@pytest.mark.parametrize(
    ("text", "limit", "sent"),
    [
        ("ä€🎉x", 3, "ä€🎉"),
        ("abe\u0301", 3, "ab"),
        ("a👩\u200d👧b", 3, "a"),
        ("a👍🏽", 2, "a"),
        ("a🇩🇪🇫🇷", 4, "a🇩🇪"),
        ("a🇩x", 2, "a🇩"),
        ("ax🇩", 2, "ax"),
        ("a🇩🇪🇫🇷", 3, "a🇩🇪"),
        ("a\r\nb", 2, "a"),
        ("e\u0301\u0302", 2, "e\u0301"),
    ],
)
def test_a_cut_counts_characters_and_leaves_each_whole(text: str, limit: int, sent: str) -> None:
    guarded = validators({"type": "max_length", "params": {"max": limit}})
    assert play(guarded, text) == (sent, None, True)


def test_an_answer_under_way_is_held_back_only_where_a_word_may_have_begun() -> None:
    gate = opened({"type": "banned_words", "params": {"words": ["bad", "bad egg"]}})
    assert gate.feed("not so ba") == "not so "
    assert gate.feed("dly") == "badly"
    assert gate.feed(" imba") == " imba"
    assert gate.feed(" b") == " "
    with pytest.raises(OutputBlocked):
        gate.feed("ad e")


def test_the_longest_address_is_held_back_whole_and_a_longer_word_is_not() -> None:
    # 64 characters before the @, and 8 labels of 63 characters; two letters would end it.
    word = "a" * 64 + "@" + ("x-" + "b" * 61 + ".") * 8
    blocked = opened({"type": "pii_leakage"})
    assert blocked.feed(f"to {word}d") == "to "
    with pytest.raises(OutputBlocked, match=r"^pii_leakage: it contains an e-mail address$"):
        blocked.feed("e")

    passing = opened({"type": "pii_leakage"})
    assert passing.feed(f"{word}9") == ""
    assert passing.feed("9") == "a"


def test_personal_data_hold_back_the_word_under_way_and_digits() -> None:
    gate = opened({"type": "pii_leakage"})
    assert gate.feed("Hello wor") == "Hello "
    assert gate.feed("ld, in 2024 ") == "world, in "
    assert gate.feed("we") == "2024 "
    assert gate.end() == "we"


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "regex", "params": {"pattern": "never", "expect_match": False}},
        {"type": "regex", "params": {"pattern": "a"}},
        {"type": "min_length", "params": {"min": 1}},
        {"type": "max_sentences", "params": {"max": 1}},
        {"type": "json_schema", "params": {"schema": {}, "extract_json": True}},
        {"type": "contains_any", "params": {"patterns": ["a"]}},
        {"type": "required_fields", "params": {"fields": ["a"]}},
    ],
)
def test_an_answer_that_is_judged_as_a_whole_is_sent_only_after_its_verdict(
    declared: dict[str, Any],
) -> None:
    gate = opened(declared)
    assert [gate.feed(chunk) for chunk in ("[1] ", "and ", "that.")] == ["", "", ""]
    assert gate.end() == "[1] and that."


def test_a_blocked_answer_never_goes_on() -> None:
    gate = opened({"type": "content_excludes", "params": {"patterns": ["bad"]}})
    with pytest.raises(OutputBlocked):
        gate.feed("bad")
    with pytest.raises(OutputBlocked):
        gate.feed("good")
    with pytest.raises(OutputBlocked):
        gate.end()


def test_what_is_cut_off_is_not_judged() -> None:
    guarded = validators(
        {"type": "max_length", "params": {"max": 5}},
        {"type": "content_excludes", "params": {"patterns": ["bad"]}},
        {"type": "contains", "params": {"patterns": ["ok"]}},
    )
    assert play(guarded, ["ok ba", "d"]) == ("ok ba", None, True)
    assert play(guarded, ["fine.", "ok"])[1] is not None


def test_the_chunk_that_cuts_brings_all_that_is_sent() -> None:
    gate = opened(
        {"type": "max_length", "params": {"max": 5}},
        {"type": "content_excludes", "params": {"patterns": ["bad"]}},
        {"type": "min_length", "params": {"min": 2}},
    )
    assert [gate.feed("ok "), gate.feed("ba"), gate.cut] == ["", "", False]
    assert [gate.feed("d"), gate.cut] == ["ok ba", True]
    assert [gate.feed("more"), gate.end()] == ["", ""]


def test_a_blocked_answer_is_not_a_cut_one_at_any_split() -> None:
    guarded = validators(
        {"type": "max_length", "params": {"max": 9}},
        {"type": "content_excludes", "params": {"patterns": ["bad"]}},
    )
    for chunks in every_split("so bad it is"):
        assert play(guarded, chunks)[2] is False


def test_what_is_cut_is_judged_even_by_a_caller_who_stops_there() -> None:
    gate = opened(
        {"type": "max_length", "params": {"max": 3}},
        {"type": "banned_words", "params": {"words": ["bad"]}},
    )
    with pytest.raises(OutputBlocked):
        gate.feed("badge")


def test_the_gates_of_two_answers_know_nothing_of_each_other() -> None:
    guarded = validators({"type": "content_excludes", "params": {"patterns": ["bad"]}})
    first, second = guarded.gate(), guarded.gate()
    assert first is not None
    assert second is not None
    first.feed("ba")
    assert second.feed("d") + second.end() == "d"
    assert first.end() == "ba"
