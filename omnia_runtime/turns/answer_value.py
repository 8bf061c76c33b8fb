"""The JSON value that a function's model answers with, whatever it writes around it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from omnia_core.jsonvalue import json_bytes

# The thoughts of a reasoning model, where its server does not separate them. Some chat templates
# begin them in the request, so that the answer has the closing tag alone.
_NAMES = "think|thinking|thoughts?|reasoning|reflection|seed:think"
_THOUGHTS_BEGIN = re.compile(rf"<(?:{_NAMES})\b[^<>]*>|\[THINK\]", re.IGNORECASE)
_THOUGHTS_END = re.compile(rf"</(?:{_NAMES})>|\[/THINK\]", re.IGNORECASE)
# What gpt-oss writes before its answer.
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_FENCE = "```"
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_BLOCK = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# What begins so and is no JSON is a broken value, whose inner values are not the answer.
_BROKEN = re.compile(r'\{\s*["}]|\[\s*["{\[]')
# Strings, which stay, and comments. One without an end goes on to the end of the text: to look for
# the end from each beginning would take a quadratic time.
_STRING = r'("(?:[^"\\]|\\.)*(?:"|\Z))'
_COMMENTS = re.compile(_STRING + r"|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMAS = re.compile(_STRING + r"|,(?=\s*[}\]])", re.DOTALL)
_MAX_ATTEMPTS = 1000


def answer_value(text: str, fits: Callable[[Any], bool]) -> str:
    """Return the JSON text of the one value in an answer, or the answer if there is no such value.

    A value that is all of the answer is it, whether it fits or not, but for a text that contains
    the value as JSON. Otherwise thoughts, and a code fence around the answer, are removed. At
    last, it is the one value for which `fits` returns True among the objects and lists in the
    answer, and among the answer and its code blocks with comments, trailing commas and line breaks
    in strings.
    """
    spoken = _without_thoughts(text)
    for whole in (text, spoken):
        for candidate in (whole, _unfenced(whole)):
            if is_json(candidate):
                return _unquoted(candidate if candidate is text else candidate.strip(), fits)
    found: dict[str, Any] = {}
    for candidate in (*_values(spoken), *_tolerated(spoken)):
        value = orjson.loads(candidate)
        if value not in found.values() and fits(value):
            found[candidate] = value
    return next(iter(found)) if len(found) == 1 else text


def is_json(text: str) -> bool:
    """Whether a text is one JSON value."""
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
    if fits(inner) or not is_json(inner) or not fits(orjson.loads(inner)):
        return text
    return str(inner)


def _unfenced(text: str) -> str:
    """Return what is in the code fence around a text; "" if there is none."""
    whole = text.strip()
    if len(whole) < 2 * len(_FENCE) or not (whole.startswith(_FENCE) and whole.endswith(_FENCE)):
        return ""
    inner = whole[len(_FENCE) : -len(_FENCE)].lstrip(" ")
    language = _LANGUAGE.match(inner)
    return inner[language.end() if language else 0 :].strip()


def _without_thoughts(text: str) -> str:
    text = text.rpartition(_FINAL_CHANNEL)[2]
    while end := _THOUGHTS_END.search(text):
        begin = _THOUGHTS_BEGIN.search(text, 0, end.start())
        text = text[: begin.start() if begin else 0] + text[end.end() :]
    # Thoughts that do not end are all of the answer.
    return "" if _THOUGHTS_BEGIN.match(text.lstrip()) else text


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
        if is_json(text[begin:position]):
            values.append(text[begin:position])
    return values


def _tolerated(text: str) -> Iterator[str]:
    """Yield as JSON what a text and its code blocks are but for comments and the like."""
    decoder = json.JSONDecoder(strict=False, parse_constant=_refuse)
    for block in (text, *_BLOCK.findall(text)):
        plain = _TRAILING_COMMAS.sub(_string_of, _COMMENTS.sub(_string_of, block))
        try:
            found = json_bytes(decoder.decode(plain.strip())).decode()
        except (ValueError, RecursionError):
            continue
        if is_json(found):
            yield found


def _string_of(found: re.Match[str]) -> str:
    return found[1] or ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
