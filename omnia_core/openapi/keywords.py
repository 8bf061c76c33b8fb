"""Converts the keywords of one schema of OpenAPI 3 to JSON Schema 2020-12.

Documents have keywords of older drafts and of wrong types. Such a keyword is translated or left
out, so that it costs itself and not its operation: the server checks its arguments itself.
"""

import re
from collections.abc import Callable
from typing import Any

from omnia_core import schema_keywords
from omnia_core.jsonvalue import JsonObject

Schema = JsonObject | bool

# Keywords that describe a schema without changing what it accepts.
ANNOTATIONS = frozenset({"$ref", "default", "deprecated", "description", "examples", "title"})
# Keywords that are left out, though they hold schemas: they do not describe arguments.
_LEFT_OUT = frozenset({"$defs", "contentSchema", "definitions"})
# Keywords whose schemas apply to the same value as the schema that contains them.
IN_PLACE = frozenset({"allOf", "anyOf", "else", "if", "not", "oneOf", "then"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
# A regular expression in the slashes of JavaScript, Perl and PHP.
_DELIMITED = re.compile(r"/(\^.*|.*\$)/([a-z]*)", re.DOTALL)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value % 1 == 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_value(value: Any) -> bool:  # noqa: ARG001 - one of several checks
    return True


# The check of each keyword that holds data. Keywords that are not listed here are left out.
_DATA: dict[str, Callable[[Any], bool]] = {
    "const": _is_value,
    "contentEncoding": _is_text,
    "contentMediaType": _is_text,
    "default": _is_value,
    "dependentRequired": lambda value: isinstance(value, dict),
    "deprecated": _is_flag,
    "description": _is_text,
    "enum": _is_list,
    "example": _is_value,
    "examples": _is_list,
    "exclusiveMaximum": lambda value: _is_flag(value) or _is_number(value),
    "exclusiveMinimum": lambda value: _is_flag(value) or _is_number(value),
    "format": _is_text,
    "maxContains": _is_count,
    "maxItems": _is_count,
    "maxLength": _is_count,
    "maxProperties": _is_count,
    "maximum": _is_number,
    "minContains": _is_count,
    "minItems": _is_count,
    "minLength": _is_count,
    "minProperties": _is_count,
    "minimum": _is_number,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "pattern": _is_text,
    "required": _is_list,
    "title": _is_text,
    "type": lambda value: isinstance(value, str | list),
    "uniqueItems": _is_flag,
}


def converted(
    schema: JsonObject,
    child: Callable[[str, object], object],
    is_read_only: Callable[[object], bool],
) -> JsonObject:
    """Convert a schema without its reference, and without `nullable`.

    Args:
        schema: of the document.
        child: converts the schema under a keyword.
        is_read_only: whether a property appears in responses only, also by its reference.
    """
    result: JsonObject = {}
    for keyword, value in _with_tuples(_requested(schema, is_read_only)).items():
        # The alternatives of a document often overlap, and each of them is meant.
        name = "anyOf" if keyword == "oneOf" and "anyOf" not in schema else keyword
        if keyword in _LEFT_OUT:
            continue
        if keyword in schema_keywords.ONE:
            if isinstance(value, dict | bool):
                result[name] = child(keyword, value)
        elif keyword in schema_keywords.LIST:
            if _is_list(value):
                result[name] = [child(keyword, item) for item in value]
        elif keyword in schema_keywords.BY_NAME:
            if isinstance(value, dict):
                result[name] = {
                    str(key): child(f"{keyword}/{key}", item) for key, item in value.items()
                }
        elif keyword in _DATA and _DATA[keyword](value):
            result[name] = _as_json(value)
    _types(result)
    _names(result)
    _bounds(result)
    _values(result)
    return result


def nullable(schema: JsonObject) -> JsonObject:
    """Return a schema that accepts null as well."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    enum = schema.get("enum")
    if isinstance(enum, list) and None not in enum:
        schema = {**schema, "enum": [*enum, None]}
    return {**schema, "type": [kind, "null"]}


def says_read_only(schema: object) -> bool:
    """Whether a property itself says that it appears in responses only."""
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _requested(schema: JsonObject, is_read_only: Callable[[object], bool]) -> JsonObject:
    """Remove the properties that appear in responses only.

    One that is so by its reference is kept, but is not required: documents share a read-only
    identifier with properties that are written.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not any(map(is_read_only, properties.values())):
        return schema
    kept = {name: item for name, item in properties.items() if not says_read_only(item)}
    required = schema.get("required")
    names = [
        name
        for name in (required if isinstance(required, list) else [])
        if isinstance(name, str) and name in kept and not is_read_only(kept[name])
    ]
    return {**schema, "properties": kept, "required": names}


def _with_tuples(schema: JsonObject) -> JsonObject:
    """Write a list of schemas under `items`, as in draft 4, as `prefixItems`."""
    items = schema.get("items")
    if not isinstance(items, list):
        return schema
    rest = {key: value for key, value in schema.items() if key != "items"}
    return {**rest, "prefixItems": items, "items": schema.get("additionalItems", True)}


def _types(schema: JsonObject) -> None:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind or []
    known = [name.lower() for name in kinds if isinstance(name, str) and name.lower() in _TYPES]
    if known:
        schema["type"] = known[0] if isinstance(kind, str) else list(dict.fromkeys(known))
    else:
        schema.pop("type", None)


def _names(schema: JsonObject) -> None:
    """Keep the names in `required` and `dependentRequired` that are texts, each once."""
    if "required" in schema:
        schema["required"] = _texts(schema["required"])
    if "dependentRequired" in schema:
        needed = schema["dependentRequired"].items()
        schema["dependentRequired"] = {name: _texts(others) for name, others in needed}


def _texts(value: Any) -> list[str]:
    names = value if isinstance(value, list) else []
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _bounds(schema: JsonObject) -> None:
    """Convert the bounds of OpenAPI 3.0, where `exclusiveMinimum: true` modifies `minimum`."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(schema.get(exclusive), bool):
            continue
        if schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _values(schema: JsonObject) -> None:
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])
    if "enum" in schema and isinstance(schema.get("type"), str):
        schema["enum"] = [_typed(value, schema["type"]) for value in schema["enum"]]
    if found := _DELIMITED.fullmatch(schema.get("pattern", "")):
        schema["pattern"] = f"(?i){found[1]}" if "i" in found[2] else found[1]


def _typed(value: Any, kind: str) -> Any:
    """Return a value of an enum in the type beside it: YAML makes numbers and flags of words."""
    if kind == "string" and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    if kind in ("integer", "number") and isinstance(value, str):
        for read in (int, float) if kind == "number" else (int,):
            try:
                return read(value)
            except ValueError:
                continue
    return value


def _as_json(value: object) -> Any:
    """Return a value as JSON: YAML allows more types of keys and values."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
