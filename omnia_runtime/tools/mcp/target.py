"""Which server a handler of type mcp means."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from omnia_core.files.tools import MCPConfig, ToolHandler
from omnia_core.units import Duration

_TRANSPORTS = ("streamable-http", "sse", "stdio")


class Target(Struct, frozen=True):
    """A server and how it is reached.

    Attributes:
        name: of the handler.
        timeout: seconds that one request may take.
        headers: makes the headers that prove who asks, for each request anew.
        deny_private: whether a server over HTTP may be at a public address only.
    """

    name: str
    config: MCPConfig
    timeout: float
    headers: Callable[[], Mapping[str, str]]
    deny_private: bool = False


def target_of(
    handler: ToolHandler, headers: Callable[[], Mapping[str, str]], *, deny_private: bool
) -> Target:
    """Read a handler.

    Raises:
        ValueError: says what it lacks.
    """
    config = handler.mcp_config
    if config is None:
        raise ValueError("a handler of type mcp needs mcpConfig")
    if config.transport not in _TRANSPORTS:
        raise ValueError(
            f"mcpConfig.transport: expected one of {', '.join(_TRANSPORTS)},"
            f' found "{config.transport}"'
        )
    if config.transport == "stdio":
        if not config.command:
            raise ValueError("a server over stdio is a program: add mcpConfig.command")
    elif not config.endpoint.startswith(("http://", "https://")):
        raise ValueError("mcpConfig.endpoint must be an http or https URL")
    timeout = Duration.parse(handler.timeout).seconds
    return Target(handler.name, config, timeout, headers, deny_private)
