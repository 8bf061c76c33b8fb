"""One connection to an MCP server, by the official SDK."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import mcp
import structlog
from mcp import types
from mcp.shared.exceptions import MCPError

from omnia_core.connection_failures import UNREACHABLE
from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.mcp_client import ServerErrorData
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
from omnia_runtime.tools.mcp.lenient import WRAPPED
from omnia_runtime.tools.mcp.results import tool_result
from omnia_runtime.tools.mcp.server import (
    CALL_OUTCOME,
    CallOutcome,
    ConnectionState,
    MCPServer,
    Unprocessed,
    http_problem,
    is_too_large,
)
from omnia_runtime.tools.mcp.transport import open_transport

_MAX_PAGES = 50
_MAX_TOOLS = 1000
# How the SDK begins the words for a message that it cannot read.
_UNREADABLE = "Failed to parse "
_MAX_ERROR = 512
_MAX_VIOLATIONS = 5
_FIRST_SERVER_ERROR = 500
# Codes of the SDK's own errors; a server may use the same ones.
_CONNECTION_FAULT = frozenset(
    {types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT, types.INTERNAL_ERROR}
)
_log = structlog.get_logger()

# The SDK logs a traceback for every server that is away.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class MCPSession:
    """A connection that is up."""

    def __init__(
        self, name: str, client: mcp.Client, state: ConnectionState, timeout: float
    ) -> None:
        self._name = name
        self._client = client
        self._state = state
        self._timeout = timeout
        self._outputs = OutputSchemas(name, {})

    async def tools(self) -> list[ToolSpec]:
        """List the tools.

        Raises:
            ToolFailed: the list does not end.
            Exception: from the connection.
        """
        specs: list[ToolSpec] = []
        cursor: str | None = None
        self._state.lists.begin()
        for _ in range(_MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            specs += [
                ToolSpec(tool.name, tool.description or "", tool.input_schema)
                for tool in page.tools
            ]
            cursor = page.next_cursor
            if not cursor:
                self._state.lists.kept([spec.name for spec in specs])
                self._outputs = OutputSchemas(self._name, self._state.lists.output_schemas)
                return specs
            if len(specs) > _MAX_TOOLS:
                break
        raise ToolFailed("lists more tools than are supported: correct the server")

    async def call(self, tool: str, arguments: JsonObject) -> ToolResult:
        """Execute a tool.

        Raises:
            Unprocessed: the server did not process the call.
            ToolRetry: the model may correct its arguments.
            ToolFailed: the tool failed.
        """
        outcome = CallOutcome()
        token = CALL_OUTCOME.set(outcome)
        try:
            result = await self._client.call_tool(
                tool, arguments, read_timeout_seconds=self._timeout
            )
        except MCPError as error:
            raise self._failed(error, outcome) from None
        except RuntimeError as error:
            if self._state.over:
                raise ToolFailed(self._lost(), server_fault=True) from error
            raise ToolFailed(f'handler "{self._name}" {str(error)[:_MAX_ERROR]}') from error
        except ValueError as error:
            raise ToolFailed(
                f'handler "{self._name}" answered with something else than MCP', server_fault=True
            ) from error
        finally:
            CALL_OUTCOME.reset(token)
        if not result.is_error:
            self._outputs.check(tool, result.structured_content)
        return tool_result(result)

    def _lost(self) -> str:
        reason = self._state.reason or "lost its connection during the call"
        return f'handler "{self._name}" {reason}'

    def _failed(self, error: MCPError, outcome: CallOutcome) -> ToolFailed | ToolRetry:
        name = f'handler "{self._name}"'
        if outcome.unprocessed:
            problem = http_problem(outcome.status) if outcome.status else UNREACHABLE
            return Unprocessed(f"{name} {problem}")
        if error.code == types.INVALID_PARAMS:
            return ToolRetry(f"{name} refuses the arguments: {_words(error)}")
        if isinstance(error.data, ServerErrorData):
            # The server itself answers, so nothing is wrong with the connection.
            return ToolFailed(
                f"{name} {_words(error)}", server_fault=outcome.status >= _FIRST_SERVER_ERROR
            )
        if is_too_large(error.message):
            return ToolFailed(f"{name} answered with a message that is too large")
        if error.code in _CONNECTION_FAULT:
            # Find out now, not at the next call, whether the connection is still usable.
            self._state.check.set()
        if error.code == types.REQUEST_TIMEOUT:
            problem = f"did not answer within {self._timeout:g} s"
        elif error.code == types.CONNECTION_CLOSED and not outcome.status:
            return ToolFailed(self._lost(), server_fault=True)
        else:
            problem = http_problem(outcome.status) if outcome.status else _words(error)
        if error.message.startswith(_UNREADABLE):
            problem = "answered with something else than MCP"
        return ToolFailed(f"{name} {problem}", server_fault=error.code in _CONNECTION_FAULT)


class OutputSchemas:
    """The output schemas of a server's tools, compiled at the first result of each tool.

    The SDK's own validator checks them, because `format` is no assertion for it: servers write
    `date-time` for times without a zone.
    """

    def __init__(self, handler: str, schemas: dict[str, JsonObject]) -> None:
        self._handler = handler
        self._schemas = schemas
        self._compiled: dict[str, Any] = {}

    def check(self, tool: str, structured: object) -> None:
        """Check structured content. A schema that does not compile checks nothing.

        Raises:
            ToolFailed: the content violates the tool's own outputSchema.
        """
        if structured is None or tool not in self._schemas:
            return
        try:
            if tool not in self._compiled:
                self._compiled[tool] = _validator(self._schemas[tool])
            validator = self._compiled[tool]
            errors = list(validator.iter_errors(structured)) if validator else []
            if errors and isinstance(structured, dict) and structured.keys() == {WRAPPED}:
                # The server may mean the value that is wrapped, which need not be an object.
                errors = errors if list(validator.iter_errors(structured[WRAPPED])) else []
            violations = [
                f"/{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors
            ]
        except Exception as error:  # noqa: BLE001 - references and patterns fail in many ways
            self._compiled[tool] = None
            _log.warning(
                "an outputSchema of an MCP server does not compile: results are not checked",
                handler=self._handler,
                tool=tool,
                problem=str(error)[:_MAX_ERROR],
            )
            return
        if violations:
            raise ToolFailed(
                f'handler "{self._handler}" returned a result that violates the outputSchema:'
                f" {'; '.join(violations[:_MAX_VIOLATIONS])[:_MAX_ERROR]}"
            )


def _validator(schema: JsonObject) -> Any:
    # Loaded at the first result, to save memory.
    from jsonschema.validators import validator_for  # noqa: PLC0415 - as above
    from referencing import Registry  # noqa: PLC0415 - as above

    kind = validator_for(schema)
    kind.check_schema(schema)
    # With a registry of its own, nothing is fetched.
    return kind(schema, registry=Registry())


@contextlib.asynccontextmanager
async def connected(server: MCPServer, state: ConnectionState) -> AsyncIterator[MCPSession]:
    """Connect, and disconnect at the end of the block.

    Args:
        server: to connect to.
        state: updated with what happens to the connection.

    Raises:
        Exception: of many types; `connection_problem` describes it.
    """
    # Raises the error of a missing credential itself, not wrapped by the SDK.
    server.headers()

    async def received(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            state.check.set()
        elif isinstance(message, Exception):
            state.garbage = True

    async with contextlib.AsyncExitStack() as stack:
        transport, mode = open_transport(server, state, stack)
        async with asyncio.timeout(server.timeout):
            client = await stack.enter_async_context(
                mcp.Client(
                    transport,
                    read_timeout_seconds=server.timeout,
                    message_handler=received,
                    cache=None,
                    mode=mode,
                )
            )
        listening = asyncio.create_task(_listen(client, state), name=f"changes of {server.name}")
        try:
            yield MCPSession(server.name, client, state, server.timeout)
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def _listen(client: mcp.Client, state: ConnectionState) -> None:
    """Subscribe to changes of the tools; needed since the protocol of 2026, not before it."""
    tools = client.server_capabilities.tools
    if client.session.initialize_result is not None or tools is None or not tools.list_changed:
        return
    # If this fails, the tools are still listed at intervals.
    with contextlib.suppress(MCPError, RuntimeError, TimeoutError):
        async with client.listen(tools_list_changed=True) as events:
            async for _ in events:
                state.check.set()
    state.check.set()


def _words(error: MCPError) -> str:
    """Return what a server says about a failure: its message, and its data as JSON."""
    data = error.data.data if isinstance(error.data, ServerErrorData) else error.data
    detail = data if isinstance(data, str) else "" if data is None else json_bytes(data).decode()
    words = (
        f"{error.message}: {detail}" if detail and detail not in error.message else error.message
    )
    return words[:_MAX_ERROR] or f"answered with the error {error.code}"
