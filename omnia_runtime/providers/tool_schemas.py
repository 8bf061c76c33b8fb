"""From the input schema of a tool to one that every vendor accepts.

The vendors refuse a whole request because of one tool, so a schema is made simple rather than
exact: the arguments of a call are checked against the tool's own schema.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, json_bytes

# Claude's rule for the names of arguments; the others accept such names too.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_NAME = 64
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
# The vendors refuse these at the top of a schema. The first three are merged.
_TOP = ("$ref", "allOf", "anyOf", "oneOf", "enum", "const", "not", "if", "then", "else")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLES = ("items", "contains", "not", "if", "then", "else", "propertyNames", "contentSchema")
# A boolean has a meaning of its own here.
_OR_BOOLEAN = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
)
_TEXTS = ("title", "description", "format", "pattern", "contentEncoding", "contentMediaType")
_FLAGS = ("uniqueItems", "readOnly", "writeOnly", "deprecated")
_MAX_MERGES = 32
_MAX_NOTE = 1000


class UnfitTool(Exception):
    """The tool cannot be offered; the message says why."""


class FittedSchema(Struct, frozen=True):
    """An input schema that every vendor accepts.

    Attributes:
        renamed: the tool's own name of each argument that is offered under another name.
        note: what the schema does not say any more, for the description of the tool.
    """

    schema: JsonObject
    renamed: Mapping[str, str]
    note: str


class _Members(Struct):
    """The arguments that an object schema describes."""

    properties: dict[str, Any]
    required: list[str]


def fit_schema(schema: Any) -> FittedSchema:
    """Return a schema of the type object, with `properties` and without a union at its top.

    It follows draft 2020-12: keywords of older drafts are translated, malformed ones left out.

    Raises:
        UnfitTool: no object fits the schema, or the schema cannot be written as JSON.
    """
    try:
        return _fit(schema)
    except RecursionError as error:
        raise UnfitTool("its input schema is nested too deeply") from error
    except (TypeError, ValueError) as error:
        raise UnfitTool(f"its input schema cannot be written as JSON ({error})") from error


def _fit(schema: Any) -> FittedSchema:
    if not isinstance(schema, dict):
        schema = {}
    members = _merge(schema, schema, 0)
    if members is None:
        raise UnfitTool("its input schema is not of the type object")
    offered = _offered_names(members.properties)
    top = {key: value for key, value in schema.items() if key not in _TOP}
    top = _clean(top | {"properties": members.properties, "required": members.required})
    top["type"] = "object"
    top["properties"] = {offered[name]: value for name, value in top["properties"].items()}
    top["required"] = [offered.get(name, name) for name in top["required"]]
    if not top["required"]:
        del top["required"]
    if isinstance(required := top.get("dependentRequired"), dict):
        top["dependentRequired"] = {
            offered.get(name, name): [offered.get(other, other) for other in others]
            for name, others in required.items()
        }
    removed = {key: schema[key] for key in _TOP[2:] if key in schema}
    note = json_bytes(removed).decode() if removed else ""
    fitted = _link(top, top, offered)
    json_bytes(fitted)
    return FittedSchema(
        fitted,
        {new: name for name, new in offered.items() if new != name},
        f"The arguments must also be valid under {note}" if 0 < len(note) <= _MAX_NOTE else "",
    )


def _merge(schema: Any, root: JsonObject, depth: int) -> _Members | None:
    """Return the arguments of a schema with those of its parts; None if it is not for objects."""
    if not isinstance(schema, dict) or depth > _MAX_MERGES:
        return _Members({}, [])
    kind = schema.get("type")
    kinds = [found for found in (kind if isinstance(kind, list) else [kind]) if found in _TYPES]
    if kinds and "object" not in kinds:
        return None
    properties = schema.get("properties")
    members = _Members(dict(properties) if isinstance(properties, dict) else {}, [])
    members.required += _texts(schema.get("required"))
    parts = [_resolved(schema["$ref"], root)] if "$ref" in schema else []
    for part in parts + _list(schema.get("allOf")):
        found = _merge(part, root, depth + 1)
        if found is None:
            return None
        members.properties = found.properties | members.properties
        members.required += found.required
    for key in ("anyOf", "oneOf"):
        variants = [_merge(part, root, depth + 1) for part in _list(schema.get(key))]
        fitting = [variant for variant in variants if variant]
        if variants and not fitting:
            return None
        if fitting:
            members.properties = _alternatives(fitting) | members.properties
            always = set.intersection(*(set(variant.required) for variant in fitting))
            members.required += [name for name in fitting[0].required if name in always]
    members.required = list(dict.fromkeys(members.required))
    return members


def _alternatives(variants: Iterable[_Members]) -> dict[str, Any]:
    """Return the arguments of all variants; one that they describe differently is a union."""
    found: dict[str, list[Any]] = {}
    for variant in variants:
        for name, schema in variant.properties.items():
            schemas = found.setdefault(name, [])
            if schema not in schemas:
                schemas.append(schema)
    return {
        name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        for name, schemas in found.items()
    }


def _offered_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name under which each argument is offered."""
    names = list(names)
    offered = {name: name for name in names if _NAME.fullmatch(name)}
    taken = set(offered)
    for name in names:
        if name in offered:
            continue
        wanted = _NOT_IN_NAME.sub("_", name).strip("_.")[:_MAX_NAME] or "argument"
        candidate, number = wanted, 1
        while candidate in taken:
            number += 1
            suffix = f"_{number}"
            candidate = wanted[: _MAX_NAME - len(suffix)] + suffix
        offered[name] = candidate
        taken.add(candidate)
    return offered


