"""From tools.yaml to tool sources. Invalid handlers are reported and left out."""

from pathlib import Path
from typing import Any

import msgspec

from omnia_core.files.reading import decode_yaml, read_text
from omnia_core.files.tools import ToolHandler
from omnia_core.units import Duration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import ToolSource
from omnia_runtime.tools.credentials import Credential


class _Handlers(msgspec.Struct):
    # Converted one by one: a malformed handler must not hide the others.
    handlers: list[Any] = msgspec.field(default_factory=list)


def read_handlers(path: str) -> tuple[list[ToolHandler], list[str]]:
    """Read tools.yaml; return its well-formed handlers, and the problems of the others.

    Raises:
        ConfigurationError: the file as a whole cannot be read.
    """
    text = read_text(path) if Path(path).exists() else ""
    handlers: list[ToolHandler] = []
    problems: list[str] = []
    if not text.strip():
        return handlers, problems
    for index, raw in enumerate(decode_yaml(text, _Handlers, path).handlers):
        label = raw.get("name", index) if isinstance(raw, dict) else index
        try:
            handlers.append(msgspec.convert(raw, ToolHandler))
        except ValueError as error:
            problems.append(f'{path}: tool handler "{label}" is not available: {error}')
    return handlers, problems


def open_handler(
    handler: ToolHandler, client: HTTPClient, *, deny_private: bool = False
) -> ToolSource:
    """Create the source of a handler.

    Args:
        handler: of any type.
        client: for tools over HTTP; it enforces `deny_private` itself.
        deny_private: whether servers must be at public addresses.

    Raises:
        ValueError: the handler is invalid; the message says why.
    """
    # Imported here: an agent loads only the libraries of its own tools.
    Duration.parse(handler.timeout)
    credential = Credential(handler.auth)
    match handler.type:
        case "http":
            from omnia_runtime.tools.http.handler import HTTPSource  # noqa: PLC0415 - as above

            return HTTPSource(handler, credential, client)
        case "openapi":
            from omnia_runtime.tools.openapi.handler import OpenAPISource  # noqa: PLC0415 - as above

            return OpenAPISource(handler, credential, client)
        case "grpc":
            if deny_private:
                raise ValueError(
                    "servers of type grpc cannot be limited to public addresses, and only these are"
                    " allowed here"
                )
            from omnia_runtime.tools.grpc.handler import GRPCSource  # noqa: PLC0415 - as above

            return GRPCSource(handler, credential.headers)
        case "mcp":
            from omnia_runtime.tools.mcp.handler import MCPSource  # noqa: PLC0415 - as above

            return MCPSource(handler, credential.headers, deny_private=deny_private)
        case "client":
            from omnia_runtime.tools.client.handler import ClientSource  # noqa: PLC0415 - as above

            return ClientSource(handler)
        case _:
            raise ValueError(f"handlers of type {handler.type} are not supported")
