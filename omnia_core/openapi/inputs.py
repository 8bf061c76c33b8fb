"""The parameters and the request body of an operation, as the document describes them."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.body import body_kind, media_type
from omnia_core.openapi.document import follow
from omnia_core.openapi.keywords import says_read_only
from omnia_core.openapi.operation import BodyKind, ParameterLocation
from omnia_core.openapi.schemas import SchemaCache

_LONGEST_CHAIN = 32
_ORDER = {place: order for order, place in enumerate(ParameterLocation)}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Headers of the connection and of the body, and those that OpenAPI excludes.
_SET_BY_CLIENT = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Types of content that a model cannot write as text.
_BINARY = ("application/octet-stream", "application/pdf", "application/zip")
_BINARY_KINDS = ("audio/", "font/", "image/", "video/")
DEFAULT_STYLES = {
    ParameterLocation.PATH: "simple",
    ParameterLocation.QUERY: "form",
    ParameterLocation.HEADER: "simple",
    ParameterLocation.COOKIE: "form",
}

# A body with one of these keywords is not a plain object of properties.
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


class RawParameter(NamedTuple):
    """A parameter of the document; `where` is its place for error messages."""

    name: str
    place: ParameterLocation
    raw: JsonObject
    where: str


@dataclass(frozen=True, slots=True)
class RawBody:
    """A request body of the document."""

    content_type: str
    required: bool
    schema: object
    shape: JsonObject
    description: str
    required_fields: frozenset[str] = frozenset()
    encodings: JsonObject = field(default_factory=dict)

    @property
    def kind(self) -> BodyKind:
        """How the body is written."""
        return body_kind(self.content_type)

    @property
    def is_form(self) -> bool:
        """Whether the body consists of named fields."""
        return self.kind in (BodyKind.FORM, BodyKind.MULTIPART)


def raw_parameters(
    document: JsonObject, shared: object, own: object, where: str
) -> list[RawParameter]:
    """Return the parameters of a path and an operation; those of the operation take precedence.

    Raises:
        ConfigurationError: a parameter is malformed.
    """
    found: dict[tuple[str, str], RawParameter] = {}
    for origin, nodes in (("path", shared), ("operation", own)):
        if not isinstance(nodes, list | None):
            raise ConfigurationError(f"{where}: the parameters of the {origin} have to be a list")
        for number, node in enumerate(nodes or []):
            at = f"{where}, parameter {number} of the {origin}"
            parameter = _raw_parameter(follow(document, node, at), at)
            if parameter is not None:
                name = parameter.name
                is_header = parameter.place is ParameterLocation.HEADER
                found[name.lower() if is_header else name, parameter.place] = parameter
    return sorted(found.values(), key=lambda parameter: _ORDER[parameter.place])


def _raw_parameter(raw: JsonObject, where: str) -> RawParameter | None:
    name, place = raw.get("name"), raw.get("in")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{where}: the name is missing: add it")
    if not isinstance(place, str) or place not in DEFAULT_STYLES:
        raise ConfigurationError(f'{where}: "in" has to be path, query, header or cookie')
    if place == "header" and name.lower() in _SET_BY_CLIENT:
        return None
    if place == "header" and not HEADER_NAME.fullmatch(name):
        raise ConfigurationError(f'{where}: no header can have the name "{name}": correct it')
    return RawParameter(name, ParameterLocation(place), raw, f'{where} ("{name}")')


def raw_body(document: JsonObject, node: object, where: str) -> RawBody | None:
    """Return the body of an operation; None when it has none.

    Raises:
        ConfigurationError: tools cannot send the body, whether it is required or not.
    """
    if node is None:
        return None
    at = f"{where}, request body"
    raw = follow(document, node, at)
    content = raw.get("content")
    if not content and raw.get("required") is not True:
        return None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{at}: its content has to be an object of media types")
    content_type = media_type(content)
    if content_type is None:
        found = ", ".join(map(str, content)) or "nothing"
        raise ConfigurationError(
            f"{at}: tools send JSON, forms and plain text, found {found[:200]}: offer"
            " application/json"
        )
    media = follow(document, content[content_type] or {}, at)
    schema = media.get("schema", {})
    shape = _shape(document, schema, at)
    required_names = shape.get("required") if isinstance(shape.get("required"), list) else []
    return RawBody(
        content_type="application/json" if "*" in content_type else content_type,
        required=raw.get("required") is True,
        schema=schema,
        shape=shape,
        description=_text(raw.get("description")) or "Body of the request",
        required_fields=frozenset(name for name in required_names or [] if isinstance(name, str)),
        encodings=encodings if isinstance(encodings := media.get("encoding"), dict) else {},
    )


def value_schema(parameter: RawParameter) -> tuple[object, str | None]:
    """Return the schema of a parameter, and its content type when it has `content`."""
    content = parameter.raw.get("content")
    if not isinstance(content, dict) or not content:
        return parameter.raw.get("schema", {}), None
    content_type, media = next(iter(content.items()))
    return (media.get("schema", {}) if isinstance(media, dict) else {}), str(content_type)


def argument_fields(body: RawBody, where: str, cache: SchemaCache) -> dict[str, object] | None:
    """Return the schemas of the fields that become arguments; None: the body is one argument.

    Raises:
        ConfigurationError: a form is not an object, or needs a file.
    """
    shape = body.shape
    kinds = shape.get("type", "object")
    if body.is_form and "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise ConfigurationError(f"{where}: a form has to be an object of fields")
    properties = shape.get("properties")
    plain = (
        isinstance(properties, dict)
        and shape.get("type", "object") == "object"
        and (is_open(shape) or not isinstance(shape.get("additionalProperties"), dict))
        and shape.keys().isdisjoint(_BEYOND_FIELDS)
        and body.required_fields <= {str(name) for name in properties}
    )
    if not plain or not isinstance(properties, dict) or not properties:
        return None
    if not body.required and not body.is_form:
        return None
    fields = {str(name): item for name, item in properties.items() if not says_read_only(item)}
    return _without_files(body, fields, where, cache) if body.is_form else fields


def _without_files(
    body: RawBody, fields: dict[str, object], where: str, cache: SchemaCache
) -> dict[str, object]:
    """Leave out the fields that are files, which a model cannot write."""
    kept = {
        name: item
        for name, item in fields.items()
        if not (_is_file(item, cache, _LONGEST_CHAIN) or _has_binary_type(body, name))
    }
    missing = [name for name in fields if name not in kept and name in body.required_fields]
    if missing or not kept:
        names = ", ".join(missing or fields)
        raise ConfigurationError(f"{where}: tools send no files, which it needs: {names[:200]}")
    return kept


def _is_file(schema: object, cache: SchemaCache, depth: int) -> bool:
    found = cache.followed(schema)
    if not depth or found.get("format") == "binary" or found.get("type") == "file":
        return bool(depth)
    if found.get("type") == "array":
        return _is_file(found.get("items"), cache, depth - 1)
    if "contentMediaType" in found and "contentEncoding" not in found:
        return True
    for keyword in ("allOf", "anyOf", "oneOf"):
        listed = found.get(keyword)
        parts = [cache.followed(part) for part in listed] if isinstance(listed, list) else []
        files = [_is_file(part, cache, depth - 1) for part in parts if part.get("type") != "null"]
        if any(files) and (keyword == "allOf" or all(files)):
            return True
    return False


def _has_binary_type(body: RawBody, name: str) -> bool:
    encoding = body.encodings.get(name)
    kinds = _text(encoding.get("contentType")) if isinstance(encoding, dict) else ""
    return any(
        kind.strip().lower().startswith(_BINARY_KINDS + _BINARY) for kind in kinds.split(",")
    )


def is_open(shape: JsonObject) -> bool:
    """Whether an object takes further fields: it says so, or others extend it."""
    if "additionalProperties" not in shape:
        return "discriminator" in shape
    return shape["additionalProperties"] is True or shape["additionalProperties"] == {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _shape(document: JsonObject, schema: object, where: str) -> JsonObject:
    return follow(document, schema, where) if isinstance(schema, dict) else {}