def _clean(schema: Any) -> Any:
    """Return a schema of draft 2020-12."""
    if not isinstance(schema, dict):
        return {"not": {}} if schema is False else {}
    found = {key: value for key, value in schema.items() if _is_kept(key)}
    _clean_type(found)
    _clean_bounds(found)
    _clean_values(found)
    if isinstance(found.get("items"), list):
        found["prefixItems"] = found["items"]
        found["items"] = found.pop("additionalItems", {})
    kind = found.get("type")
    if kind == "array" or (isinstance(kind, list) and "array" in kind):
        found.setdefault("items", {})
    for key in _LISTS:
        if key in found and not _list(found[key]):
            del found[key]
    for key in _MAPS:
        if key in found and not isinstance(found[key], dict):
            del found[key]
    return _apply(_clean, found)


def _is_kept(key: Any) -> bool:
    """Whether a keyword means the same in draft 2020-12 and in a schema without an address."""
    return key in ("$ref", "$defs") or (not str(key).startswith("$") and key != "dependencies")


def _clean_type(found: JsonObject) -> None:
    kind = found.get("type")
    if isinstance(kind, list):
        kind = list(dict.fromkeys(name for name in kind if name in _TYPES))
    elif not isinstance(kind, str) or kind not in _TYPES:
        kind = None
    found["type"] = kind
    if not kind:
        del found["type"]


def _clean_bounds(found: JsonObject) -> None:
    # In draft 4 a flag makes the other bound exclusive.
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if found.get(flag) is True and bound in found:
            found[flag] = found.pop(bound)
    for key in (*_NUMBERS, *_COUNTS):
        value = found.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            found.pop(key, None)
        elif (key in _COUNTS and (value < 0 or value % 1)) or (key == "multipleOf" and value <= 0):
            del found[key]


def _clean_values(found: JsonObject) -> None:
    for keys, kind in ((_TEXTS, str), (_FLAGS, bool), (("examples",), list)):
        for key in keys:
            if key in found and not isinstance(found[key], kind):
                del found[key]
    if "enum" in found and not _list(found["enum"]):
        del found["enum"]
    if "required" in found:
        found["required"] = list(dict.fromkeys(_texts(found["required"])))
    if "dependentRequired" in found:
        names = found["dependentRequired"]
        names = names if isinstance(names, dict) else {}
        found["dependentRequired"] = {name: _texts(others) for name, others in names.items()}


def _apply(change: Callable[[Any], Any], schema: JsonObject) -> JsonObject:
    """Return a schema with `change` applied to each schema directly in it."""
    found = dict(schema)
    for key in _MAPS:
        if key in found:
            found[key] = {name: change(value) for name, value in found[key].items()}
    for key in _LISTS:
        if key in found:
            found[key] = [change(value) for value in found[key]]
    for key in _SINGLES:
        if key in found:
            found[key] = change(found[key])
    for key in _OR_BOOLEAN:
        if key in found and not isinstance(found[key], bool):
            found[key] = change(found[key])
    return found


def _link(schema: JsonObject, root: JsonObject, offered: Mapping[str, str]) -> JsonObject:
    """Return a schema without references that lead nowhere; they stood for any value."""
    found = _apply(lambda inner: _link(inner, root, offered), schema)
    if "$ref" in found:
        target = _renamed(found["$ref"], offered)
        if isinstance(_resolved(target, root), dict):
            found["$ref"] = target
        else:
            del found["$ref"]
    return found


def _renamed(reference: Any, offered: Mapping[str, str]) -> Any:
    """Return a reference to an argument by the name under which this is offered."""
    if not isinstance(reference, str) or not reference.startswith("#/properties/"):
        return reference
    name, slash, rest = reference.removeprefix("#/properties/").partition("/")
    own = _unescaped(name)
    new = offered.get(own, own)
    return reference if new == own else f"#/properties/{new}{slash}{rest}"


def _resolved(reference: Any, root: JsonObject) -> Any:
    """Return what a reference within the schema leads to; None if there is nothing."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        name = _unescaped(step)
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found if reference[1:2] in ("", "/") else None


def _unescaped(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [name for name in _list(value) if isinstance(name, str)]
