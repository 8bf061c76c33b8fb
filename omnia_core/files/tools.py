"""tools.yaml: the handlers of an agent's ToolRegistry."""

from msgspec import Struct, field

from omnia_core.jsonvalue import JsonObject


class ToolDefinition(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the model is told about a tool. The schemas are JSON Schemas."""

    name: str
    description: str
    input_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    output_schema: JsonObject | None = None


class HTTPConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an HTTP tool is called.

    Attributes:
        endpoint: URL; arguments go into the body, or into the query when `method` has none.
        url_template: replaces the endpoint's path; `{name}` takes the encoded argument.
        query_params: names of arguments that go into the query.
        header_params: argument → header that carries it.
    """

    endpoint: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    url_template: str | None = None
    query_params: list[str] = field(default_factory=list)
    header_params: dict[str, str] = field(default_factory=dict)
    static_query: dict[str, str] = field(default_factory=dict)
    static_body: JsonObject = field(default_factory=dict)


class ClientConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tool that the client executes."""

    consent_message: str = ""
    categories: list[str] = field(default_factory=list)


class ToolHandler(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One handler. `type` is http, openapi, grpc, mcp or client; `timeout` is a duration text."""

    name: str
    type: str
    timeout: str = "30s"
    tool: ToolDefinition | None = None
    http_config: HTTPConfig | None = None
    client_config: ClientConfig | None = None
    openapi_config: JsonObject | None = field(default=None, name="openAPIConfig")
    grpc_config: JsonObject | None = None
    mcp_config: JsonObject | None = None


class ToolsFile(Struct, frozen=True):
    """The file."""

    handlers: list[ToolHandler] = field(default_factory=list)
