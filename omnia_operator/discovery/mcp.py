"""Asks MCP servers for their tools, by the official SDK."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from omnia_core.addresses import allowed_address
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_core.files.tools import passes_filter
from omnia_core.mcp_client import ObservedTransport, ToolLists
from omnia_operator.api.toolconfig import McpConfig, McpTransport, ToolFilter
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import HttpStatus
from omnia_operator.discovery.port import FoundTool, OnlyTheAgentKnows

if TYPE_CHECKING:
    import httpx2
    import mcp
    from mcp.types import Tool

_FIRST_ERROR = 400
_PORTS = {"http": 80, "https": 443}
_MAX_PAGES = 50
_MAX_TOOLS = 1000


async def ask(
    config: McpConfig,
    headers: dict[str, str],
    limit: float,
    egress: Egress,
    authority: ConfigText | None = None,
) -> tuple[tuple[FoundTool, ...], tuple[str, ...]]:
    """Return the tools of a server that pass the handler's filter, and remarks on wrong ones.

    Raises:
        OnlyTheAgentKnows: the server is a program in the agent's pod.
        HttpStatus: the server answered with a failure.
        Exception: of the connection.
    """
    if config.transport is McpTransport.STDIO or config.endpoint is None:
        raise OnlyTheAgentKnows("it is a program in the agent's pod, so only the pod can ask it")
    proxy = await egress.proxy(config.endpoint)
    if proxy is None:
        parts = urlsplit(config.endpoint)
        # Before a connection, which would reveal whether the port is open.
        port = parts.port or _PORTS[parts.scheme]
        await allowed_address(parts.hostname or "", port, egress.refuses)
    statuses: list[int] = []
    lists = ToolLists()
    try:

        def made(*_: Any, **__: Any) -> "httpx2.AsyncClient":
            # Loaded only when a registry has an MCP server.
            from omnia_operator.discovery.bounded import bounded_client  # noqa: PLC0415

            sent = {**config.headers, **headers}
            return bounded_client(sent, limit, statuses, egress, proxy, authority)

        async with _client(config, made, limit, lists) as client:
            tools = await _listed(client)
    except Exception as error:
        # The SDK turns an HTTP status into errors of several kinds.
        refused = next((status for status in reversed(statuses) if status >= _FIRST_ERROR), None)
        if refused is None or _is_timeout(error):
            raise
        raise HttpStatus(refused) from error
    lists.kept([tool.name for tool in tools])
    wanted = _filtered(tools, config.tool_filter or ToolFilter())
    found = tuple(
        FoundTool(
            tool.name,
            tool.description or "",
            config.endpoint,
            tool.input_schema,
            lists.output_schemas.get(tool.name),
        )
        for tool in wanted
    )
    return found, tuple(f'tool "{name}": {fault}' for name, fault in lists.faults.items())


@contextlib.asynccontextmanager
async def _client(
    config: McpConfig,
    made: Callable[..., "httpx2.AsyncClient"],
    limit: float,
    lists: ToolLists,
) -> AsyncIterator["mcp.Client"]:
    # As above.
    import mcp  # noqa: PLC0415
    from mcp.client.sse import sse_client  # noqa: PLC0415
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

    # It logs a traceback for every server that is down, which the status reports already.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    url = config.endpoint or ""

    def observed(transport: object) -> Any:
        return ObservedTransport(transport, lists.received, lambda: None)

    if config.transport is McpTransport.SSE:
        # Servers over SSE support the first protocol version with its handshake only.
        old = sse_client(url, timeout=limit, sse_read_timeout=limit, httpx_client_factory=made)
        async with mcp.Client(
            observed(old), read_timeout_seconds=limit, cache=None, mode="legacy"
        ) as client:
            yield client
        return
    async with made() as http:
        new = streamable_http_client(url, http_client=http)
        async with mcp.Client(observed(new), read_timeout_seconds=limit, cache=None) as client:
            yield client


async def _listed(client: "mcp.Client") -> list["Tool"]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            return tools
        if len(tools) > _MAX_TOOLS:
            break
    raise ConfigurationError("its list of tools does not end: correct the server")


def _filtered(tools: list["Tool"], chosen: ToolFilter) -> list["Tool"]:
    return [tool for tool in tools if passes_filter(tool.name, chosen.allowlist, chosen.blocklist)]


def _is_timeout(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_timeout(inner) for inner in error.exceptions)
    return isinstance(error, TimeoutError)
