"""tools.yaml: the handlers of a ToolRegistry as the runtime reads them."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from omnia_core.files.tools import (
    ClientConfig,
    GRPCConfig,
    HTTPConfig,
    MCPConfig,
    OpenAPIConfig,
    ToolDefinition,
    ToolsFile,
)
from omnia_core.files.tools import ToolHandler as HandlerFile
from omnia_operator.api.model import Model
from omnia_operator.api.toolhandler import HandlerType, Tool, ToolHandler
from omnia_operator.plan.toolsecrets import tool_auth

_Config = TypeVar("_Config", HTTPConfig, OpenAPIConfig, GRPCConfig, MCPConfig)


def tools_file(handlers: Iterable[ToolHandler]) -> ToolsFile:
    """Return the file; a handler whose server is not known where is left out."""
    return ToolsFile([_handler(each) for each in handlers if _reachable(each)])


def _reachable(handler: ToolHandler) -> bool:
    return handler.type is HandlerType.CLIENT or handler.address is not None


def _handler(handler: ToolHandler) -> HandlerFile:
    return HandlerFile(
        name=handler.name,
        type=handler.type.value,
        timeout=str(handler.timeout),
        tool=_tool(handler.tool),
        http_config=_typed(handler.http_config, HTTPConfig),
        client_config=_client(handler),
        openapi_config=_typed(handler.open_api_config, OpenAPIConfig),
        grpc_config=_typed(handler.grpc_config, GRPCConfig),
        mcp_config=_typed(handler.mcp_config, MCPConfig),
        auth=tool_auth(handler),
    )


def _tool(tool: Tool | None) -> ToolDefinition | None:
    if tool is None:
        return None
    return ToolDefinition(tool.name, tool.description, tool.input_schema, tool.output_schema)


def _client(handler: ToolHandler) -> ClientConfig | None:
    config = handler.client_config
    if config is None:
        return None
    return ClientConfig(config.consent_message or "", list(config.categories))


def _typed(config: Model | None, kind: type[_Config]) -> _Config | None:
    """Return a block in the file's type, which has the resource's field names."""
    if config is None:
        return None
    block = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return msgspec.convert(block, kind)
