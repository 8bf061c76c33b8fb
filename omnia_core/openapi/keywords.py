"""Converts the keywords of one schema of OpenAPI 3 to JSON Schema 2020-12."""

from collections.abc import Callable
from typing import Any

from omnia_core.jsonvalue import JsonObject

Schema = JsonObject | bool

# Keywords that describe a schema without changing what it accepts.
ANNOTATIONS = frozenset({"$ref", "default", "deprecated", "description", "examples", "title"})
# Keywords whose value is a schema, a list of schemas, or an object of schemas. All other keywords
# hold data, in which "$ref" is not a reference.
_WITH_SCHEMA = frozenset(
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
_WITH_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_WITH_OBJECT = frozenset({"dependentSchemas", "patternProperties", "properties"})
# Keywords whose schemas apply to the same value as the schema that contains them.
IN_PLACE = frozenset({"allOf", "anyOf", "else", "if", "not", "oneOf", "then"})
_DROPPED = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",  # collected at the root
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


def converted(schema: JsonObject, child: Callable[[str, object], object]) -> JsonObject:
    """Convert a schema without its reference, and without `nullable`.

    `child` converts the schema under a keyword.
    """
    result: JsonObject = {}
    for keyword, value in _discriminated(_requested(schema)).items():
        if keyword in _DROPPED or keyword.startswith("x-"):
            continue
        if keyword in _WITH_SCHEMA and isinstance(value, dict | bool):
            result[keyword] = child(keyword, value)
        elif keyword in _WITH_LIST and isinstance(value, list):
            result[keyword] = [child(keyword, item) for item in value]
        elif keyword in _WITH_OBJECT and isinstance(value, dict):
            result[keyword] = {
                str(name): child(f"{keyword}/{name}", item) for name, item in value.items()
            }
        else:
            result[keyword] = _as_json(value)
    _bounds(result)
    _example(result)
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


def is_read_only(schema: object) -> bool:
    """Whether a property appears in responses only."""
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _discriminated(schema: JsonObject) -> JsonObject:
    """Write alternatives with a discriminator as `anyOf`.

    The discriminator chooses one of them, though a value often fits several.
    """
    if "discriminator" not in schema or "oneOf" not in schema or "anyOf" in schema:
        return schema
    return {("anyOf" if key == "oneOf" else key): value for key, value in schema.items()}


def _requested(schema: JsonObject) -> JsonObject:
    """Remove the properties that appear in responses only."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not any(map(is_read_only, properties.values())):
        return schema
    kept = {name: item for name, item in properties.items() if not is_read_only(item)}
    required = schema.get("required")
    names = (
        [name for name in required if isinstance(name, str) and name in kept]
        if isinstance(required, list)
        else []
    )
    return {**schema, "properties": kept, "required": names}


def _bounds(schema: JsonObject) -> None:
    """Convert the bounds of OpenAPI 3.0, where `exclusiveMinimum: true` modifies `minimum`."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(schema.get(exclusive), bool):
            continue
        if schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _example(schema: JsonObject) -> None:
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])


def _as_json(value: object) -> Any:
    """Return a value as JSON: YAML allows more types of keys and values."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
