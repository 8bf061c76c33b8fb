"""JSON Schema: compiled schemas that list violations with JSON pointers.

`$schema` chooses the dialect: draft 4, 6, 7, 2019-09 or 2020-12. Without it, or with an unknown
one, the dialect is 2020-12.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import jsonschema_rs

from omnia_core.errors import abridged
from omnia_core.jsonvalue import JsonObject

_DRAFT_2020_12 = "json-schema.org/draft/2020-12/schema"
# By the value of `$schema`, without its scheme and an empty fragment.
_DIALECTS: dict[str, Callable[..., jsonschema_rs.Validator]] = {
    "json-schema.org/draft-04/schema": jsonschema_rs.Draft4Validator,
    "json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
    "json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    _DRAFT_2020_12: jsonschema_rs.Draft202012Validator,
}
# Below these keywords a schema that accepts more can make the whole schema accept less.
_NOT_MONOTONE = frozenset({"contains", "if", "not", "oneOf"})
_MOST_PATTERNS = 50
_ALTERNATIVES = frozenset({"anyOf", "oneOf"})
# The largest values whose violations are listed: some milliseconds of the event loop.
_MAX_WEIGHT = 4000
_MAX_WEIGHT_WITH_ALTERNATIVES = 1000
_WEIGHT_CHARACTERS = 128
# Formats that servers read more widely than their standards: times without a zone or with a space,
# relative URLs, names with underscores.
_UNCHECKED_FORMATS: dict[str, Callable[[str], bool]] = dict.fromkeys(
    (
        *("date-time", "duration", "hostname", "idn-email", "idn-hostname", "iri", "iri-reference"),
        *("json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference"),
        "uri-template",
    ),
    lambda _: True,
)
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
# Keywords whose values are no schemas.
_DATA = frozenset({"const", "default", "enum", "examples"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A difference between a value and its schema.

    Attributes:
        pointer: the place in the value (RFC 6901); "" for the value itself.
        message: what was expected and found; a long value is abridged.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{abridged(self.pointer) or '(root)'}: {self.message}"


class SchemaInvalid(ValueError):
    """A schema that does not compile.

    Attributes:
        pointer: the place in the schema (RFC 6901).
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{abridged(pointer) or '(root)'}: {abridged(message)}")
        self.pointer = pointer


class Schema:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Validator, *, has_alternatives: bool) -> None:
        self._validator = validator
        self._has_alternatives = has_alternatives

    def accepts(self, value: Any) -> bool:
        """Whether `value` (parsed JSON) satisfies the schema."""
        return self._validator.is_valid(value)

    def violations(self, value: Any, *, limit: int = 20) -> list[Violation]:
        """List at most `limit` violations of `value` (parsed JSON), in document order.

        The library makes all violations before it returns the first, each with a copy of its part
        of the value, and below `anyOf` and `oneOf` those of every branch. Only those of a small
        value are made; of a large one the list has the first, or says that there are some.
        """
        weight = _MAX_WEIGHT_WITH_ALTERNATIVES if self._has_alternatives else _MAX_WEIGHT
        if _weighs_at_most(weight, value):
            errors = islice(self._validator.iter_errors(value), limit)
            return [_violation(error) for error in errors]
        if self.accepts(value):
            return []
        if self._has_alternatives:
            return [
                Violation("", "it does not fit the schema, and is too large to list the places")
            ]
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [_violation(error)]
        return []


def compile_schema(schema: JsonObject | bool) -> Schema:
    """Compile a schema. References to other documents are refused, never fetched.

    Raises:
        SchemaInvalid: the schema is invalid; the error has the place.
    """
    return _compiled(schema, {})


