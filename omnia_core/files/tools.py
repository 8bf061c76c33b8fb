"""tools.yaml: the handlers of an agent's ToolRegistry."""

from collections.abc import Sequence

from msgspec import Struct, field

from omnia_core.files.config_text import ConfigText
from omnia_core.jsonvalue import JsonObject

RETRIED_STATUSES = (408, 429, 500, 502, 503, 504)


class ToolDefinition(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tool as the model sees it. The schemas are JSON Schemas."""

    name: str
    description: str
    input_schema: JsonObject = field(default_factory=lambda: {"type": "object"})
    output_schema: JsonObject | None = None


class ToolAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The credential that the runtime sends to a tool server.

    Attributes:
        type: bearer, basic or serviceAccount.
        path: the file with the token, or `user:password` for basic. It is read again when it
            changes.
        origin: where the file comes from, for messages: `key "token" of the Secret "crm"`.
    """

    type: str
    path: str
    origin: str = ""


def bearer(token: str) -> str:
    """Return the value of the Authorization header for a token.

    Secrets of other products hold the whole value: the scheme is not sent twice.
    """
    return token if token[:7].lower() == "bearer " else f"Bearer {token}"


class SecretFile(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A header or an environment variable whose value is the content of a mounted file.

    Attributes:
        name: of the header or the variable.
        path: the file, which is read again when it changes.
        origin: where the file comes from, for messages.
    """

    name: str
    path: str
    origin: str = ""


class HTTPRetryPolicy(Struct, frozen=True, rename="camel"):
    """When an HTTP call is retried; backoffs are durations as text.

    Attributes:
        max_attempts: attempts in all, including the first.
        respect_retry_after: whether to wait for `Retry-After`, at most `max_backoff`.
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
        endpoint: URL; arguments go into the body, or into the query when `method` has no body.
        url_template: replaces the path of the endpoint; `{name}` is the encoded argument.
        query_params: names of arguments that go into the query.
        header_params: maps arguments to headers.
        body_mapping: JMESPath expression that makes the body from the remaining arguments.
        response_mapping: JMESPath expression that selects the result in the response.
        redact: names of fields, at any depth, whose values are hidden from the model.
        identity_headers: whether the server gets `X-Omnia-…` headers about the call.
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
    identity_headers: bool = True


class OpenAPIConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the operations of an OpenAPI document become tools.

    Attributes:
        spec_url: the address of the document, "" if `document` is the document.
        base_url: the URL of the API; by default, the first server of the document.
        operation_filter: operation ids that become tools; empty: all.
    """

    spec_url: str = field(default="", name="specURL")
    document: ConfigText | None = None
    base_url: str | None = field(default=None, name="baseURL")
    operation_filter: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    retry_policy: HTTPRetryPolicy | None = None


class RetryPolicy(Struct, frozen=True, rename="camel", omit_defaults=True):
    """When a call is retried; backoffs are durations as text.

    Attributes:
        max_attempts: attempts in all, including the first.
    """

    max_attempts: int = 1
    initial_backoff: str = "100ms"
    backoff_multiplier: float = 2.0
    max_backoff: str = "30s"


class GRPCRetryPolicy(RetryPolicy, frozen=True, rename="camel", omit_defaults=True):
    """When a gRPC call is retried; codes are names of gRPC status codes."""

    retryable_status_codes: tuple[str, ...] = (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    )


class GRPCConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a gRPC tool server is called.

    Attributes:
        endpoint: host and port.
        tls_cert_path: PEM file with the client certificate.
        tls_key_path: PEM file with its key.
        tls_ca_path: PEM file with the certificate authority.
    """

    endpoint: str
    tls: bool = False
    tls_cert_path: str = ""
    tls_key_path: str = ""
    tls_ca_path: str = field(default="", name="tlsCAPath")
    tls_insecure_skip_verify: bool = False
    retry_policy: GRPCRetryPolicy | None = None


class ToolFilter(Struct, frozen=True, omit_defaults=True):
    """Which tools of a server are offered, see `passes_filter`."""

    allowlist: tuple[str, ...] = ()
    blocklist: tuple[str, ...] = ()

    def allows(self, name: str) -> bool:
        """Whether a tool is offered."""
        return passes_filter(name, self.allowlist, self.blocklist)


class MCPConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an MCP server is reached.

    Attributes:
        transport: streamable-http, sse or stdio.
        endpoint: URL, unless the transport is stdio.
        command: the server program for stdio; it is run with `args` and `env` in `work_dir`.
        env_from: further variables of the program.
        headers: sent with every request.
        headers_from: further headers.
    """

    transport: str
    endpoint: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    work_dir: str = ""
    env: dict[str, str] = field(default_factory=dict)
    env_from: tuple[SecretFile, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    headers_from: tuple[SecretFile, ...] = ()
    tool_filter: ToolFilter | None = None
    retry_policy: RetryPolicy | None = None


class ClientConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tool that the client executes."""

    consent_message: str = ""
    categories: list[str] = field(default_factory=list)


class ToolHandler(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tool handler.

    Attributes:
        type: http, openapi, grpc, mcp or client.
        timeout: a duration.
        registry: the name of its ToolRegistry.
        authority: certificates in PEM that are trusted beside the public ones.
    """

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
    authority: ConfigText | None = None
    registry: str = ""


class ToolsFile(Struct, frozen=True):
    """The content of tools.yaml."""

    handlers: list[ToolHandler] = field(default_factory=list)


def passes_filter(name: str, allowlist: Sequence[str], blocklist: Sequence[str]) -> bool:
    """Whether a filter allows a tool. An entry may end in `*`; an empty allowlist allows all."""
    allowed = not allowlist or any(_matches(entry, name) for entry in allowlist)
    return allowed and not any(_matches(entry, name) for entry in blocklist)


def _matches(entry: str, name: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else name == entry
