"""An operation as a tool: what the model sees, and what is needed to build the request."""

from enum import StrEnum

from msgspec import Struct, field

from omnia_core.jsonvalue import JsonObject


class ParameterLocation(StrEnum):
    """Where a request carries a parameter, in the order in which arguments get their names."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


class BodyKind(StrEnum):
    """How a body is written."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    TEXT = "text"


class Parameter(Struct, frozen=True):
    """An argument outside the body.

    Attributes:
        argument: the name among the arguments of the tool.
        name: the name in the request.
        schema: may refer to `$defs` of the operation's input schema.
        style: how lists and objects are serialized, as in OpenAPI.
        explode: whether each item is serialized separately, as in OpenAPI.
        content_type: set when the value is serialized as a document, such as JSON, instead.
        allow_reserved: whether a query parameter keeps the reserved characters of URLs.
    """

    argument: str
    name: str
    place: ParameterLocation
    required: bool
    schema: JsonObject | bool
    style: str
    explode: bool
    content_type: str | None = None
    allow_reserved: bool = False


class FieldEncoding(Struct, frozen=True):
    """How a field of a form is written: OpenAPI's Encoding Object.

    Attributes:
        style: None: an object is JSON text, and a list repeats the field.
        is_json: whether the field is JSON text, whatever its value is.
    """

    style: str | None = None
    explode: bool = True
    is_json: bool = False


class Body(Struct, frozen=True):
    """The body of a request.

    Attributes:
        argument: the argument that is the whole body; None when the body is made of `fields`.
        fields: maps arguments to fields of the body.
        is_open: whether arguments that the schema does not name are fields of the body.
        encodings: of the fields of a form, where the document describes them.
    """

    content_type: str
    required: bool
    argument: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    kind: BodyKind = BodyKind.JSON
    is_open: bool = False
    encodings: dict[str, FieldEncoding] = field(default_factory=dict)


class ApiKey(Struct, frozen=True):
    """The header, query parameter or cookie that carries the credential."""

    name: str
    place: ParameterLocation


class Operation(Struct, frozen=True):
    """One operation of an API.

    Attributes:
        name: the name of the tool, unique in the document.
        operation_id: the `operationId` of the document.
        method: in upper case.
        path: a template with the path parameters as `{name}`.
        base_url: the URL before the path, without a slash at the end. It may have a query, which
            follows the path.
        input_schema: the schema of all arguments as one object.
        key: where the credential goes; None: the `Authorization` header.
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
        """The URL, with the path parameters as placeholders."""
        base, mark, query = self.base_url.partition("?")
        return base + self.path + mark + query
