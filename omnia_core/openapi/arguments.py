"""Maps the parameters and the body of an operation to the arguments of a tool.

Arguments have the names of parameters and body fields. If a name occurs again, in the order path,
query, header, body, the later ones get a prefix: `query_id`, `body_id`. The fields of a body become
arguments when it is a required object with plain properties; any other body is one argument,
`body`.

Cookies are not arguments, nor are the headers that the HTTP client sets: `Accept`, `Authorization`,
`Content-Type`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.document import follow
from omnia_core.openapi.operation import Body, Parameter, ParameterLocation
from omnia_core.openapi.schemas import SchemaWriter, is_read_only

_ORDER = {place: order for order, place in enumerate(ParameterLocation)}
_SET_BY_CLIENT = frozenset({"accept", "authorization", "content-type"})
_STYLES = {
    ParameterLocation.PATH: "simple",
    ParameterLocation.QUERY: "form",
    ParameterLocation.HEADER: "simple",
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


class Arguments(NamedTuple):
    """The result of `arguments`."""

    parameters: tuple[Parameter, ...]
    body: Body | None
    schema: JsonObject


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
    description: str
    required_fields: frozenset[str] = frozenset()


def raw_parameters(
    document: JsonObject, shared: object, own: object, where: str
) -> list[RawParameter]:
    """Return the parameters of a path and an operation; those of the operation take precedence.

    Raises:
        ConfigurationError: a parameter is malformed, or is a required cookie.
    """
    found: dict[tuple[str, str], RawParameter] = {}
    for origin, nodes in (("path", shared), ("operation", own)):
        for number, node in enumerate(nodes if isinstance(nodes, list) else []):
            at = f"{where}, parameter {number} of the {origin}"
            parameter = _raw_parameter(follow(document, node, at), at)
            if parameter is not None:
                found[parameter.name, parameter.place] = parameter
    return sorted(found.values(), key=lambda parameter: _ORDER[parameter.place])


def _raw_parameter(raw: JsonObject, where: str) -> RawParameter | None:
    name, place = raw.get("name"), raw.get("in")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{where}: the name is missing: add it")
    if place == "cookie" and raw.get("required") is True:
        raise ConfigurationError(
            f'{where}: the cookie "{name}" is required, and tools send no cookies'
        )
    if place == "cookie" or (place == "header" and name.lower() in _SET_BY_CLIENT):
        return None
    if place not in _STYLES:
        raise ConfigurationError(f'{where}: "in" has to be path, query, header or cookie')
    return RawParameter(name, ParameterLocation(place), raw, f'{where} ("{name}")')


def raw_body(document: JsonObject, node: object, where: str) -> RawBody | None:
    """Return the JSON body of an operation; None when it has none.

    Raises:
        ConfigurationError: the body is required and is not JSON.
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
            raise ConfigurationError(f"{at}: tools send JSON: offer application/json")
        return None
    media = follow(document, content[content_type], at)
    schema = media.get("schema", {})
    shape = _shape(document, schema, at)
    required_names = shape.get("required") if isinstance(shape.get("required"), list) else []
    return RawBody(
        content_type="application/json" if "*" in content_type else content_type,
        required=required,
        schema=schema,
        description=str(raw.get("description", "")) or "Body of the request",
        required_fields=frozenset(name for name in required_names or [] if isinstance(name, str)),
    )


def arguments(
    document: JsonObject, raws: list[RawParameter], body: RawBody | None, where: str
) -> Arguments:
    """Combine parameters and body into one object schema.

    Raises:
        ConfigurationError: a schema is invalid; the message names its place.
    """
    roots = [(raw.where, _value_schema(raw)[0]) for raw in raws]
    fields = _argument_fields(document, body) if body else None
    at = f"{where}, request body"
    if body is not None:
        roots += (
            [(at, body.schema)] if fields is None else [(at, field) for field in fields.values()]
        )
    writer = SchemaWriter(document, roots)
    schema = _ObjectSchema()
    parameters = tuple(_parameter(raw, writer, schema) for raw in raws)
    built = _body(body, fields, writer, schema, at) if body else None
    return Arguments(parameters, built, schema.render(writer.definitions))


class _ObjectSchema:
    """Builds the schema of all arguments."""

    def __init__(self) -> None:
        self._properties: JsonObject = {}
        self._required: list[str] = []

    def add(self, name: str, place: str, schema: JsonObject | bool, *, required: bool) -> str:
        """Add an argument and return its name."""
        argument = name
        while argument in self._properties:
            argument = f"{place}_{argument}"
        self._properties[argument] = schema
        if required:
            self._required.append(argument)
        return argument

    def render(self, definitions: JsonObject) -> JsonObject:
        """Return the schema, which refuses unknown arguments."""
        schema: JsonObject = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = self._required
        schema["additionalProperties"] = False
        if definitions:
            schema["$defs"] = definitions
        return schema


def _parameter(parameter: RawParameter, writer: SchemaWriter, schema: _ObjectSchema) -> Parameter:
    raw = parameter.raw
    value, content_type = _value_schema(parameter)
    written = _with_description(writer.write(parameter.where, value), raw.get("description"))
    required = raw.get("required") is True or parameter.place is ParameterLocation.PATH
    style = str(raw.get("style", _STYLES[parameter.place]))
    explode = raw.get("explode")
    return Parameter(
        argument=schema.add(parameter.name, parameter.place.value, written, required=required),
        name=parameter.name,
        place=parameter.place,
        required=required,
        schema=written,
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        content_type=content_type,
    )


def _value_schema(parameter: RawParameter) -> tuple[object, str | None]:
    """Return the schema of a parameter, and its content type when it has `content`."""
    content = parameter.raw.get("content")
    if not isinstance(content, dict) or not content:
        return parameter.raw.get("schema", {}), None
    content_type, media = next(iter(content.items()))
    return (media.get("schema", {}) if isinstance(media, dict) else {}), str(content_type)


def _body(
    body: RawBody,
    fields: dict[str, object] | None,
    writer: SchemaWriter,
    schema: _ObjectSchema,
    where: str,
) -> Body:
    if fields is None:
        written = _with_description(writer.write(where, body.schema), body.description)
        argument = schema.add("body", "body", written, required=body.required)
        return Body(body.content_type, body.required, argument)
    placed: dict[str, str] = {}
    for name, field in fields.items():
        written = writer.write(f'{where}, field "{name}"', field)
        placed[schema.add(name, "body", written, required=name in body.required_fields)] = name
    return Body(body.content_type, body.required, fields=placed)


def _argument_fields(document: JsonObject, body: RawBody) -> dict[str, object] | None:
    """Return the schemas of the fields that become arguments; None: the body is one argument."""
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
    return {str(name): item for name, item in properties.items() if not is_read_only(item)}


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


def _with_description(schema: JsonObject | bool, description: object) -> JsonObject | bool:
    """Return a schema with a description, if it has no description of its own."""
    if isinstance(schema, bool) or not isinstance(description, str) or "description" in schema:
        return schema
    return {**schema, "description": description}
