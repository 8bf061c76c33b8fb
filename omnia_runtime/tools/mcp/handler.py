"""Tools of an MCP server. The SDK is loaded when the first handler begins to connect."""

import asyncio
import random
from collections.abc import Callable, Mapping

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import RetryPolicy, ToolFilter, ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, Changed, ToolFailed
from omnia_runtime.tools.credentials import no_headers
from omnia_runtime.tools.mcp.connection import MCPConnection
from omnia_runtime.tools.mcp.server import Unprocessed, server_of
from omnia_runtime.tools.retry import RECONNECT, Backoff

POLL_SECONDS = 60.0
# How long a call waits for a new connection when the old one turns out to be lost.
_RECONNECT_SECONDS = 5.0


class MCPSource:
    """One server and its tools. The connection is restored for as long as the handler exists."""

    def __init__(
        self,
        handler: ToolHandler,
        headers: Callable[[], Mapping[str, str]] = no_headers,
        interval: float = POLL_SECONDS,
        away: Backoff = RECONNECT,
        *,
        deny_private: bool = False,
    ) -> None:
        """Read the configuration; nothing is connected yet.

        Args:
            handler: a handler of type mcp.
            headers: returns the headers with the credential; called for each request.
            interval: seconds between two questions for the tools, which also detect a server that
                ended without closing its connection.
            away: the waits while there is no connection.
            deny_private: whether a server over HTTP must be at a public address.

        Raises:
            ValueError: the handler is invalid; the message says why.
        """
        server = server_of(handler, headers, deny_private=deny_private)
        self.name, self.timeout = server.name, server.timeout
        policy = server.config.retry_policy or RetryPolicy()
        self._attempts = policy.max_attempts
        self._waits = Backoff(
            Duration.parse(policy.initial_backoff).seconds,
            Duration.parse(policy.max_backoff).seconds,
            policy.backoff_multiplier,
        )
        self._filter = server.config.tool_filter or ToolFilter()
        self._specs: list[ToolSpec] = []
        self._changed: Changed | None = None
        self._connection = MCPConnection(server, interval, away, self._listed)
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        return self._connection.problem

    def specs(self) -> list[ToolSpec]:
        return list(self._specs)

    def start(self, changed: Changed) -> None:
        self._changed = changed
        self._task = asyncio.create_task(self._connection.run(), name=f"MCP server of {self.name}")

    async def settled(self) -> None:
        await self._connection.settled.wait()

    async def listed(self) -> None:
        await self._connection.listed.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._connection.settled.set()
        self._connection.listed.set()

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - nothing of the turn is forwarded
    ) -> ToolResult:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        failures, reconnected = 0, False
        while True:
            session = self._connection.session
            try:
                if session is None:
                    raise self._not_connected()
                return await session.call(tool, arguments)
            except ToolFailed as error:
                if isinstance(error, Unprocessed) and not reconnected:
                    reconnected = True
                    left = deadline - loop.time()
                    await self._connection.replaced(session, min(left, _RECONNECT_SECONDS))
                    continue
                failures += 1
                wait = self._waits.wait(failures, random.random())  # noqa: S311 - not a secret
                late = loop.time() + wait >= deadline
                if not error.server_fault or failures >= self._attempts or late:
                    raise
            await asyncio.sleep(wait)

    def _not_connected(self) -> ToolFailed:
        problem = self.problem or "is still connecting"
        return ToolFailed(
            f'handler "{self.name}" is not connected: it {problem}; the runtime keeps trying',
            server_fault=True,
        )

    def _listed(self, tools: list[ToolSpec]) -> None:
        specs = [tool for tool in tools if self._filter.allows(tool.name)]
        if specs != self._specs:
            self._specs = specs
            if self._changed:
                self._changed()
