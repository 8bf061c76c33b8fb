"""Discovery by asking the servers."""

import asyncio
from collections.abc import Iterable

from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_operator.api.toolconfig import GrpcConfig
from omnia_operator.api.toolhandler import HandlerType, ToolHandler
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import grpc, mcp, openapi
from omnia_operator.discovery.credential import authorization
from omnia_operator.discovery.failure import sentence
from omnia_operator.discovery.port import (
    Context,
    Discovery,
    FoundTool,
    HandlerTools,
    OnlyTheAgentKnows,
)
from omnia_operator.discovery.selector import located
from omnia_operator.discovery.static import connect, described, endpoint

LONGEST = 10.0
CONCURRENCY = 8

Found = tuple[tuple[FoundTool, ...], tuple[str, ...]]
"""Tools and remarks."""


class ServerDiscovery:
    """Asks each server in the language of its handler's type.

    Args:
        longest: seconds that no server may take, whatever its handler says.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest

    async def discover(self, handler: ToolHandler, context: Context) -> HandlerTools:
        limit = min(handler.timeout.seconds, self._longest)
        server = f'the server of handler "{handler.name}"'
        try:
            handler = located(handler, context.services, context.namespace)
            server = _called(handler)
            async with asyncio.timeout(limit):
                tools, remarks = await _asked(handler, context, limit)
        except OnlyTheAgentKnows as error:
            reason = f"{server}: {error.message}"
            return _answer(handler, described(handler), error=reason, status=ToolStatus.UNKNOWN)
        except Exception as error:  # noqa: BLE001 - one server's fault is only its own
            reason = sentence(error, server, limit)
            return _answer(handler, described(handler), error=reason, status=ToolStatus.UNAVAILABLE)
        return _answer(handler, tools, remarks=remarks)


async def discover_all(
    discovery: Discovery, handlers: Iterable[ToolHandler], context: Context
) -> tuple[HandlerTools, ...]:
    """Ask several handlers, some at a time; the answers have the order of the handlers."""
    places = asyncio.Semaphore(CONCURRENCY)

    async def ask(handler: ToolHandler) -> HandlerTools:
        async with places:
            return await discovery.discover(handler, context)

    return tuple(await asyncio.gather(*(ask(each) for each in handlers)))


async def _asked(handler: ToolHandler, context: Context, limit: float) -> Found:
    match handler.type:
        case HandlerType.CLIENT:
            return described(handler), ()
        case HandlerType.HTTP:
            return await _probed(handler, context), ()
        case HandlerType.GRPC:
            config = handler.grpc_config or GrpcConfig()
            name = handler.tool.name if handler.tool else ""
            await grpc.ask(config, name, authorization(handler, context), limit)
            return described(handler), ()
        case HandlerType.MCP if handler.mcp_config:
            return await mcp.ask(handler.mcp_config, authorization(handler, context), limit), ()
        case HandlerType.OPENAPI if handler.open_api_config:
            headers = authorization(handler, context)
            return await openapi.ask(handler.open_api_config, headers, limit)
        case _:
            raise ConfigurationError("the config block of its type is missing: add it")


async def _probed(handler: ToolHandler, context: Context) -> tuple[FoundTool, ...]:
    if context.probe is not None and context.probe.enabled:
        async with asyncio.timeout(context.probe.timeout.seconds):
            await connect(handler.address or "")
    return described(handler)


def _answer(
    handler: ToolHandler,
    tools: tuple[FoundTool, ...],
    *,
    error: str | None = None,
    status: ToolStatus = ToolStatus.AVAILABLE,
    remarks: tuple[str, ...] = (),
) -> HandlerTools:
    return HandlerTools(
        handler.name, status, tools, shown_address(endpoint(handler)), error, remarks
    )


def _called(handler: ToolHandler) -> str:
    return f'the {handler.type.value} server "{handler.name}" at {shown_address(endpoint(handler))}'
