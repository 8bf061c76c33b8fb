"""One handler of a ToolRegistry: a tool, or a server of several tools."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator.api.model import (
    TOOL_NAME,
    DurationField,
    Label,
    Model,
    Text,
)
from omnia_operator.api.rules import rule
from omnia_operator.api.tls import Tls
from omnia_operator.api.toolauth import Auth
from omnia_operator.api.toolconfig import (
    ClientConfig,
    GrpcConfig,
    HttpConfig,
    McpConfig,
    McpTransport,
    OpenApiConfig,
)


class HandlerType(StrEnum):
    """The protocol of a tool server."""

    HTTP = "http"
    OPENAPI = "openapi"
    GRPC = "grpc"
    MCP = "mcp"
    CLIENT = "client"


SELF_DESCRIBING = frozenset({HandlerType.OPENAPI, HandlerType.MCP})
"""Types whose servers list their own tools."""

ToolName = Annotated[str, Field(max_length=64, pattern=TOOL_NAME)]


class Tool(Model):
    """The description of a tool for the model."""

    name: ToolName
    """Name for the model."""
    description: Annotated[str, Field(min_length=1, max_length=4096)]
    """What the tool does and when to use it."""
    input_schema: JsonObject
    """JSON Schema of the arguments."""
    output_schema: JsonObject | None = None
    """JSON Schema of the result."""


class Selector(Model):
    """Finds the Service of a tool server by its labels."""

    match_labels: Annotated[dict[str, str], Field(min_length=1)]
    """Labels of the Service."""
    namespace: Label | None = None
    """Namespace of the Service; without it, that of the registry."""
    port: Text | None = None
    """Name or number of the port; without it, the Service's first."""


class ToolHandler(Model):
    """One tool, or one server of several tools."""

    name: Label
    """Name of the handler."""
    type: HandlerType
    """The protocol of the server; `client` tools are executed by the client."""
    tool: Tool | None = None
    """Description for the model. Required for `http`, `grpc` and `client`; `openapi` and `mcp`
    servers describe their own tools."""
    http_config: HttpConfig | None = None
    """How an HTTP tool is called."""
    open_api_config: OpenApiConfig | None = None
    """How the operations of an OpenAPI document become tools."""
    grpc_config: GrpcConfig | None = None
    """How a gRPC tool server is called."""
    mcp_config: McpConfig | None = None
    """How an MCP server is reached."""
    client_config: ClientConfig | None = None
    """How a tool that the client executes is announced."""
    selector: Selector | None = None
    """Finds the server by the labels of its Service, instead of an address."""
    auth: Auth | None = None
    """How the runtime authenticates to the server."""
    tls: Tls | None = None
    """The certificate authority of the server, for `http`, `openapi` and `mcp`."""
    timeout: DurationField = Duration.parse("30s")
    """Time limit of a call."""

    tool_is_described: ClassVar = rule(
        "http, grpc and client tools need a description: add tool with name, description and"
        " inputSchema",
        cel="self.type in ['openapi', 'mcp'] || has(self.tool)",
        at="tool",
    )

    self_describing_server_has_no_tool: ClassVar = rule(
        "openapi and mcp servers describe their own tools: remove tool",
        cel="!(self.type in ['openapi', 'mcp']) || !has(self.tool)",
        at="tool",
    )

    config_fits_the_type: ClassVar = rule(
        "a handler has only the config block of its type (httpConfig, openAPIConfig, grpcConfig,"
        " mcpConfig, clientConfig): remove the others, or correct type",
        cel="(!has(self.httpConfig) || self.type == 'http') &&"
        " (!has(self.openAPIConfig) || self.type == 'openapi') &&"
        " (!has(self.grpcConfig) || self.type == 'grpc') &&"
        " (!has(self.mcpConfig) || self.type == 'mcp') &&"
        " (!has(self.clientConfig) || self.type == 'client')",
    )

    server_has_an_address: ClassVar = rule(
        "the runtime needs the address of the server: add httpConfig.endpoint,"
        " openAPIConfig.specURL or specConfigMapRef, grpcConfig.endpoint or mcpConfig.endpoint for"
        " the type, or selector",
        cel="has(self.selector) || self.type == 'client' ||"
        " (self.type == 'http' && has(self.httpConfig) && has(self.httpConfig.endpoint)) ||"
        " (self.type == 'openapi' && has(self.openAPIConfig) &&"
        " (has(self.openAPIConfig.specURL) || has(self.openAPIConfig.specConfigMapRef))) ||"
        " (self.type == 'grpc' && has(self.grpcConfig) && has(self.grpcConfig.endpoint)) ||"
        " (self.type == 'mcp' && has(self.mcpConfig) &&"
        " (self.mcpConfig.transport == 'stdio' || has(self.mcpConfig.endpoint)))",
    )

    mcp_has_a_transport: ClassVar = rule(
        "an mcp handler needs the transport of its server: add mcpConfig with transport",
        cel="self.type != 'mcp' || has(self.mcpConfig)",
        at="mcpConfig",
    )

    client_has_no_selector: ClassVar = rule(
        "client tools are executed by the client and have no Service: remove selector",
        cel="self.type != 'client' || !has(self.selector)",
        at="selector",
    )

    authority_fits_the_type: ClassVar = rule(
        "the block tls belongs to the types http, openapi and mcp: remove it; a grpc handler has"
        " grpcConfig.tlsCAPath",
        cel="!has(self.tls) || self.type in ['http', 'openapi', 'mcp']",
        at="tls",
    )

    @property
    def address(self) -> str | None:
        """The address of the server in the manifest: a URL, host and port, or a command."""
        if self.mcp_config and self.mcp_config.transport is McpTransport.STDIO:
            return self.mcp_config.command
        blocks = (self.http_config, self.grpc_config, self.mcp_config)
        found = next((block.endpoint for block in blocks if block), None)
        return self.open_api_config.spec_url if self.open_api_config else found
