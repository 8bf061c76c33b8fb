"""Where an operation wants the credential."""

from collections.abc import Iterator

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.arguments import RawParameter
from omnia_core.openapi.operation import ApiKey, Place

_PLACES = {"header": Place.HEADER, "query": Place.QUERY}


def api_key(document: JsonObject, raw: JsonObject) -> ApiKey | None:
    """Return where an operation wants its key; None when the `Authorization` header proves it.

    An operation that accepts both, or says nothing, gets the header.
    """
    required = raw.get("security", document.get("security"))
    keys = []
    for scheme in _schemes(document, required):
        place, name = _PLACES.get(str(scheme.get("in"))), scheme.get("name")
        if scheme.get("type") != "apiKey":
            return None
        if place is not None and isinstance(name, str) and name:
            keys.append(ApiKey(name, place))
    return keys[0] if keys else None


def is_key(parameter: RawParameter, key: ApiKey | None) -> bool:
    """Whether a parameter is the key."""
    if key is None or parameter.place is not key.place:
        return False
    if key.place is Place.HEADER:
        return parameter.name.lower() == key.name.lower()
    return parameter.name == key.name


def _schemes(document: JsonObject, required: object) -> Iterator[JsonObject]:
    components = document.get("components")
    known = components.get("securitySchemes") if isinstance(components, dict) else None
    for alternative in required if isinstance(required, list) else []:
        for name in alternative if isinstance(alternative, dict) else []:
            scheme = known.get(name) if isinstance(known, dict) else None
            if isinstance(scheme, dict):
                yield scheme
