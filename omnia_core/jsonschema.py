"""JSON Schema: compiled schemas that list violations with JSON pointers.

`$schema` chooses the dialect: draft 4, 6, 7, 2019-09 or 2020-12. Without it, or with an unknown
one, the dialect is 2020-12.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

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
# Keywords whose values are no schemas.
_DATA = frozenset({"const", "default", "enum", "examples"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A difference between a value and its schema.

    Attributes:
        pointer: the place in the value (RFC 6901); "" for the value itself.
        message: what was expected and found.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(root)'}: {self.message}"


class SchemaInvalid(ValueError):
    """A schema that does not compile.

    Attributes:
        pointer: the place in the schema (RFC 6901).
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '(root)'}: {message}")
        self.pointer = pointer


class Schema:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Validator) -> None:
        self._validator = validator

    def accepts(self, value: Any) -> bool:
        """Whether `value` (parsed JSON) satisfies the schema."""
        return self._validator.is_valid(value)

    def violations(self, value: Any, *, limit: int = 20) -> list[Violation]:
        """List at most `limit` violations of `value` (parsed JSON), in document order."""
        found = []
        for error in self._validator.iter_errors(value):
            found.append(Violation(_pointer(error.instance_path), error.message))
            if len(found) == limit:
                break
        return found


def compile_schema(schema: JsonObject | bool) -> Schema:
    """Compile a schema. References to other documents are refused, never fetched.

    Raises:
        SchemaInvalid: the schema is invalid; the error has the place.
    """
    return _compiled(schema, {})


def _compiled(schema: JsonObject | bool, formats: Mapping[str, Callable[[str], bool]]) -> Schema:
    try:
        # `format` is an assertion here: authors who write `format: email` expect a check.
        return Schema(
            _dialect(schema)(
                schema, validate_formats=True, formats=formats, retriever=_refuse_to_fetch
            )
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(_pointer(error.instance_path), error.message) from error
    except (jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise SchemaInvalid("", str(error)) from error


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


def _refuse_to_fetch(uri: str) -> JsonObject:
    raise ValueError(f'the reference "{uri}" leads to another document: put it under "$defs"')


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