def _compiled(schema: JsonObject | bool, formats: Mapping[str, Callable[[str], bool]]) -> Schema:
    try:
        # `format` is an assertion here: authors who write `format: email` expect a check.
        validator = _dialect(schema)(
            schema, validate_formats=True, formats=formats, retriever=_refuse_to_fetch
        )
        return Schema(validator, has_alternatives=_has_alternatives(schema))
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(_pointer(error.instance_path), _why_invalid(error)) from error
    except (jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise SchemaInvalid("", str(error)) from error


def _why_invalid(error: jsonschema_rs.ValidationError) -> str:
    """Return what is wrong with a schema; the library's words for two keywords do not say it."""
    keyword, found = [*error.instance_path][-1:], error.instance
    if keyword == ["type"] and isinstance(found, str):
        return f'expected one of {", ".join(_TYPES)}, found "{found}"'
    if keyword == ["pattern"] and isinstance(found, str):
        return f'"{found}" is not a regular expression: correct it'
    return str(error.message)


def compile_server_schema(schema: JsonObject | bool) -> tuple[Schema, tuple[str, ...]]:
    """Compile a schema that a tool server wrote; return it, and what of it is not checked.

    The server checks its arguments itself, so its schema never makes its tool unusable: a regular
    expression that does not compile here is not checked, formats that servers read in several ways
    are not checked, and a schema that does not compile for another reason checks nothing.
    """
    skipped: list[str] = []
    rest = schema
    while True:
        try:
            return _compiled(rest, _UNCHECKED_FORMATS), tuple(skipped)
        except SchemaInvalid as error:
            pattern = _pattern_at(rest, error.pointer.split("/")[1:])
            if pattern is None or len(skipped) >= _MOST_PATTERNS:
                return compile_schema(True), (str(error),)
            skipped.append(str(error))
            # A schema often repeats a pattern, and each attempt compiles all of it.
            rest = _without_pattern(rest, pattern)


def _pattern_at(schema: Any, path: list[str]) -> str | None:
    """Return the regular expression at a place where the schema can do without it."""
    if not _NOT_MONOTONE.isdisjoint(path):
        return None
    if path[-2:-1] == ["patternProperties"] and path[-3:-2] != ["properties"]:
        return _unescaped(path[-1])
    if path[-1:] != ["pattern"] or path[-2:-1] == ["properties"]:
        return None
    for part in path:
        key = _unescaped(part)
        schema = schema[int(key)] if isinstance(schema, list) else schema[key]
    return schema if isinstance(schema, str) else None


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _without_pattern(schema: Any, pattern: str) -> Any:
    """Return a copy of a schema without one regular expression, but where it has to stay."""
    if isinstance(schema, list):
        return [_without_pattern(item, pattern) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value if key in _NOT_MONOTONE | _DATA else _without_pattern(value, pattern)
        for key, value in schema.items()
        if key != "pattern" or value != pattern
    }
    named = kept.get("patternProperties")
    if isinstance(named, dict) and pattern in named:
        del named[pattern]
        # They would refuse the properties that the pattern names.
        kept.pop("additionalProperties", None)
        kept.pop("unevaluatedProperties", None)
    return kept


def _dialect(schema: JsonObject | bool) -> Callable[..., jsonschema_rs.Validator]:
    named = schema.get("$schema") if isinstance(schema, dict) else None
    uri = named.rstrip("#").partition("://")[2] if isinstance(named, str) else ""
    return _DIALECTS.get(uri, _DIALECTS[_DRAFT_2020_12])


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    return Violation(_pointer(error.instance_path), abridged(error.message))


def _weighs_at_most(limit: int, value: Any) -> bool:
    """Whether a value has at most `limit` parts; a long text counts as several."""
    left = limit
    rest = [value]
    while rest:
        part = rest.pop()
        left -= 1
        if isinstance(part, str):
            left -= len(part) // _WEIGHT_CHARACTERS
        elif isinstance(part, list):
            left -= len(part)
            rest += part if left >= 0 else ()
        elif isinstance(part, dict):
            left -= len(part)
            if left >= 0:
                rest += part.keys()
                rest += part.values()
        if left < 0:
            return False
    return True


def _has_alternatives(schema: Any) -> bool:
    """Whether there are branches in a schema, of which one has to fit."""
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            if not _ALTERNATIVES.isdisjoint(part):
                return True
            rest += part.values()
        elif isinstance(part, list):
            rest += part
    return False


def _refuse_to_fetch(uri: str) -> JsonObject:
    raise ValueError(f'the reference "{uri}" leads to another document: put it under "$defs"')


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
