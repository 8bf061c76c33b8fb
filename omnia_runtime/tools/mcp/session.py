"""One connection to an MCP server, by the official SDK, and the results of its tools."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

import mcp
import orjson
from mcp import types
from mcp.shared.exceptions import MCPError

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
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
_MAX_ERROR = 512
_NO_CONTENT = "(the tool returned nothing)"
_MEDIA = ("image", "audio", "video")
_SERVER_FAULT = frozenset({types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT, types.INTERNAL_ERROR})

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

    async def tools(self) -> list[ToolSpec]:
        """List the tools.

        Raises:
            ToolFailed: the list does not end.
            Exception: from the connection.
        """
        specs: list[ToolSpec] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            specs += [
                ToolSpec(tool.name, tool.description or "", tool.input_schema)
                for tool in page.tools
            ]
            cursor = page.next_cursor
            if not cursor:
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
            return _result(
                await self._client.call_tool(
                    tool,
                    arguments,
                    read_timeout_seconds=self._timeout,
                )
            )
        except MCPError as error:
            raise self._failed(error, outcome) from None
        except RuntimeError as error:
            # The SDK raises this for a result that violates the tool's own outputSchema.
            if self._state.over:
                raise ToolFailed(self._lost(), server_fault=True) from error
            raise ToolFailed(
                f'handler "{self._name}" returned a result that violates the outputSchema:'
                f" {str(error)[:_MAX_ERROR]}"
            ) from error
        except ValueError as error:
            raise ToolFailed(
                f'handler "{self._name}" answered with something else than MCP', server_fault=True
            ) from error
        finally:
            CALL_OUTCOME.reset(token)

    def _lost(self) -> str:
        reason = self._state.reason or "lost its connection during the call"
        return f'handler "{self._name}" {reason}'

    def _failed(self, error: MCPError, outcome: CallOutcome) -> ToolFailed | ToolRetry:
        name = f'handler "{self._name}"'
        if outcome.unprocessed:
            return Unprocessed(f"{name} {http_problem(outcome.status)}")
        if is_too_large(error.message):
            return ToolFailed(f"{name} answered with a message that is too large")
        if error.code == types.INVALID_PARAMS:
            return ToolRetry(f"{name} refuses the arguments: {error.message[:_MAX_ERROR]}")
        if error.code in _SERVER_FAULT:
            # Find out now, not at the next call, whether the connection is still usable.
            self._state.check.set()
        if error.code == types.REQUEST_TIMEOUT:
            problem = f"did not answer within {self._timeout:g} s"
        elif error.code == types.CONNECTION_CLOSED and not outcome.status:
            return ToolFailed(self._lost(), server_fault=True)
        else:
            problem = http_problem(outcome.status) if outcome.status else error.message[:_MAX_ERROR]
        return ToolFailed(f"{name} {problem}", server_fault=error.code in _SERVER_FAULT)


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


def _result(result: types.CallToolResult) -> ToolResult:
    """Map everything that a tool returned: text or JSON to the content, media to parts."""
    texts, parts = _separated(result.content)
    text = "\n".join(texts)
    if result.is_error:
        failed = {"error": text or "the tool failed"}
        return ToolResult(orjson.dumps(failed).decode(), is_error=True, parts=tuple(parts))
    if result.structured_content is not None:
        # The text repeats it for clients that do not support structured content.
        text = orjson.dumps(result.structured_content).decode()
    elif not text:
        text = f"({len(parts)} media parts)" if parts else _NO_CONTENT
    return ToolResult(text, parts=tuple(parts))


def _separated(content: Sequence[types.ContentBlock]) -> tuple[list[str], list[Part]]:
    texts: list[str] = []
    parts: list[Part] = []
    for block in content:
        match block:
            case types.TextContent():
                texts.append(block.text)
            case types.ImageContent():
                parts.append(Part("image", media=Media(block.mime_type, block.data)))
            case types.AudioContent():
                parts.append(Part("audio", media=Media(block.mime_type, block.data)))
            case types.ResourceLink():
                texts.append(_link(block))
            case types.EmbeddedResource():
                _embedded(block.resource, texts, parts)
    return texts, parts


def _link(block: types.ResourceLink) -> str:
    about = ", ".join(text for text in (block.mime_type, block.description) if text)
    return f"[resource {block.title or block.name}: {block.uri}{f' ({about})' if about else ''}]"


def _embedded(
    resource: types.TextResourceContents | types.BlobResourceContents,
    texts: list[str],
    parts: list[Part],
) -> None:
    mime = resource.mime_type or ""
    if isinstance(resource, types.TextResourceContents):
        texts.append(f"[resource {resource.uri}]\n{resource.text}")
        return
    family = mime.partition("/")[0]
    if family in _MEDIA or mime == "application/pdf":
        part_type = family if family in _MEDIA else "document"
        parts.append(Part(part_type, media=Media(mime, resource.blob)))
        return
    # Base64 encodes three bytes in four characters.
    size = len(resource.blob) * 3 // 4
    texts.append(f"[resource {resource.uri}: {size} bytes of {mime or 'unknown type'}]")
