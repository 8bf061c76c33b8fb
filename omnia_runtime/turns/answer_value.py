"""The JSON value in the answer of a function's model, which may have words around it."""

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

# A reasoning model's thoughts, where its server does not separate them. Some chat templates begin
# them in the request, so that the answer has the closing tag alone.
_THOUGHTS = re.compile(
    r"\s*(?:<(think|thinking|thought|reasoning)>)?.*?</(?:think|thinking|thought|reasoning)>",
    re.DOTALL | re.IGNORECASE,
)
_THOUGHTS_BEGIN = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"\s*```[A-Za-z0-9]*\s*(.*?)\s*```\s*", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# What begins so and is no JSON is a broken value, whose inner values are not the answer.
_BROKEN = re.compile(r'\{\s*["}]|\[\s*["{\[]')
_MAX_ATTEMPTS = 1000


def answer_value(text: str, fits: Callable[[Any], bool]) -> str:
    """Return the JSON text of the one value in an answer, or the answer if there is no such value.

    A value that is all of the answer is it, whether it fits or not, but for a text that contains
    the value as JSON. Otherwise thoughts before the answer and a code fence around it are removed.
    At last, it is the object or list among words for which `fits` returns True, if all those in the
    answer are equal.
    """
    if _is_json(text):
        return _unquoted(text, fits)
    spoken = _without_thoughts(text)
    fence = _FENCE.fullmatch(spoken)
    for candidate in (spoken, fence[1] if fence else ""):
        if _is_json(candidate):
            return _unquoted(candidate.strip(), fits)
    found: dict[str, Any] = {}
    for candidate in _values(spoken):
        value = orjson.loads(candidate)
        if value not in found.values() and fits(value):
            found[candidate] = value
    return next(iter(found)) if len(found) == 1 else text


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _unquoted(text: str, fits: Callable[[Any], bool]) -> str:
    """Return the JSON inside a JSON text, if that is the value; some models encode it twice."""
    if not text.lstrip().startswith('"'):
        return text
    inner = orjson.loads(text)
    if fits(inner) or not _is_json(inner) or not fits(orjson.loads(inner)):
        return text
    return str(inner)


def _without_thoughts(text: str) -> str:
    if thoughts := _THOUGHTS.match(text):
        return text[thoughts.end() :]
    # Thoughts that do not end are all of the answer.
    return "" if _THOUGHTS_BEGIN.match(text) else text


def _values(text: str) -> list[str]:
    """List the objects and lists in a text, not those inside others; none if one is broken."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    values: list[str] = []
    position = attempts = 0
    while (opening := _OPENING.search(text, position)) and attempts < _MAX_ATTEMPTS:
        attempts += 1
        begin = opening.start()
        try:
            _, position = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            if _BROKEN.match(text, begin):
                return []
            position = begin + 1
            continue
        if _is_json(text[begin:position]):
            values.append(text[begin:position])
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
