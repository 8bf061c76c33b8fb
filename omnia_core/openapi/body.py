"""The body of an operation: which of its content types is JSON, and whether it has plain fields."""

from dataclasses import dataclass

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.dialect import is_read_only
from omnia_core.openapi.document import follow

# With one of these, a body is more than its properties.
_BEYOND_FIELDS = frozenset(
    {
        "allOf",
        "anyOf",
        "dependentRequired",
        "dependentSchemas",
        "if",
        "maxProperties",
        "minProperties",
        "not",
        "nullable",
        "oneOf",
        "patternProperties",
        "propertyNames",
    }
)


@dataclass(frozen=True, slots=True)
class RawBody:
    """A body as the document has it."""

    content_type: str
    required: bool
    schema: object
    description: str
    required_fields: frozenset[str] = frozenset()


def raw_body(document: JsonObject, node: object, where: str) -> RawBody | None:
    """Return the JSON body of an operation, None when it has no body.

    Raises:
        ConfigurationError: the body is required and is no JSON.
    """
    if node is None:
        return None
    at = f"{where}, request body"
    raw = follow(document, node, at)
    required = raw.get("required") is True
    content = raw.get("content")
    content_type = _json_type(content if isinstance(content, dict) else {})
    if content_type is None or not isinstance(content, dict):
        if required:
            raise ConfigurationError(f"{at}: a tool sends JSON: offer application/json")
        return None
    media = follow(document, content[content_type], at)
    schema = media.get("schema", {})
    shape = _shape(document, schema, at)
    wanted = shape.get("required") if isinstance(shape.get("required"), list) else []
    return RawBody(
        content_type="application/json" if "*" in content_type else content_type,
        required=required,
        schema=schema,
        description=str(raw.get("description", "")) or "Body of the request",
        required_fields=frozenset(each for each in wanted or [] if isinstance(each, str)),
    )


def fields_of(document: JsonObject, body: RawBody) -> dict[str, object] | None:
    """Return the schemas of the fields that become arguments, or None when the body is one."""
    shape = _shape(document, body.schema, "request body")
    properties = shape.get("properties")
    plain = (
        isinstance(properties, dict)
        and shape.get("type", "object") == "object"
        and not isinstance(shape.get("additionalProperties"), dict)
        and shape.keys().isdisjoint(_BEYOND_FIELDS)
        and body.required_fields <= {str(name) for name in properties}
    )
    if not plain or not isinstance(properties, dict) or not (properties and body.required):
        return None
    return {str(name): each for name, each in properties.items() if not is_read_only(each)}


def _shape(document: JsonObject, schema: object, where: str) -> JsonObject:
    return follow(document, schema, where) if isinstance(schema, dict) else {}


def _json_type(content: JsonObject) -> str | None:
    def rank(name: str) -> int | None:
        bare = name.partition(";")[0].strip().lower()
        if bare == "application/json":
            return 0
        if bare.endswith("+json"):
            return 1
        return 2 if bare in {"*/*", "application/*"} else None

    ranked = [(rank(name), name) for name in content]
    return min(((order, name) for order, name in ranked if order is not None), default=(0, None))[1]
