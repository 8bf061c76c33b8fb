"""Coercion of arguments with the wrong type, such as `"12"` where a number is expected.

It is applied only to arguments that violate their schema, so valid arguments are never changed. A
value that cannot be read as the expected type stays as it is, and violates the schema again.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject, check_depth

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_MAX_REFERENCES = 32


def coerce(schema: JsonObject, arguments: JsonObject) -> JsonObject:
    """Return the arguments with values converted to the types in the schema of a tool."""
    return _Coercion(schema).fields(schema, arguments)


class _Coercion:
    def __init__(self, root: JsonObject) -> None:
        self._root = root

    def fields(self, schema: JsonObject, value: JsonObject) -> JsonObject:
        """Coerce an object; optional properties with an empty value are left out."""
        properties = _dict(schema.get("properties"))
        additional = schema.get("additionalProperties")
        required = schema.get("required")
        needed = set(required) if isinstance(required, list) else set()
        result: JsonObject = {}
        for name, field in value.items():
            own = self._plain(properties.get(name, additional))
            if field in (None, "") and name not in needed and name in properties and _drops(own):
                continue
            result[name] = self.value(own, field)
        return result

    def value(self, schema: JsonObject, value: Any) -> Any:
        """Coerce a value by a schema without references."""
        if "enum" in schema:
            return _choice(schema["enum"], value)
        types = _types(schema)
        if not types:
            return value
        if not _fits(types, value):
            value = _read(types, value)
        if isinstance(value, list):
            items = self._plain(schema.get("items"))
            return [self.value(items, item) for item in value]
        return self.fields(schema, value) if isinstance(value, dict) else value

    def _plain(self, schema: object) -> JsonObject:
        """Follow references, and choose the only alternative that is not null."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(schema, dict):
                return {}
            if isinstance(schema.get("$ref"), str):
                schema = self._lookup(schema["$ref"])
                continue
            alternatives = schema.get("anyOf", schema.get("oneOf"))
            if "type" in schema or "enum" in schema or not isinstance(alternatives, list):
                return schema
            real = [
                alternative
                for alternative in alternatives
                if _dict(alternative).get("type") != "null"
            ]
            match real:
                case [only]:
                    schema = _nullable(only) if len(alternatives) > 1 else only
                case _:
                    return {}
        return {}

    def _lookup(self, reference: str) -> object:
        found: object = self._root if reference.startswith("#") else None
        for part in reference.removeprefix("#").split("/")[1:]:
            found = _dict(found).get(part.replace("~1", "/").replace("~0", "~"))
        return found


def _drops(schema: JsonObject) -> bool:
    """Whether an empty value of an optional property means that it is absent."""
    types = _types(schema)
    return "enum" in schema or (bool(types) and not types & {"string", "null"})


def _choice(enum: object, value: Any) -> Any:
    if not isinstance(enum, list) or not isinstance(value, str):
        return value
    match [each for each in enum if isinstance(each, str) and _bare(each) == _bare(value)]:
        case [only]:
            return only
        case _:
            return value


def _bare(text: str) -> str:
    return "".join(text.split()).casefold()


def _read(types: set[str], value: Any) -> Any:
    """Read a value as one of the types, the strictest first."""
    if isinstance(value, str):
        return _read_text(types, value)
    if "boolean" in types and isinstance(value, int) and value in (0, 1):
        return bool(value)
    return value


def _read_text(types: set[str], value: str) -> Any:
    text = value.strip()
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text.partition(".")[0])
    if "number" in types and _NUMBER.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) and "." not in text else float(text)
    if "boolean" in types and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    for kind, shape in (("object", dict), ("array", list)):
        if kind in types and isinstance(parsed := _json(text), shape):
            return parsed
    return [value] if "array" in types and value else value


def _json(text: str) -> Any:
    try:
        check_depth(text)
        return msgspec.json.decode(text)
    except ValueError:
        return None


def _fits(types: Iterable[str], value: Any) -> bool:
    return any(_KINDS[name](value) for name in types if name in _KINDS)


_KINDS = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float),
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _types(schema: JsonObject) -> set[str]:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return {kinds}
    if isinstance(kinds, list):
        return {kind for kind in kinds if isinstance(kind, str)}
    return {"object"} if "properties" in schema else set()


def _nullable(schema: object) -> object:
    if not isinstance(schema, dict) or not _types(schema):
        return schema
    return {**schema, "type": sorted(_types(schema) | {"null"})}


def _dict(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
