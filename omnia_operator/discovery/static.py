"""Tools that the handler itself describes: nobody has to be asked what they are."""

import asyncio
import contextlib
from urllib.parse import urlsplit

from omnia_operator.api.toolhandler import HandlerType, ToolHandler
from omnia_operator.discovery.port import FoundTool

_PORTS = {"http": 80, "https": 443}


def endpoint(handler: ToolHandler) -> str:
    """Return where a handler's tools are."""
    address = handler.address or ""
    match handler.type:
        case HandlerType.CLIENT:
            return "client://browser"
        case HandlerType.GRPC if address and "://" not in address:
            return f"grpc://{address}"
        case HandlerType.MCP if address and "://" not in address:
            return f"stdio://{address}"
        case _:
            return address


def described(handler: ToolHandler) -> tuple[FoundTool, ...]:
    """Return the tool that a handler describes."""
    tool = handler.tool
    if tool is None:
        return ()
    return (
        FoundTool(
            tool.name, tool.description, endpoint(handler), tool.input_schema, tool.output_schema
        ),
    )


async def connect(url: str) -> None:
    """Open and close a connection.

    Raises:
        OSError: nobody answers.
    """
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(
        parts.hostname, parts.port or _PORTS.get(parts.scheme, 80)
    )
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
