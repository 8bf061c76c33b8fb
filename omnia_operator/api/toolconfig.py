"""How the tool handlers of a ToolRegistry reach their servers: one block per type."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator.api.meta import ConfigMapKey, SecretKey
from omnia_operator.api.model import DurationField, HttpUrl, Model, Text, list_map
from omnia_operator.api.rules import rule


class RetryPolicy(Model):
    """When a call is retried."""

    max_attempts: Annotated[int, Field(ge=1, le=10)]
    """Total number of attempts, the first included."""
    initial_backoff: DurationField = Duration.parse("100ms")
    """Wait before the second attempt."""
    backoff_multiplier: Annotated[float, Field(ge=1, le=10)] = 2.0
    """Factor from one wait to the next."""
    max_backoff: DurationField = Duration.parse("30s")
    """Longest wait."""

    backoff_has_room: ClassVar = rule(
        "initialBackoff is longer than maxBackoff: lower initialBackoff or raise maxBackoff",
        cel="duration(self.initialBackoff) <= duration(self.maxBackoff)",
        at="initialBackoff",
    )


HttpStatus = Annotated[int, Field(ge=400, le=599)]


class HttpRetryPolicy(RetryPolicy):
    """When an HTTP call is retried."""

    retry_on: Annotated[tuple[HttpStatus, ...], Field(max_length=64)] = (
        408,
        429,
        500,
        502,
        503,
        504,
    )
    """Status codes that are retried."""
    retry_on_network_error: bool = True
    """Whether failed connections are retried."""
    respect_retry_after: bool = True
    """Whether the wait follows the server's `Retry-After`."""


class GrpcRetryPolicy(RetryPolicy):
    """When a gRPC call is retried."""

    retryable_status_codes: Annotated[tuple[Text, ...], Field(max_length=16)] = (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    )
    """Status codes that are retried."""


class HttpMethod(StrEnum):
    """Method of an HTTP tool."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class HttpConfig(Model):
    """How an HTTP tool is called."""

    endpoint: HttpUrl | None = None
    """Address of the tool. Required unless `selector` finds it."""
    method: HttpMethod = HttpMethod.POST
    """HTTP method."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every call. Do not put secrets here."""
    content_type: Text = "application/json"
    """Content type of the request body."""
    query_params: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """Arguments that go into the query."""
    header_params: dict[str, str] = Field(default_factory=dict)
    """Arguments that go into headers: from argument to header."""
    static_query: dict[str, str] = Field(default_factory=dict)
    """Query parameters of every call."""
    static_body: JsonObject | None = None
    """Fields of every request body."""
    body_mapping: Text | None = None
    """JMESPath expression that creates the request body from the arguments."""
    response_mapping: Text | None = None
    """JMESPath expression that selects the result from the response."""
    redact: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """Fields of the response that are hidden from the model."""
    url_template: Text | None = None
    """Path that replaces the path of `endpoint`; `{argument}` stands for an argument."""
    retry_policy: HttpRetryPolicy | None = None
    """When a call is retried."""
    identity_headers: bool = True
    """Whether the server gets `X-Omnia-…` headers: session, user, tool and plain arguments."""


class OpenApiConfig(Model):
    """How the operations of an OpenAPI document become tools."""

    spec_url: Annotated[HttpUrl | None, Field(alias="specURL")] = None
    """Address of the document. Required unless `specConfigMapRef` or `selector` finds it."""
    spec_config_map_ref: ConfigMapKey | None = None
    """Key of a ConfigMap with the document itself, in place of its address. The ConfigMap is in the
    namespace of the registry."""
    base_url: HttpUrl | None = None
    """Address of the API; without it, the document's first server."""
    operation_filter: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Operation ids that become tools; all if empty."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every call. Do not put secrets here."""
    retry_policy: HttpRetryPolicy | None = None
    """When a call is retried."""

    document_has_one_source: ClassVar = rule(
        "the document has one source: remove one of specURL and specConfigMapRef",
        cel="!has(self.specURL) || !has(self.specConfigMapRef)",
        at="specConfigMapRef",
    )


class GrpcConfig(Model):
    """How a gRPC tool server is called."""

    endpoint: Text | None = None
    """Host and port of the server. Required unless `selector` finds it."""
    tls: bool = False
    """Whether the connection is encrypted."""
    tls_cert_path: Text | None = None
    """File of the client's certificate."""
    tls_key_path: Text | None = None
    """File of the client's key."""
    tls_ca_path: Text | None = None
    """File of the certificate authority."""
    tls_insecure_skip_verify: bool = False
    """Whether verification of the server's certificate is skipped."""
    retry_policy: GrpcRetryPolicy | None = None
    """When a call is retried."""


class McpTransport(StrEnum):
    """The transport of an MCP server."""

    SSE = "sse"
    STDIO = "stdio"
    STREAMABLE_HTTP = "streamable-http"


class ToolFilter(Model):
    """Which tools of a server are offered to the model."""

    allowlist: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Names that are offered; all if empty."""
    blocklist: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Names that are not offered."""


HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"


class SecretHeader(Model):
    """A header whose value is in a Secret."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=HEADER_NAME)]
    """Name of the header."""
    secret_ref: SecretKey
    """Key of a Secret with the whole value, in the namespace of the registry. A new value is sent
    with the next request."""


class SecretVariable(Model):
    """An environment variable whose value is in a Secret."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=VARIABLE_NAME)]
    """Name of the variable."""
    secret_ref: SecretKey
    """Key of a Secret with the value, in the namespace of the registry. A new value is used when
    the program is started again."""


class McpConfig(Model):
    """How an MCP server is reached."""

    transport: McpTransport
    """The transport of the server."""
    endpoint: HttpUrl | None = None
    """Address of the server. Required unless the transport is stdio or `selector` finds it."""
    command: Text | None = None
    """Program of the server. Required for stdio."""
    args: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Arguments of the program."""
    work_dir: Text | None = None
    """Folder that the program runs in."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of the program. Do not put secrets here."""
    env_from: Annotated[
        tuple[SecretVariable, ...], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = ()
    """Environment of the program from Secrets."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every request. Do not put secrets here."""
    headers_from: Annotated[
        tuple[SecretHeader, ...], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = ()
    """Headers from Secrets, sent with every request."""
    tool_filter: ToolFilter | None = None
    """Which tools of the server are offered to the model."""
    retry_policy: RetryPolicy | None = None
    """When a call is retried."""

    stdio_has_a_command: ClassVar = rule(
        "a server over stdio needs a program: add command, or choose another transport",
        cel="self.transport != 'stdio' || has(self.command)",
        at="command",
    )

    program_gets_no_headers: ClassVar = rule(
        "a program over stdio gets no headers: move them to env and envFrom, or choose another"
        " transport",
        cel="self.transport != 'stdio' || ((!has(self.headers) || size(self.headers) == 0) &&"
        " (!has(self.headersFrom) || size(self.headersFrom) == 0))",
        at="headers",
    )

    only_a_program_has_an_environment: ClassVar = rule(
        "only a program over stdio has an environment: move env and envFrom to headers and"
        " headersFrom, or set transport: stdio",
        cel="self.transport == 'stdio' || !has(self.envFrom) || size(self.envFrom) == 0",
        at="envFrom",
    )


class ClientConfig(Model):
    """How a tool that the client executes is announced."""

    consent_message: Text | None = None
    """Question to the user before the tool runs."""
    categories: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    """Kinds of access that the tool needs, such as `location`."""
