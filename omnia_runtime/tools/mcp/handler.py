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
from omnia_runtime.tools.backoff import RECONNECT, Backoff
from omnia_runtime.tools.mcp.failure import Unprocessed
from omnia_runtime.tools.mcp.keeper import Keeper
from omnia_runtime.tools.mcp.target import target_of

ASK_SECONDS = 60.0
# What a call waits for a new connection when the old one turned out to be gone.
_REPLACE_SECONDS = 5.0


def no_headers() -> Mapping[str, str]:
    """Return what a server without auth is shown."""
    return {}


class MCPSource:
    """One server and its tools. It is connected to again for as long as the handler is there."""

    def __init__(
        self,
        handler: ToolHandler,
        headers: Callable[[], Mapping[str, str]] = no_headers,
        interval: float = ASK_SECONDS,
        away: Backoff = RECONNECT,
        *,
        deny_private: bool = False,
    ) -> None:
        """Take the configuration; nothing is connected yet.

        Args:
            handler: a handler of type mcp.
            headers: makes the headers that prove who asks; asked for each request.
            interval: seconds from one question for the tools to the next, which is also how a
                server is missed that ended without a word.
            away: the waits while there is no connection.
            deny_private: whether a server over HTTP may be at a public address only.

        Raises:
            ValueError: says what the handler lacks.
        """
        target = target_of(handler, headers, deny_private=deny_private)
        self.name, self.timeout = target.name, target.timeout
        policy = target.config.retry_policy or RetryPolicy()
        self._attempts = policy.max_attempts
        self._waits = Backoff(
            Duration.parse(policy.initial_backoff).seconds,
            Duration.parse(policy.max_backoff).seconds,
            policy.backoff_multiplier,
        )
        self._filter = target.config.tool_filter or ToolFilter()
        self._specs: list[ToolSpec] = []
        self._changed: Changed | None = None
        self._keeper = Keeper(target, interval, away, self._listed)
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        return self._keeper.problem

    def specs(self) -> list[ToolSpec]:
        return list(self._specs)

    def start(self, changed: Changed) -> None:
        self._changed = changed
        self._task = asyncio.create_task(self._keeper.run(), name=f"MCP server of {self.name}")

    async def settled(self) -> None:
        await self._keeper.settled.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._keeper.settled.set()

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - nothing of the turn is forwarded
    ) -> ToolResult:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        failures, renewed = 0, False
        while True:
            session = self._keeper.session
            try:
                if session is None:
                    raise self._not_connected()
                return await session.call(tool, arguments)
            except ToolFailed as error:
                if isinstance(error, Unprocessed) and not renewed:
                    renewed = True
                    left = deadline - loop.time()
                    await self._keeper.replaced(session, min(left, _REPLACE_SECONDS))
                    continue
                failures += 1
                wait = self._waits.wait(failures, random.random())  # noqa: S311 - no secret
                late = loop.time() + wait >= deadline
                if not error.server_fault or failures >= self._attempts or late:
                    raise
            await asyncio.sleep(wait)

    def _not_connected(self) -> ToolFailed:
        said = self.problem or "is still connecting"
        return ToolFailed(
            f'handler "{self.name}" is not connected: it {said}; it is tried again',
            server_fault=True,
        )

    def _listed(self, tools: list[ToolSpec]) -> None:
        found = [each for each in tools if self._filter.allows(each.name)]
        if found != self._specs:
            self._specs = found
            if self._changed:
                self._changed()
