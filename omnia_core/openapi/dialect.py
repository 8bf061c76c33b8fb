"""Schemas of OpenAPI 3.0 and 3.1 in the words of JSON Schema 2020-12."""

from collections.abc import Callable
from typing import Any

from omnia_core.jsonvalue import JsonObject

# Keywords whose value is a schema, a list of schemas, or schemas by name. All others hold data,
# where a "$ref" is no reference.
ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
BY_NAME = frozenset({"dependentSchemas", "patternProperties", "properties"})
# They look at the same value as the schema that they are part of.
IN_PLACE = frozenset({"allOf", "anyOf", "else", "if", "not", "oneOf", "then"})

_DROPPED = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",  # what is referred to is gathered at the root
        "$id",
        "$ref",
        "$schema",
        "definitions",
        "discriminator",
        "externalDocs",
        "nullable",
        "readOnly",
        "writeOnly",
        "xml",
    }
)

Schema = JsonObject | bool


def converted(schema: JsonObject, child: Callable[[str, object], object]) -> JsonObject:
    """Rewrite a schema without its reference; `child` rewrites a schema under its keyword."""
    result: JsonObject = {}
    for keyword, value in _requested(schema).items():
        if keyword in _DROPPED or keyword.startswith("x-"):
            continue
        if keyword in ONE and isinstance(value, dict | bool):
            result[keyword] = child(keyword, value)
        elif keyword in LIST and isinstance(value, list):
            result[keyword] = [child(keyword, each) for each in value]
        elif keyword in BY_NAME and isinstance(value, dict):
            result[keyword] = {
                str(name): child(f"{keyword}/{name}", each) for name, each in value.items()
            }
        else:
            result[keyword] = plain(value)
    _bounds(result)
    _example(result)
    return _nullable(result) if schema.get("nullable") is True else result


def children(schema: JsonObject) -> list[tuple[str, object]]:
    """List the schemas inside a schema with their keywords."""
    found: list[tuple[str, object]] = []
    for keyword, value in schema.items():
        if keyword in ONE:
            found.append((keyword, value))
        elif keyword in LIST and isinstance(value, list):
            found += [(keyword, each) for each in value]
        elif keyword in BY_NAME and isinstance(value, dict):
            found += [(keyword, each) for each in value.values()]
    return found


def plain(value: object) -> Any:
    """Return data as JSON has it: YAML allows more kinds of keys and values."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def is_read_only(schema: object) -> bool:
    """Whether a property is for responses only."""
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _requested(schema: JsonObject) -> JsonObject:
    """Leave out the properties that only a response has."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not any(map(is_read_only, properties.values())):
        return schema
    kept = {name: each for name, each in properties.items() if not is_read_only(each)}
    required = schema.get("required")
    names = [each for each in required if each in kept] if isinstance(required, list) else []
    return {**schema, "properties": kept, "required": names}


def _bounds(schema: JsonObject) -> None:
    """In 3.0, `exclusiveMinimum: true` is said of `minimum`."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(schema.get(exclusive), bool):
            continue
        if schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _example(schema: JsonObject) -> None:
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])


def _nullable(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    enum = schema.get("enum")
    if isinstance(enum, list) and None not in enum:
        schema["enum"] = [*enum, None]
    return {**schema, "type": [kind, "null"]}
