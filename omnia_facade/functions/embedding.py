"""A JSON Schema as a part of a larger document: its references lead to where it stands there.

`$id` and the anchors are written out of it, because readers of OpenAPI documents rarely know them,
and two schemas of one document could use the same.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin

from omnia_core.jsonvalue import JsonObject

# Keywords whose value is a schema, a list of schemas, or schemas by name (JSON Schema 2020-12, and
# `definitions` of the drafts before). All others hold data, where a "$ref" is no reference.
_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
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
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_BY_NAME = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
_NAMES = frozenset({"$id", "$anchor", "$dynamicAnchor", "$schema"})
_REFERENCES = frozenset({"$ref", "$dynamicRef"})

_Child = Callable[[str, Any], Any]


def embedded(schema: JsonObject, place: str) -> JsonObject:
    """Return the schema as it stands at `place`, a URI fragment such as `#/components/schemas/A`.

    A reference that leads nowhere in the schema stays as it is. Where several schemas share a
    `$dynamicAnchor`, a `$dynamicRef` leads to the one that is meant without a dynamic scope.
    """
    places: dict[str, str] = {}
    _gather(schema, "", place, places)
    written = _written(schema, "", places)
    assert isinstance(written, dict)  # noqa: S101 - an object is written as an object
    return written


def _gather(schema: Any, base: str, place: str, places: dict[str, str]) -> None:
    """Note at which place every URI that names a schema leads to."""
    if not isinstance(schema, dict):
        return
    base = _base(schema, base)
    if "$id" in schema or not places:
        places.setdefault(base, place)
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(schema.get(keyword), str):
            places.setdefault(f"{base}#{schema[keyword]}", place)

    def child(token: str, each: Any) -> None:
        _gather(each, base, f"{place}/{token}", places)

    _each(schema, child)


def _written(schema: Any, base: str, places: dict[str, str]) -> Any:
    if not isinstance(schema, dict):
        return schema
    base = _base(schema, base)

    def child(_: str, each: Any) -> Any:
        return _written(each, base, places)

    kept = {keyword: value for keyword, value in schema.items() if keyword not in _NAMES}
    result = {**kept, **_each(kept, child)}
    for keyword in _REFERENCES & result.keys():
        target = _target(str(result.pop(keyword)), base, places)
        if "$ref" in result:
            result["allOf"] = [*result.get("allOf", ()), {"$ref": target}]
        else:
            result["$ref"] = target
    return result


def _target(reference: str, base: str, places: dict[str, str]) -> str:
    # Joining knows no base such as urn:example:a, of which only a fragment can be a part.
    uri = base + reference if reference.startswith("#") else urljoin(base, reference)
    resource, fragment = urldefrag(uri)
    fragment = unquote(fragment)
    if fragment and not fragment.startswith("/"):
        return places.get(f"{resource}#{fragment}", reference)
    if resource not in places:
        return reference
    return places[resource] + quote(fragment, safe="/~!$&'()*+,;=:@-._")


def _base(schema: JsonObject, base: str) -> str:
    own = schema.get("$id")
    return urldefrag(urljoin(base, own))[0] if isinstance(own, str) else base


def _each(schema: JsonObject, child: _Child) -> JsonObject:
    """Return what `child` makes of the schemas directly inside a schema, by keyword."""
    found: JsonObject = {}
    for keyword, value in schema.items():
        if keyword in _ONE:
            found[keyword] = child(keyword, value)
        elif keyword in _LIST and isinstance(value, list):
            found[keyword] = [child(f"{keyword}/{i}", each) for i, each in enumerate(value)]
        elif keyword in _BY_NAME and isinstance(value, dict):
            found[keyword] = {
                name: child(f"{keyword}/{_token(name)}", each) for name, each in value.items()
            }
    return found


def _token(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")
