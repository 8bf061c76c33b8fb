"""An operation as a tool: what the model is told, and what a caller needs to make the request."""

from enum import StrEnum

from msgspec import Struct, field

from omnia_core.jsonvalue import JsonObject


class Place(StrEnum):
    """Part of a request that carries a parameter; the order is that in which names are given."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"


class Parameter(Struct, frozen=True):
    """One argument outside the body.

    Attributes:
        argument: its name in the tool's arguments.
        name: its name in the request.
        schema: may refer to `$defs` of the operation's input schema.
        style: how lists and objects are written, in OpenAPI's words.
        explode: whether each item of them stands for itself.
        content_type: set when the value is written as a document, such as JSON, instead.
    """

    argument: str
    name: str
    place: Place
    required: bool
    schema: JsonObject | bool
    style: str
    explode: bool
    content_type: str | None = None


class Body(Struct, frozen=True):
    """The JSON body.

    Attributes:
        argument: the one argument that is the whole body; None when `fields` make it.
        fields: argument → field of the body.
    """

    content_type: str
    required: bool
    argument: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


class ApiKey(Struct, frozen=True):
    """The header or query parameter that carries the credential."""

    name: str
    place: Place


class Operation(Struct, frozen=True):
    """One operation of an API.

    Attributes:
        name: the tool's name, unique in the document.
        operation_id: the name that the document gives it.
        method: in capitals.
        path: a template; `{name}` is the parameter of that `name` whose place is the path.
        base_url: goes before the path; it has no slash at its end.
        input_schema: of all arguments in one object.
        key: where the credential goes; None for the `Authorization` header.
    """

    name: str
    description: str
    method: str
    path: str
    base_url: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    input_schema: JsonObject
    operation_id: str | None = None
    key: ApiKey | None = None

    @property
    def url(self) -> str:
        """The address, with the path's parameters still open."""
        return self.base_url + self.path
