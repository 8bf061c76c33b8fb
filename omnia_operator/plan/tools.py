"""tools.yaml: the handlers of a ToolRegistry as the runtime reads them."""

from collections.abc import Iterable

from omnia_core.files.tools import ClientConfig, HTTPConfig, ToolDefinition, ToolsFile
from omnia_core.files.tools import ToolHandler as HandlerFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.model import Model
from omnia_operator.api.toolhandler import HandlerType, Tool, ToolHandler


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
        http_config=_http(handler),
        client_config=_client(handler),
        openapi_config=_block(handler.open_api_config),
        grpc_config=_block(handler.grpc_config),
        mcp_config=_block(handler.mcp_config),
    )


def _tool(tool: Tool | None) -> ToolDefinition | None:
    if tool is None:
        return None
    return ToolDefinition(tool.name, tool.description, tool.input_schema, tool.output_schema)


def _http(handler: ToolHandler) -> HTTPConfig | None:
    config = handler.http_config
    if config is None or config.endpoint is None:
        return None
    return HTTPConfig(
        endpoint=config.endpoint,
        method=config.method.value,
        headers=dict(config.headers),
        content_type=config.content_type,
        url_template=config.url_template,
        query_params=list(config.query_params),
        header_params=dict(config.header_params),
        static_query=dict(config.static_query),
        static_body=config.static_body or {},
    )


def _client(handler: ToolHandler) -> ClientConfig | None:
    config = handler.client_config
    if config is None:
        return None
    return ClientConfig(config.consent_message or "", list(config.categories))


def _block(config: Model | None) -> JsonObject | None:
    if config is None:
        return None
    return config.model_dump(mode="json", by_alias=True, exclude_none=True)
