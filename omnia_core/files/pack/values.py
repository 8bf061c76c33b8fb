"""A variable's value: read from text, and held against what the pack declares."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from omnia_core.files.pack.prompt import Validation, Variable
from omnia_core.patterns import Pattern, PatternInvalid, compile_pattern, finds

TYPES = ("string", "number", "boolean", "object", "array")
"""The types of the format; of another type nothing is checked."""

_MADE_OF: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_WRITTEN = {
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a JSON array",
}


def from_text(variable: Variable, text: str) -> Any:
    """Read a text into the declared type; the text itself where it is no such JSON."""
    if variable.type == "string" or variable.type not in TYPES:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def problem(variable: Variable, value: Any) -> str | None:
    """Return what is wrong with a value, as the end of a sentence; None when nothing is.

    A pattern that is none itself is not held against the value: `contradictions` names it.
    """
    if variable.type in TYPES and not _is(value, variable.type):
        return f"must be {_WRITTEN[variable.type]}"
    return next(_violations(variable.validation or Validation(), value), None)


def contradictions(validation: Validation) -> Iterator[str]:
    """Yield in what no value can satisfy the rules."""
    bounds = (("min_length", "max_length"), ("minimum", "maximum"))
    for low, high in bounds:
        least, most = getattr(validation, low), getattr(validation, high)
        if least is not None and most is not None and least > most:
            yield f"{low} {least:g} is above {high} {most:g}: no value can be right"
    if validation.enum == []:
        yield "enum is empty: no value can be right"
    if validation.pattern:
        try:
            compile_pattern(validation.pattern)
        except PatternInvalid as error:
            yield f'pattern "{validation.pattern}" is refused by RE2: {error}'


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _MADE_OF[kind])


def _violations(rules: Validation, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _of_text(rules, value)
    elif _is(value, "number"):
        if rules.minimum is not None and value < rules.minimum:
            yield f"must be at least {rules.minimum:g}"
        if rules.maximum is not None and value > rules.maximum:
            yield f"must be at most {rules.maximum:g}"
    if rules.enum is not None and not any(_same(value, each) for each in rules.enum):
        allowed = ", ".join(msgspec.json.encode(each).decode() for each in rules.enum)
        yield f"must be one of {allowed}"


def _of_text(rules: Validation, value: str) -> Iterator[str]:
    if rules.min_length is not None and len(value) < rules.min_length:
        yield f"must have at least {rules.min_length} characters"
    if rules.max_length is not None and len(value) > rules.max_length:
        yield f"must have at most {rules.max_length} characters"
    pattern = _compiled(rules.pattern) if rules.pattern else None
    if pattern is not None and not finds(pattern, value):
        yield f"must match the pattern {rules.pattern}"


def _same(one: Any, other: Any) -> bool:
    # True == 1 in Python, and not in JSON
    return one == other and isinstance(one, bool) == isinstance(other, bool)


@lru_cache
def _compiled(pattern: str) -> Pattern | None:
    try:
        return compile_pattern(pattern)
    except PatternInvalid:
        return None
