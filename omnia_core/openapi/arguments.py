"""The arguments of an operation: one JSON Schema object, and where each argument goes.

A parameter and a field of the body keep their names. Where two have the same name, the first keeps
it, in the order path, query, header, body, and the others are prefixed with their place:
`query_id`, `body_id`. The fields of a body become arguments of their own when it is a required
object of plain properties; any other body is one argument, `body`.

Cookies are no arguments, nor are the headers that belong to the client: `Accept`, `Authorization`,
`Content-Type`.
"""

from typing import NamedTuple

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.body import RawBody, fields_of
from omnia_core.openapi.document import follow
from omnia_core.openapi.operation import Body, Parameter, Place
from omnia_core.openapi.references import SchemaWriter

_PLACES = {place: order for order, place in enumerate(Place)}
_CLIENTS_OWN = frozenset({"accept", "authorization", "content-type"})
_STYLES = {Place.PATH: "simple", Place.QUERY: "form", Place.HEADER: "simple"}


class Arguments(NamedTuple):
    """What `arguments` makes of an operation."""

    parameters: tuple[Parameter, ...]
    body: Body | None
    schema: JsonObject


class RawParameter(NamedTuple):
    """A parameter as the document has it, with its place there for errors."""

    name: str
    place: Place
    raw: JsonObject
    where: str


def raw_parameters(
    document: JsonObject, shared: object, own: object, where: str
) -> list[RawParameter]:
    """Return the parameters of a path and an operation; those of the operation stand first.

    Raises:
        ConfigurationError: one is malformed, or is a cookie that every request needs.
    """
    found: dict[tuple[str, str], RawParameter] = {}
    for origin, nodes in (("path", shared), ("operation", own)):
        for number, node in enumerate(nodes if isinstance(nodes, list) else []):
            at = f"{where}, parameter {number} of the {origin}"
            each = _raw_parameter(follow(document, node, at), at)
            if each is not None:
                found[each.name, each.place] = each
    return sorted(found.values(), key=lambda each: _PLACES[each.place])


def _raw_parameter(raw: JsonObject, where: str) -> RawParameter | None:
    name, place = raw.get("name"), raw.get("in")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{where}: it has no name: add it")
    if place == "cookie" and raw.get("required") is True:
        raise ConfigurationError(f'{where}: the cookie "{name}" is required, and tools have none')
    if place == "cookie" or (place == "header" and name.lower() in _CLIENTS_OWN):
        return None
    if place not in _STYLES:
        raise ConfigurationError(f'{where}: "in" has to be path, query, header or cookie')
    return RawParameter(name, Place(place), raw, f'{where} ("{name}")')


def arguments(
    document: JsonObject, raws: list[RawParameter], body: RawBody | None, where: str
) -> Arguments:
    """Put parameters and body into one object.

    Raises:
        ConfigurationError: a schema is wrong; the message says where.
    """
    roots = [(each.where, _value(each)[0]) for each in raws]
    fields = fields_of(document, body) if body else None
    at = f"{where}, request body"
    if body is not None:
        roots += [(at, body.schema)] if fields is None else [(at, each) for each in fields.values()]
    writer = SchemaWriter(document, roots)
    schema = _Object()
    parameters = tuple(_parameter(each, writer, schema) for each in raws)
    built = _body(body, fields, writer, schema, at) if body else None
    return Arguments(parameters, built, schema.render(writer.definitions))


class _Object:
    """The schema of all arguments while it grows."""

    def __init__(self) -> None:
        self._properties: JsonObject = {}
        self._required: list[str] = []

    def add(self, name: str, place: str, schema: JsonObject | bool, *, required: bool) -> str:
        """Add an argument; return the name that it got."""
        argument = name
        while argument in self._properties:
            argument = f"{place}_{argument}"
        self._properties[argument] = schema
        if required:
            self._required.append(argument)
        return argument

    def render(self, definitions: JsonObject) -> JsonObject:
        """Return the schema. Unknown arguments are refused: they could not go anywhere."""
        schema: JsonObject = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = self._required
        schema["additionalProperties"] = False
        if definitions:
            schema["$defs"] = definitions
        return schema


def _parameter(each: RawParameter, writer: SchemaWriter, schema: _Object) -> Parameter:
    raw = each.raw
    value, content_type = _value(each)
    written = described(writer.write(each.where, value), raw.get("description"))
    required = raw.get("required") is True or each.place is Place.PATH
    style = str(raw.get("style", _STYLES[each.place]))
    explode = raw.get("explode")
    return Parameter(
        argument=schema.add(each.name, each.place.value, written, required=required),
        name=each.name,
        place=each.place,
        required=required,
        schema=written,
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        content_type=content_type,
    )


def _value(each: RawParameter) -> tuple[object, str | None]:
    """Return the schema of a parameter, and the content type of one that is a document."""
    content = each.raw.get("content")
    if not isinstance(content, dict) or not content:
        return each.raw.get("schema", {}), None
    content_type, media = next(iter(content.items()))
    return (media.get("schema", {}) if isinstance(media, dict) else {}), str(content_type)


def _body(
    body: RawBody,
    fields: dict[str, object] | None,
    writer: SchemaWriter,
    schema: _Object,
    where: str,
) -> Body:
    if fields is None:
        written = described(writer.write(where, body.schema), body.description)
        argument = schema.add("body", "body", written, required=body.required)
        return Body(body.content_type, body.required, argument)
    placed: dict[str, str] = {}
    for name, each in fields.items():
        written = writer.write(f'{where}, field "{name}"', each)
        placed[schema.add(name, "body", written, required=name in body.required_fields)] = name
    return Body(body.content_type, body.required, fields=placed)


def described(schema: JsonObject | bool, description: object) -> JsonObject | bool:
    """Give a schema without a description that of the parameter or body it belongs to."""
    if isinstance(schema, bool) or not isinstance(description, str) or "description" in schema:
        return schema
    return {**schema, "description": description}
