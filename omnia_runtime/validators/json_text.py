"""The JSON value that an answer is, or holds."""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from omnia_core.files.validators import Json

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
