"""Judges of a whole text."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from omnia_core.files.validator_rules import (
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
)
from omnia_core.patterns import compile_pattern, finds
from omnia_runtime.validators.checks import Judge
from omnia_runtime.validators.words import fold

_PLACES = 3  # violations of a schema that a detail names


def includes(rule: Includes) -> Judge:
    """All of the texts, or one of them."""
    texts = [(fold(text), text) for text in rule.texts]

    def judge(text: str) -> str | None:
        folded = fold(text)
        missing = [shown for wanted, shown in texts if wanted not in folded]
        if not missing or (not rule.every and len(missing) < len(texts)):
            return None
        named = ", ".join(f'"{each}"' for each in missing)
        return f"it contains none of {named}" if not rule.every else f"it does not contain {named}"

    return judge


def max_length(rule: MaxLength) -> Judge:
    """At most so many characters."""
    return _bounded(len, "characters", most=rule.characters)


def min_length(rule: MinLength) -> Judge:
    """At least so many characters."""
    return _bounded(len, "characters", least=rule.characters)


def max_sentences(rule: MaxSentences) -> Judge:
    """At most so many sentences."""
    return _bounded(count_sentences, "sentences", most=rule.sentences)


def matches(rule: Matches) -> Judge:
    """A pattern is found, or is not."""
    pattern = compile_pattern(rule.pattern)
    detail = "it does not match" if rule.expected else "it matches"

    def judge(text: str) -> str | None:
        return None if finds(pattern, text) is rule.expected else f"{detail} {rule.pattern}"

    return judge


def json_value(rule: Json) -> Judge:
    """The text is JSON and fits the schema."""
    from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - loaded for the first schema

    schema = compile_schema(True if rule.schema is None else rule.schema)

    def judge(text: str) -> str | None:
        try:
            value = read_json(text, rule)
        except NoJson:
            return "it is not JSON"
        # Only places: a violation's text repeats parts of the answer.
        found = schema.violations(value, limit=_PLACES)
        places = ", ".join(each.pointer or "the root" for each in found)
        return f"it does not fit the schema at {places}" if found else None

    return judge


def _bounded(
    measure: Callable[[str], int], unit: str, *, least: int = 0, most: int | None = None
) -> Judge:
    def judge(text: str) -> str | None:
        size = measure(text)
        if size < least:
            return f"it has {size} {unit}, at least {least} are required"
        if most is not None and size > most:
            return f"it has {size} {unit}, at most {most} are allowed"
        return None

    return judge


_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_MARK = re.compile(r'["\\{}\[\]]')
_CLOSING = {"{": "}", "[": "]"}


class NoJson(ValueError):
    """A text that is no JSON value."""


def read_json(text: str, rule: Json) -> Any:
    """Return the value: of the text, of its first fenced block, or of what stands among the text.

    Raises:
        NoJson: there is none.
    """
    for candidate in _candidates(text, rule):
        try:
            return orjson.loads(candidate)
        except ValueError:
            continue
    raise NoJson


def _candidates(text: str, rule: Json) -> Iterator[str]:
    yield text
    if rule.allow_wrapped and (fenced := _FENCED.search(text)):
        yield fenced[1]
    if rule.extract_json:
        yield from _balanced(text, "{")
        yield from _balanced(text, "[")


def _balanced(text: str, opening: str) -> Iterator[str]:
    """Yield the pieces between balanced brackets, one after another."""
    begin = text.find(opening)
    while begin >= 0:
        end = _closed_at(text, begin)
        if end < 0:
            return
        yield text[begin:end]
        begin = text.find(opening, end)


def _closed_at(text: str, begin: int) -> int:
    """Return the place after the bracket that closes the one at `begin`; -1 without one."""
    opening, closing = text[begin], _CLOSING[text[begin]]
    depth, position, quoted = 0, begin, False
    while match := _MARK.search(text, position):
        mark, position = match[0], match.end()
        if mark == "\\":
            position += quoted
        elif mark == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif mark == opening:
            depth += 1
        elif mark == closing:
            depth -= 1
            if depth == 0:
                return position
    return -1


# A run of marks with what closes quotes and brackets, before white space or the end; the full stops
# of Chinese and Japanese, which no space follows; an empty line. Possessive, so that it is linear.
_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]»]*+(?=\s|\Z)|[。！？]++[」』”’）]*+|\n[^\S\n]*+\n"  # noqa: RUF001 - these are the characters
)
_NEXT = re.compile(r"\s*+(\S)")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Za-z]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|Nr|e\.g|i\.e|z\.B|d\.h))\Z"
)
_LOOKED_BACK = 6  # characters: the longest abbreviation, and one before it


def count_sentences(text: str) -> int:
    """Count the sentences; a piece without a letter or digit beside its number is none.

    A full stop ends no sentence after an initial or a common abbreviation, nor before a small
    letter; "1." at the beginning of a list's item is no sentence.
    """
    count, begin = 0, 0
    for match in _END.finditer(text):
        if match[0] == "." and not _ends(text, match.start()):
            continue
        count += _says_something(text[begin : match.end()])
        begin = match.end()
    return count + _says_something(text[begin:])


def _ends(text: str, stop: int) -> bool:
    if _ABBREVIATED.search(text[max(0, stop - _LOOKED_BACK) : stop]):
        return False
    after = _NEXT.match(text, stop + 1)
    return after is None or not after[1].islower()


def _says_something(piece: str) -> bool:
    stripped = piece.strip()
    if re.fullmatch(r"[0-9]{1,3}[.)]", stripped):
        return False
    return any(char.isalnum() for char in stripped)
