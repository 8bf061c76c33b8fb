"""Embeds a JSON Schema in a larger document, and rewrites its references for the new place.

`$id` and anchors are removed: OpenAPI tools rarely support them, and two schemas of one document
could use the same ones.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin

from omnia_core import schema_keywords
from omnia_core.jsonvalue import JsonObject

_NAMES = frozenset({"$id", "$anchor", "$dynamicAnchor", "$schema"})
_REFERENCES = frozenset({"$ref", "$dynamicRef"})

_Child = Callable[[str, Any], Any]


def embed_schema(schema: JsonObject, place: str) -> JsonObject:
    """Return the schema for `place`, a URI fragment such as `#/components/schemas/A`.

    A reference whose target is not in the schema is kept. If several schemas share a
    `$dynamicAnchor`, a `$dynamicRef` refers to the one that applies without a dynamic scope.
    """
    places: dict[str, str] = {}
    _collect(schema, "", place, places)
    rewritten = _rewritten(schema, "", places)
    assert isinstance(rewritten, dict)  # noqa: S101 - an object is rewritten as an object
    return rewritten


def _collect(schema: Any, base: str, place: str, places: dict[str, str]) -> None:
    """Add the place of every URI that identifies a schema."""
    if not isinstance(schema, dict):
        return
    base = _base(schema, base)
    if "$id" in schema or not places:
        places.setdefault(base, place)
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(schema.get(keyword), str):
            places.setdefault(f"{base}#{schema[keyword]}", place)

    def child(token: str, subschema: Any) -> None:
        _collect(subschema, base, f"{place}/{token}", places)

    _map_subschemas(schema, child)


def _rewritten(schema: Any, base: str, places: dict[str, str]) -> Any:
    if not isinstance(schema, dict):
        return schema
    base = _base(schema, base)

    def child(_: str, subschema: Any) -> Any:
        return _rewritten(subschema, base, places)

    kept = {keyword: value for keyword, value in schema.items() if keyword not in _NAMES}
    result = {**kept, **_map_subschemas(kept, child)}
    for keyword in _REFERENCES & result.keys():
        target = _target(str(result.pop(keyword)), base, places)
        if "$ref" in result:
            result["allOf"] = [*result.get("allOf", ()), {"$ref": target}]
        else:
            result["$ref"] = target
    return result


def _target(reference: str, base: str, places: dict[str, str]) -> str:
    # urljoin does not support bases such as urn:example:a; a fragment can only be appended.
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


def _map_subschemas(schema: JsonObject, child: _Child) -> JsonObject:
    """Apply `child` to the direct subschemas of a schema; return the results by keyword."""
    found: JsonObject = {}
    for keyword, value in schema.items():
        if keyword in schema_keywords.ONE:
            found[keyword] = child(keyword, value)
        elif keyword in schema_keywords.LIST and isinstance(value, list):
            found[keyword] = [
                child(f"{keyword}/{index}", subschema) for index, subschema in enumerate(value)
            ]
        elif keyword in schema_keywords.BY_NAME and isinstance(value, dict):
            found[keyword] = {
                name: child(f"{keyword}/{_token(name)}", subschema)
                for name, subschema in value.items()
            }
    return found


def _token(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")
