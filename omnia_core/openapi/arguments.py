"""Maps the parameters and the body of an operation to the arguments of a tool.

Arguments have the names of parameters and body fields. If a name occurs again, in the order path,
query, header, cookie, body, the later ones get a prefix: `query_id`, `body_id`. The fields of a
body become arguments when it is an object with plain properties, and required or a form; any other
body is one argument, `body`.

The headers that the HTTP client sets are not arguments: `Accept`, `Authorization`, `Content-Type`.
"""

from typing import NamedTuple

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.inputs import (
    DEFAULT_STYLES,
    RawBody,
    RawParameter,
    argument_fields,
    is_open,
    value_schema,
)
from omnia_core.openapi.operation import (
    Body,
    FieldEncoding,
    Parameter,
    ParameterLocation,
)
from omnia_core.openapi.schemas import SchemaCache


class Arguments(NamedTuple):
    """The result of `arguments`."""

    parameters: tuple[Parameter, ...]
    body: Body | None
    schema: JsonObject


def arguments(
    raws: list[RawParameter],
    body: RawBody | None,
    where: str,
    cache: SchemaCache,
) -> Arguments:
    """Combine parameters and body into one object schema.

    Raises:
        ConfigurationError: a reference is invalid; the message names its place.
    """
    values = [cache.node(value_schema(raw)[0], raw.where) for raw in raws]
    at = f"{where}, request body"
    fields = argument_fields(body, at, cache) if body else None
    parts = {
        name: cache.node(item, f'{at}, field "{name}"') for name, item in (fields or {}).items()
    }
    roots = [*values, *parts.values()]
    if body is not None and fields is None:
        roots.append(cache.node(body.schema, at))
    writer = cache.writer(roots, where)
    schema = _ObjectSchema()
    parameters = tuple(
        _parameter(raw, writer.write(value), schema)
        for raw, value in zip(raws, values, strict=True)
    )
    built = None
    if body is not None and fields is None:
        built = _whole_body(body, writer.write(roots[-1]), schema)
    elif body is not None:
        written = {name: writer.write(part) for name, part in parts.items()}
        optional = {name for name, item in (fields or {}).items() if cache.is_read_only(item)}
        built = _body_of_fields(body, written, body.required_fields - optional, schema)
    return Arguments(parameters, built, schema.render(writer.definitions))


class _ObjectSchema:
    """Builds the schema of all arguments.

    Attributes:
        is_open: whether it takes arguments that it does not name.
    """

    def __init__(self) -> None:
        self.is_open = False
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
        """Return the schema, which refuses unknown arguments unless it is open."""
        schema: JsonObject = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = self._required
        schema["additionalProperties"] = self.is_open
        if definitions:
            schema["$defs"] = definitions
        return schema


def _parameter(
    parameter: RawParameter, written: JsonObject | bool, schema: _ObjectSchema
) -> Parameter:
    raw = parameter.raw
    written = _with_description(written, raw.get("description"))
    required = raw.get("required") is True or parameter.place is ParameterLocation.PATH
    style = raw.get("style")
    style = style if isinstance(style, str) else DEFAULT_STYLES[parameter.place]
    explode = raw.get("explode")
    return Parameter(
        argument=schema.add(parameter.name, parameter.place.value, written, required=required),
        name=parameter.name,
        place=parameter.place,
        required=required,
        schema=written,
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        content_type=value_schema(parameter)[1],
        allow_reserved=raw.get("allowReserved") is True,
    )


def _whole_body(body: RawBody, written: JsonObject | bool, schema: _ObjectSchema) -> Body:
    written = _with_description(written, body.description)
    return Body(
        body.content_type,
        body.required,
        schema.add("body", "body", written, required=body.required),
        kind=body.kind,
        encodings=_encodings(body),
    )


def _body_of_fields(
    body: RawBody,
    fields: dict[str, JsonObject | bool],
    required: frozenset[str],
    schema: _ObjectSchema,
) -> Body:
    placed = {
        schema.add(name, "body", written, required=name in required): name
        for name, written in fields.items()
    }
    schema.is_open = is_open(body.shape)
    return Body(
        body.content_type,
        body.required,
        fields=placed,
        kind=body.kind,
        is_open=schema.is_open,
        encodings=_encodings(body),
    )


def _encodings(body: RawBody) -> dict[str, FieldEncoding]:
    """Return how the document wants the fields of a form to be written."""
    result = {}
    for name, raw in body.encodings.items():
        if not isinstance(raw, dict) or not body.is_form:
            continue
        style, explode = raw.get("style"), raw.get("explode")
        if style is None and isinstance(explode, bool):
            style = "form"
        result[str(name)] = FieldEncoding(
            None if style is None else str(style),
            explode if isinstance(explode, bool) else style in (None, "form"),
            "json" in str(raw.get("contentType", "")),
        )
    return result


def _with_description(schema: JsonObject | bool, description: object) -> JsonObject | bool:
    """Return a schema with a description, if it has no description of its own."""
    if isinstance(schema, bool) or not isinstance(description, str) or "description" in schema:
        return schema
    return {**schema, "description": description}
