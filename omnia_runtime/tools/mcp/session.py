"""One connection to an MCP server, spoken by the official SDK."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import mcp
from mcp import types
from mcp.shared.exceptions import MCPError

from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
from omnia_runtime.tools.mcp.failure import Unprocessed, is_too_large, status_said
from omnia_runtime.tools.mcp.result import result_of
from omnia_runtime.tools.mcp.target import Target
from omnia_runtime.tools.mcp.transport import open_transport
from omnia_runtime.tools.mcp.watch import FATE, Fate, Watch

_MOST_PAGES = 50
_MOST_TOOLS = 1000
_MAX_ERROR = 512
_SERVER_FAULT = frozenset({types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT, types.INTERNAL_ERROR})

# It logs a traceback for every server that is away.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Session:
    """A connection that is up."""

    def __init__(self, name: str, client: mcp.Client, watch: Watch, timeout: float) -> None:
        self._name = name
        self._client = client
        self._watch = watch
        self._timeout = timeout

    async def tools(self) -> list[ToolSpec]:
        """Ask for the tools.

        Raises:
            ToolFailed: the list has no end.
            Exception: of the connection.
        """
        specs: list[ToolSpec] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            specs += [
                ToolSpec(each.name, each.description or "", each.input_schema)
                for each in page.tools
            ]
            cursor = page.next_cursor
            if not cursor:
                return specs
            if len(specs) > _MOST_TOOLS:
                break
        raise ToolFailed("lists tools without end: correct the server")

    async def call(self, tool: str, arguments: JsonObject) -> ToolResult:
        """Execute a tool.

        Raises:
            Unprocessed: the server did not look at the call.
            ToolRetry: the model may mend its arguments.
            ToolFailed: the tool did not do it.
        """
        fate = Fate()
        token = FATE.set(fate)
        try:
            return result_of(
                await self._client.call_tool(
                    tool,
                    arguments,
                    read_timeout_seconds=self._timeout,
                )
            )
        except MCPError as error:
            raise self._failed(error, fate) from None
        except RuntimeError as error:
            # the SDK's word for a result that breaks the tool's own outputSchema
            if self._watch.over:
                raise ToolFailed(self._lost(), server_fault=True) from error
            raise ToolFailed(
                f'handler "{self._name}" returned what its tool does not promise:'
                f" {str(error)[:_MAX_ERROR]}"
            ) from error
        except ValueError as error:
            raise ToolFailed(
                f'handler "{self._name}" answered with something else than MCP', server_fault=True
            ) from error
        finally:
            FATE.reset(token)

    def _lost(self) -> str:
        said = self._watch.reason or "lost its connection during the call"
        return f'handler "{self._name}" {said}'

    def _failed(self, error: MCPError, fate: Fate) -> ToolFailed | ToolRetry:
        name = f'handler "{self._name}"'
        if fate.unprocessed:
            return Unprocessed(f"{name} {status_said(fate.status)}")
        if is_too_large(error.message):
            return ToolFailed(f"{name} answered with a message that is too large")
        if error.code == types.INVALID_PARAMS:
            return ToolRetry(f"{name} refuses the arguments: {error.message[:_MAX_ERROR]}")
        if error.code in _SERVER_FAULT:
            # whether the connection is still of use is found out now, and not by the next call
            self._watch.stirred.set()
        if error.code == types.REQUEST_TIMEOUT:
            said = f"did not answer in {self._timeout:g} s"
        elif error.code == types.CONNECTION_CLOSED and not fate.status:
            return ToolFailed(self._lost(), server_fault=True)
        else:
            said = status_said(fate.status) if fate.status else error.message[:_MAX_ERROR]
        return ToolFailed(f"{name} {said}", server_fault=error.code in _SERVER_FAULT)


@contextlib.asynccontextmanager
async def connected(target: Target, watch: Watch) -> AsyncIterator[Session]:
    """Connect, and let go at the end.

    Args:
        target: the server.
        watch: is told what becomes of the connection.

    Raises:
        Exception: of many kinds; `mcp_failure.why` says it.
    """
    # a credential that is missing is told as it is
    target.headers()

    async def heard(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            watch.stirred.set()
        elif isinstance(message, Exception):
            watch.garbage = True

    async with contextlib.AsyncExitStack() as stack:
        transport, mode = open_transport(target, watch, stack)
        async with asyncio.timeout(target.timeout):
            client = await stack.enter_async_context(
                mcp.Client(
                    transport,
                    read_timeout_seconds=target.timeout,
                    message_handler=heard,
                    cache=None,
                    mode=mode,
                )
            )
        listening = asyncio.create_task(_listen(client, watch), name=f"changes of {target.name}")
        try:
            yield Session(target.name, client, watch, target.timeout)
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def _listen(client: mcp.Client, watch: Watch) -> None:
    """Be told of other tools by a server that speaks the protocol of 2026; others just say so."""
    tools = client.server_capabilities.tools
    if client.session.initialize_result is not None or tools is None or not tools.list_changed:
        return
    # without it, the tools are asked for every now and then anyway
    with contextlib.suppress(MCPError, RuntimeError, TimeoutError):
        async with client.listen(tools_list_changed=True) as events:
            async for _ in events:
                watch.stirred.set()
    watch.stirred.set()
