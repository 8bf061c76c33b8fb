"""tools.yaml: the handlers of an agent's ToolRegistry."""

from msgspec import Struct, field

from omnia_core.files.toolservers import GRPCConfig, MCPConfig
from omnia_core.jsonvalue import JsonObject

RETRIED_STATUSES = (408, 429, 500, 502, 503, 504)


class ToolDefinition(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the model is told about a tool. The schemas are JSON Schemas."""

    name: str
    description: str
    input_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    output_schema: JsonObject | None = None


class ToolAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the runtime proves who it is.

    Attributes:
        type: bearer, basic or serviceAccount.
        path: the file that holds the token, or `user:password` for basic. It is read again when it
            changes.
        origin: where the file comes from, for people: `key "token" of the Secret "crm"`.
    """

    type: str
    path: str
    origin: str = ""


class HTTPRetryPolicy(Struct, frozen=True, rename="camel"):
    """When an HTTP call is tried again; the waits are duration texts.

    Attributes:
        max_attempts: the first included.
        respect_retry_after: whether `Retry-After` is waited for, at most `max_backoff`.
    """

    max_attempts: int
    initial_backoff: str = "100ms"
    backoff_multiplier: float = 2.0
    max_backoff: str = "30s"
    retry_on: tuple[int, ...] = RETRIED_STATUSES
    retry_on_network_error: bool = True
    respect_retry_after: bool = True


class HTTPConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an HTTP tool is called.

    Attributes:
        endpoint: URL; arguments go into the body, or into the query when `method` has none.
        url_template: replaces the endpoint's path; `{name}` takes the encoded argument.
        query_params: names of arguments that go into the query.
        header_params: argument → header that carries it.
        body_mapping: JMESPath expression that makes the body from the arguments that are left.
        response_mapping: JMESPath expression that picks the result from the response.
        redact: names of fields whose values the model does not see, at any depth.
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
    body_mapping: str | None = None
    response_mapping: str | None = None
    redact: list[str] = field(default_factory=list)
    retry_policy: HTTPRetryPolicy | None = None


class OpenAPIConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the operations of an OpenAPI document become tools.

    Attributes:
        base_url: address of the API; without it, the document's first server.
        operation_filter: operation ids that become tools; without any, all.
    """

    spec_url: str = field(name="specURL")
    base_url: str | None = field(default=None, name="baseURL")
    operation_filter: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    retry_policy: HTTPRetryPolicy | None = None


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
    openapi_config: OpenAPIConfig | None = field(default=None, name="openAPIConfig")
    grpc_config: GRPCConfig | None = None
    mcp_config: MCPConfig | None = None
    auth: ToolAuth | None = None


class ToolsFile(Struct, frozen=True):
    """The file."""

    handlers: list[ToolHandler] = field(default_factory=list)
