"""Checks of whole texts: contents, length, sentences, patterns, JSON."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from omnia_core.files.validators import (
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
)
from omnia_core.jsonvalue import parse_json
from omnia_core.patterns import compile_pattern, finds
from omnia_runtime.validators.checks import TextCheck
from omnia_runtime.validators.words import fold

_MAX_PLACES = 3  # violations of a schema that a detail names

# A run of marks with closing quotes and brackets, before white space or the end; the full stops of
# Chinese and Japanese, which no space follows; an empty line. Possessive, so that it is linear.
_LIST_NUMBER = re.compile(r"[0-9]{1,3}[.)]")
# It begins with a set of characters, which the search for it uses.
_SENTENCE_END = re.compile(
    r"[.!?…。！？\n](?:"  # noqa: RUF001 - these are the characters
    r"(?<=[.!?…])(?<![.!?…][.!?…])[.!?…]*+[\"'”’)\]»]*+(?=\s|\Z)"  # noqa: RUF001
    r"|(?<=[。！？])[。！？]*+[」』”’）]*+"  # noqa: RUF001
    r"|(?<=\n)[^\S\n]*+\n)"
)
_NEXT_CHARACTER = re.compile(r"\s*+(\S)")
_ABBREVIATION = re.compile(
    r"(?:\b[A-Za-z]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|Nr|e\.g|i\.e|z\.B|d\.h))\Z"
)
_ABBREVIATION_LENGTH = 6  # characters: the longest abbreviation, and one before it

_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_JSON_MARK = re.compile(r'["\\{}\[\]]')
_CLOSING_BRACKETS = {"{": "}", "[": "]"}


def includes(rule: Includes) -> TextCheck:
    """Require all of the texts, or one of them."""
    texts = [(fold(text), text) for text in rule.texts]

    def check(text: str) -> str | None:
        folded = fold(text)
        missing = [shown for wanted, shown in texts if wanted not in folded]
        if not missing or (not rule.every and len(missing) < len(texts)):
            return None
        named = ", ".join(f'"{text}"' for text in missing)
        return f"it contains none of {named}" if not rule.every else f"it does not contain {named}"

    return check


def max_length(rule: MaxLength) -> TextCheck:
    """Limit the number of characters."""
    return _bounded(len, "characters", most=rule.characters)


def min_length(rule: MinLength) -> TextCheck:
    """Require a number of characters."""
    return _bounded(len, "characters", least=rule.characters)


def max_sentences(rule: MaxSentences) -> TextCheck:
    """Limit the number of sentences."""
    return _bounded(count_sentences, "sentences", most=rule.sentences)


def matches(rule: Matches) -> TextCheck:
    """Require, or forbid, a match of a pattern."""
    pattern = compile_pattern(rule.pattern)
    detail = "it does not match" if rule.expected else "it matches"

    def check(text: str) -> str | None:
        return None if finds(pattern, text) is rule.expected else f"{detail} {rule.pattern}"

    return check


def json_value(rule: Json) -> TextCheck:
    """Require JSON that is valid against the schema."""
    from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - loaded for the first schema

    schema = compile_schema(True if rule.schema is None else rule.schema)

    def check(text: str) -> str | None:
        try:
            value = read_json(text, rule)
        except JsonNotFound:
            return "it is not JSON"
        # Only the places: the text of a violation quotes the answer.
        found = schema.violations(value, limit=_MAX_PLACES)
        places = ", ".join(violation.pointer or "the root" for violation in found)
        return f"it does not fit the schema at {places}" if found else None

    return check


def _bounded(
    measure: Callable[[str], int], unit: str, *, least: int = 0, most: int | None = None
) -> TextCheck:
    def check(text: str) -> str | None:
        size = measure(text)
        if size < least:
            return f"it has {size} {unit}, at least {least} are required"
        if most is not None and size > most:
            return f"it has {size} {unit}, at most {most} are allowed"
        return None

    return check


def count_sentences(text: str) -> int:
    """Count the sentences; a piece needs a letter, or a digit besides a list number, to count.

    A full stop ends no sentence after an initial or a common abbreviation, nor before a lower case
    letter; "1." at the start of a list item is not a sentence.
    """
    count, begin = 0, 0
    for match in _SENTENCE_END.finditer(text):
        if match[0] == "." and not _ends_sentence(text, match.start()):
            continue
        count += _is_sentence(text[begin : match.end()])
        begin = match.end()
    return count + _is_sentence(text[begin:])


def _ends_sentence(text: str, stop: int) -> bool:
    if _ABBREVIATION.search(text[max(0, stop - _ABBREVIATION_LENGTH) : stop]):
        return False
    after = _NEXT_CHARACTER.match(text, stop + 1)
    return after is None or not after[1].islower()


def _is_sentence(piece: str) -> bool:
    stripped = piece.strip()
    first = stripped[:1]
    if first.isdigit() and _LIST_NUMBER.fullmatch(stripped):
        return False
    return first.isalnum() or any(char.isalnum() for char in stripped)


class JsonNotFound(ValueError):
    """The text contains no JSON value."""


def read_json(text: str, rule: Json) -> Any:
    """Return the JSON value of the text, of its first fenced block, or of a part of the text.

    Raises:
        JsonNotFound: there is no JSON value.
    """
    for candidate in _json_candidates(text, rule):
        try:
            return parse_json(candidate)
        except ValueError:
            continue
    raise JsonNotFound


def _json_candidates(text: str, rule: Json) -> Iterator[str]:
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
        end = _find_closing(text, begin)
        if end < 0:
            return
        yield text[begin:end]
        begin = text.find(opening, end)


def _find_closing(text: str, begin: int) -> int:
    """Return the position after the bracket that closes the one at `begin`; -1 if none does."""
    opening, closing = text[begin], _CLOSING_BRACKETS[text[begin]]
    depth, position, quoted = 0, begin, False
    while match := _JSON_MARK.search(text, position):
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
