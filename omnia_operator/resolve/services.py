"""Finds the address of a tool server by the labels of its Service.

Annotations of the Service may describe its tool:

`tool-path`: path of the endpoint.
`tool-type`: `https` for an encrypted endpoint; another type than the handler's is an error.
`tool-name`, `tool-description`: replace those of the handler's `tool`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import GROUP
from omnia_core.suggestions import listed
from omnia_operator.api.model import TOOL_NAME
from omnia_operator.api.toolconfig import GrpcConfig, HttpConfig, OpenApiConfig
from omnia_operator.api.toolhandler import HandlerType, Selector, ToolHandler

TOOL_PATH = f"{GROUP}/tool-path"
TOOL_NAME_ANNOTATION = f"{GROUP}/tool-name"
TOOL_DESCRIPTION = f"{GROUP}/tool-description"
TOOL_TYPE = f"{GROUP}/tool-type"

_HTTPS = "https"
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class ToolService:
    """A Service that may be a tool server."""

    name: str
    namespace: str
    ports: tuple[ServicePort, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def service_of(document: JsonObject) -> ToolService:
    """Read a Service of the API server."""
    metadata = document["metadata"]
    ports = (document.get("spec") or {}).get("ports") or ()
    return ToolService(
        name=metadata["name"],
        namespace=metadata["namespace"],
        ports=tuple(ServicePort(port.get("name", ""), port["port"]) for port in ports),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def located(handler: ToolHandler, services: Iterable[ToolService], namespace: str) -> ToolHandler:
    """Return the handler with the address that its selector finds.

    A handler without a selector, or with an address of its own, is returned as it is.

    Args:
        handler: the handler.
        services: all candidates; of those that match, the first by name is used.
        namespace: the registry's namespace.

    Raises:
        ConfigurationError: no Service matches, or the Service does not fit the handler.
    """
    selector = handler.selector
    if selector is None or handler.address is not None:
        return handler
    service = _chosen(selector, services, selector.namespace or namespace)
    kind = service.annotations.get(TOOL_TYPE, "").strip().lower()
    _check_type(service, kind, handler)
    host = f"{service.name}.{service.namespace}.svc.cluster.local:{_port(service, selector)}"
    path = service.annotations.get(TOOL_PATH, "").strip()
    path = path if path.startswith("/") or not path else f"/{path}"
    url = f"{'https' if kind == _HTTPS else 'http'}://{host}{path}"
    return _described(_addressed(handler, url, host), service)


def with_addresses(
    handlers: Iterable[ToolHandler], services: Iterable[ToolService], namespace: str
) -> tuple[ToolHandler, ...]:
    """Return handlers with the addresses that their selectors find.

    A handler without a Service keeps no address, and agents do not get its tools: the status of
    the registry has the reason.
    """
    candidates = tuple(services)
    return tuple(_with_address(handler, candidates, namespace) for handler in handlers)


def _with_address(
    handler: ToolHandler, services: tuple[ToolService, ...], namespace: str
) -> ToolHandler:
    try:
        return located(handler, services, namespace)
    except ConfigurationError:
        return handler


def _chosen(selector: Selector, services: Iterable[ToolService], namespace: str) -> ToolService:
    wanted = selector.match_labels.items()
    matching = (
        service
        for service in services
        if service.namespace == namespace and wanted <= service.labels.items()
    )
    found = min(matching, key=lambda service: service.name, default=None)
    if found is None:
        labels = ",".join(f"{key}={value}" for key, value in sorted(wanted))
        raise ConfigurationError(
            f'no Service in namespace "{namespace}" has the labels {labels}: create it, or correct'
            " selector"
        )
    return found


def _port(service: ToolService, selector: Selector) -> int:
    if selector.port is None and service.ports:
        return service.ports[0].port
    for port in service.ports:
        if selector.port in {port.name, str(port.port)}:
            return port.port
    has = listed([port.name or str(port.port) for port in service.ports]) or "none"
    raise ConfigurationError(
        f'the Service "{service.name}" has no port "{selector.port or ""}" (its ports: {has}):'
        " correct selector.port"
    )


def _check_type(service: ToolService, kind: str, handler: ToolHandler) -> None:
    is_grpc = kind == HandlerType.GRPC.value
    if kind and is_grpc != (handler.type is HandlerType.GRPC):
        raise ConfigurationError(
            f'the Service "{service.name}" is annotated as {kind}, and the handler has type'
            f" {handler.type.value}: correct one of them"
        )


def _addressed(handler: ToolHandler, url: str, host: str) -> ToolHandler:
    at_url = {"endpoint": url}
    match handler.type:
        case HandlerType.HTTP:
            config = (handler.http_config or HttpConfig()).model_copy(update=at_url)
            return handler.model_copy(update={"http_config": config})
        case HandlerType.GRPC:
            grpc = (handler.grpc_config or GrpcConfig()).model_copy(update={"endpoint": host})
            return handler.model_copy(update={"grpc_config": grpc})
        case HandlerType.OPENAPI:
            update = {"spec_url": url}
            openapi = (handler.open_api_config or OpenApiConfig()).model_copy(update=update)
            return handler.model_copy(update={"open_api_config": openapi})
        case HandlerType.MCP if handler.mcp_config is not None:
            mcp = handler.mcp_config.model_copy(update=at_url)
            return handler.model_copy(update={"mcp_config": mcp})
        case _:
            return handler


def _described(handler: ToolHandler, service: ToolService) -> ToolHandler:
    if handler.tool is None:
        return handler
    annotated = {
        "name": service.annotations.get(TOOL_NAME_ANNOTATION, "").strip(),
        "description": service.annotations.get(TOOL_DESCRIPTION, "").strip(),
    }
    name = annotated["name"]
    if name and (len(name) > _LONGEST_NAME or not re.fullmatch(TOOL_NAME, name)):
        raise ConfigurationError(
            f'the Service "{service.name}" is annotated with the tool name'
            f' "{name[:_LONGEST_NAME]}": use lower-case letters, digits and'
            " underscores, a letter first"
        )
    tool = handler.tool.model_copy(update={key: text for key, text in annotated.items() if text})
    return handler.model_copy(update={"tool": tool})
