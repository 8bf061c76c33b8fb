"""From a JSON Schema to the subset that the API of Claude enforces.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from typing import Any

from omnia_core.jsonvalue import JsonObject

_SCALARS = ("string", "integer", "number", "boolean", "null")
# Formats of a string.
_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
_DEFINITIONS = ("$defs", "definitions")
_DIALECT = ("$schema", "$id", "$comment")
_MAX_ENFORCED_ITEMS = 1


class _NoSubset(Exception):
    """The subset cannot express the schema without rejecting valid values."""


def output_schema(schema: JsonObject) -> JsonObject | None:
    """Return the schema that the API enforces, or None when it cannot be expressed there.

    Objects are closed. Keywords that the API cannot enforce, such as `minimum`, are added to the
    description, where the model reads them. Objects with free keys, values of any type and
    recursion cannot be expressed. The caller checks the answer against the whole schema.
    """
    try:
        if _recursive(schema):
            return None
        return _subset(schema)
    except _NoSubset:
        return None


def _subset(schema: Any) -> JsonObject:
    if not isinstance(schema, dict):
        raise _NoSubset
    rest = {key: value for key, value in schema.items() if key not in _DIALECT}
    found: JsonObject = {
        key: {name: _subset(definition) for name, definition in rest.pop(key).items()}
        for key in _DEFINITIONS
        if key in rest
    }
    if "$ref" in rest:
        if not str(rest["$ref"]).startswith("#/"):
            raise _NoSubset
        return found | {"$ref": rest["$ref"]}
    kind = rest.pop("type", None)
    if isinstance(kind, list):
        variants = [_subset({**rest, "type": variant}) for variant in kind]
        return found | {"anyOf": variants}
    found |= _body(kind, rest)
    for key in ("title", "description"):
        if key in rest:
            found[key] = rest.pop(key)
    if rest:
        extra = "{" + ", ".join(f"{key}: {value}" for key, value in rest.items()) + "}"
        found["description"] = "\n\n".join(filter(None, (found.get("description"), extra)))
    return found


def _body(kind: Any, rest: JsonObject) -> JsonObject:
    """Return the keywords that the API enforces, and remove them from `rest`."""
    for key in ("enum", "const"):
        if key in rest:
            return {key: rest.pop(key)}
    for key, name in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if key in rest:
            return {name: [_subset(variant) for variant in rest.pop(key)]}
    if kind == "object" or (kind is None and "properties" in rest):
        return _object(rest)
    if kind == "array" or (kind is None and "items" in rest):
        return _array(rest)
    if kind not in _SCALARS:
        raise _NoSubset
    if kind == "string" and rest.get("format") in _FORMATS:
        return {"type": kind, "format": rest.pop("format")}
    return {"type": kind}


def _object(rest: JsonObject) -> JsonObject:
    properties = rest.pop("properties", {})
    more = rest.pop("additionalProperties", None)
    if isinstance(more, dict) or more is True or (not properties and more is None):
        raise _NoSubset
    found: JsonObject = {
        "type": "object",
        "properties": {name: _subset(value) for name, value in properties.items()},
        "additionalProperties": False,
    }
    return found | ({"required": rest.pop("required")} if "required" in rest else {})


def _array(rest: JsonObject) -> JsonObject:
    found: JsonObject = {"type": "array", "items": _subset(rest.pop("items", None))}
    if rest.get("minItems", _MAX_ENFORCED_ITEMS + 1) <= _MAX_ENFORCED_ITEMS:
        found["minItems"] = rest.pop("minItems")
    return found


def _recursive(schema: JsonObject) -> bool:
    """Whether a definition refers to itself, directly or through others."""
    uses = {
        f"#/{key}/{name}": set(_references(definition))
        for key in _DEFINITIONS
        for name, definition in schema.get(key, {}).items()
    }
    if "#" in _references(schema):
        return True
    for start, direct in uses.items():
        seen: set[str] = set()
        ahead = direct
        while ahead - seen:
            seen |= ahead
            ahead = {target for name in ahead for target in uses.get(name, ())}
        if start in seen:
            return True
    return False


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in _references(item)]
