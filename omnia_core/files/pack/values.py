"""Parses and validates the values of prompt variables."""

from collections.abc import Iterator
from typing import Any

import msgspec

from omnia_core.files.pack.prompt import PromptVariable, Validation
from omnia_core.patterns import PatternInvalid, compile_pattern, finds

TYPES = ("string", "number", "boolean", "object", "array")
"""The types of the format; other types are not checked."""

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_SHOWN = 100
_TYPE_NAMES = {
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a JSON array",
}


def from_text(variable: PromptVariable, text: str) -> Any:
    """Parse text as the declared type; return the text itself when it is not JSON."""
    if variable.type == "string" or variable.type not in TYPES:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def problem(variable: PromptVariable, value: Any) -> str | None:
    """Return what is wrong with a value, as the end of a sentence; None when it is valid.

    An invalid pattern is ignored here; `contradictions` reports it.
    """
    if variable.type in TYPES and not _is(value, variable.type):
        return f"must be {_TYPE_NAMES[variable.type]}"
    return next(_violations(variable.validation or Validation(), value), None)


def contradictions(validation: Validation) -> Iterator[str]:
    """Yield the rules that no value can satisfy."""
    bounds = (("min_length", "max_length"), ("minimum", "maximum"))
    for low, high in bounds:
        least, most = getattr(validation, low), getattr(validation, high)
        if least is not None and most is not None and least > most:
            yield f"{low} {least:g} is above {high} {most:g}: no value can satisfy it"
    if validation.enum == []:
        yield "enum is empty: no value can satisfy it"
    if validation.pattern:
        try:
            compile_pattern(validation.pattern)
        except PatternInvalid as error:
            yield f'pattern "{validation.pattern[:_SHOWN]}" is refused by RE2: {error}'


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _PYTHON_TYPES[kind])


def _violations(rules: Validation, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _text_violations(rules, value)
    elif _is(value, "number"):
        if rules.minimum is not None and value < rules.minimum:
            yield f"must be at least {rules.minimum:g}"
        if rules.maximum is not None and value > rules.maximum:
            yield f"must be at most {rules.maximum:g}"
    if rules.enum is not None and not any(_same(value, allowed) for allowed in rules.enum):
        expected = ", ".join(msgspec.json.encode(item).decode() for item in rules.enum)
        yield f"must be one of {expected}"


def _text_violations(rules: Validation, value: str) -> Iterator[str]:
    if rules.min_length is not None and len(value) < rules.min_length:
        yield f"must have at least {rules.min_length} characters"
    if rules.max_length is not None and len(value) > rules.max_length:
        yield f"must have at most {rules.max_length} characters"
    if rules.pattern and not _matches(rules.pattern, value):
        yield f"must match the pattern {rules.pattern[:_SHOWN]}"


def _same(one: Any, other: Any) -> bool:
    # True == 1 in Python, but not in JSON.
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _matches(pattern: str, text: str) -> bool:
    try:
        return finds(compile_pattern(pattern), text)
    except PatternInvalid:
        return True
