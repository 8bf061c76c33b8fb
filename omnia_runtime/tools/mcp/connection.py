"""The connection to an MCP server: restored when it ends, with a current list of tools."""

import asyncio
import importlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.tools.mcp.server import ConnectionState, MCPServer, connection_problem
from omnia_runtime.tools.retry import Backoff

if TYPE_CHECKING:
    from omnia_runtime.tools.mcp.session import MCPSession

# After a connection that lasted this long, the next one begins without a wait.
_STABLE_SECONDS = 30.0

_log = structlog.get_logger()


class MCPConnection:
    """The connections to one server, one after the other.

    Attributes:
        session: the current one, None while there is none.
        problem: why there is none, in words that follow the handler's name.
        settled: set when the first attempt has succeeded or failed.
        listed: set when an attempt has succeeded.
    """

    def __init__(
        self,
        server: MCPServer,
        interval: float,
        away: Backoff,
        listed: Callable[[list[ToolSpec]], None],
    ) -> None:
        """Prepare; `run` connects.

        Args:
            server: to connect to.
            interval: seconds between two questions for the tools.
            away: the waits while there is no connection.
            listed: called with the tools whenever the server has listed them.
        """
        self.session: MCPSession | None = None
        self.problem = ""
        self.settled = asyncio.Event()
        self.listed = asyncio.Event()
        self._server = server
        self._interval, self._away = interval, away
        self._listed = listed
        self._faults: dict[str, str] = {}
        # Set, and replaced, when an attempt to connect has succeeded or failed.
        self._attempted = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            state, began = ConnectionState(), loop.time()
            # A task of its own: the SDK cancels its own task when a connection breaks.
            connection = asyncio.create_task(
                self._connect(state), name=f"connection of {self._server.name}"
            )
            try:
                await asyncio.wait([connection])
            finally:
                self.session = None
                connection.cancel()
                await asyncio.wait([connection])
                error = None if connection.cancelled() else connection.exception()
            failures = 0 if state.up and loop.time() - began > _STABLE_SECONDS else failures + 1
            self._report(connection_problem(error, state, self._server.timeout))
            if not state.up:
                self._set_attempted()
            if failures:
                await asyncio.sleep(self._away.wait(failures, random.random()))  # noqa: S311 - not a secret

    async def replaced(self, session: "MCPSession | None", seconds: float) -> None:
        """Wait until a connection other than `session` is up, or an attempt has failed."""
        if self.session is session:
            self.session = None
        if self.session is not None:
            return
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._attempted.wait()
        except TimeoutError:
            pass

    async def _connect(self, state: ConnectionState) -> None:
        """Connect once, and keep the tools current until the connection has ended.

        Raises:
            Exception: of many types, from the SDK; the server does not answer.
        """
        # In a thread: on the event loop it would block all conversations for a second.
        sdk = await asyncio.to_thread(importlib.import_module, "omnia_runtime.tools.mcp.session")
        async with sdk.connected(self._server, state) as session:
            while not state.over:
                state.check.clear()
                self._listed(await session.tools())
                self._report_tools(state.lists.faults)
                # The server may have refused a newer version of the protocol before.
                state.status, state.garbage = 0, False
                self._set_up(session, state)
                try:
                    async with asyncio.timeout(self._interval):
                        await state.check.wait()
                except TimeoutError:
                    pass

    def _set_up(self, session: "MCPSession", state: ConnectionState) -> None:
        if not state.over:
            self.session = session
            self._report("")
        if not state.up:
            state.up = True
            self.listed.set()
            self._set_attempted()

    def _set_attempted(self) -> None:
        attempted, self._attempted = self._attempted, asyncio.Event()
        attempted.set()
        self.settled.set()

    def _report_tools(self, faults: dict[str, str]) -> None:
        """Log each tool that is not offered as the server describes it, once."""
        for tool, fault in faults.items():
            if self._faults.get(tool) != fault:
                _log.warning(
                    "a tool of an MCP server is not offered as described",
                    handler=self._server.name,
                    tool=tool,
                    problem=fault,
                )
        self._faults = faults

    def _report(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("MCP server has a problem", handler=self._server.name, problem=problem)
        elif self.problem and not problem:
            _log.info("MCP server is connected", handler=self._server.name)
        self.problem = problem
