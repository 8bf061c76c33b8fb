"""Where the tool servers are that a registry finds by the labels of their Services."""

from collections.abc import Iterable

from omnia_core.errors import ConfigurationError
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ToolRegistry
from omnia_operator.discovery import Service, located


def with_addresses(registry: ToolRegistry, services: Iterable[Service]) -> ToolRegistry:
    """Return a registry whose handlers have the addresses that their selectors find.

    A handler whose Service is not found stays without an address, and its agents without its tool:
    the status of the registry says why.
    """
    there, namespace = tuple(services), registry.metadata.namespace
    handlers = tuple(_located(each, there, namespace) for each in registry.spec.handlers)
    spec = registry.spec.model_copy(update={"handlers": handlers})
    return registry.model_copy(update={"spec": spec})


def _located(handler: ToolHandler, services: tuple[Service, ...], namespace: str) -> ToolHandler:
    try:
        return located(handler, services, namespace)
    except ConfigurationError:
        return handler
