"""How the tool handlers of a ToolRegistry reach their servers: one block per type."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator.api.model import DurationField, HttpUrl, Model, Text
from omnia_operator.api.rules import rule


class RetryPolicy(Model):
    """When a call is tried again."""

    max_attempts: Annotated[int, Field(ge=1, le=10)]
    """Attempts in all, the first included."""
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
    """When an HTTP call is tried again."""

    retry_on: Annotated[tuple[HttpStatus, ...], Field(max_length=64)] = (
        408,
        429,
        500,
        502,
        503,
        504,
    )
    """Status codes that are worth another attempt."""
    retry_on_network_error: bool = True
    """Whether a failed connection is worth another attempt."""
    respect_retry_after: bool = True
    """Whether the server's `Retry-After` is waited for."""


class GrpcRetryPolicy(RetryPolicy):
    """When a gRPC call is tried again."""

    retryable_status_codes: Annotated[tuple[Text, ...], Field(max_length=16)] = (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    )
    """Status codes that are worth another attempt."""


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
    """Headers sent with every call. They are no place for secrets."""
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
    """JMESPath expression that makes the request body from the arguments."""
    response_mapping: Text | None = None
    """JMESPath expression that picks the result from the response."""
    redact: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """Fields of the response that the model does not see."""
    url_template: Text | None = None
    """Path that replaces that of `endpoint`; `{argument}` stands for an argument."""
    retry_policy: HttpRetryPolicy | None = None
    """When a call is tried again."""


class OpenApiConfig(Model):
    """How the operations of an OpenAPI document become tools."""

    spec_url: Annotated[HttpUrl | None, Field(alias="specURL")] = None
    """Address of the document. Required unless `selector` finds it."""
    base_url: HttpUrl | None = None
    """Address of the API; without it, the document's first server."""
    operation_filter: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Operation ids that become tools; without any, all."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every call. They are no place for secrets."""
    retry_policy: HttpRetryPolicy | None = None
    """When a call is tried again."""


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
    """Whether the server's certificate is taken unseen."""
    retry_policy: GrpcRetryPolicy | None = None
    """When a call is tried again."""


class McpTransport(StrEnum):
    """How an MCP server is spoken to."""

    SSE = "sse"
    STDIO = "stdio"
    STREAMABLE_HTTP = "streamable-http"


class ToolFilter(Model):
    """Which tools of a server are offered to the model."""

    allowlist: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Names that are offered; without any, all."""
    blocklist: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Names that are not offered."""


class McpConfig(Model):
    """How an MCP server is reached."""

    transport: McpTransport
    """How the server is spoken to."""
    endpoint: HttpUrl | None = None
    """Address of the server. Required unless the transport is stdio or `selector` finds it."""
    command: Text | None = None
    """Program that is the server. Required for stdio."""
    args: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Arguments of the program."""
    work_dir: Text | None = None
    """Folder that the program runs in."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of the program."""
    tool_filter: ToolFilter | None = None
    """Which tools of the server are offered to the model."""
    retry_policy: RetryPolicy | None = None
    """When a call is tried again."""

    stdio_has_a_command: ClassVar = rule(
        "a server over stdio is a program: add command, or choose another transport",
        cel="self.transport != 'stdio' || has(self.command)",
        at="command",
    )


class ClientConfig(Model):
    """How a tool that the client executes is announced."""

    consent_message: Text | None = None
    """What the person is asked before the tool runs."""
    categories: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    """Kinds of access that the tool needs, such as `location`."""
