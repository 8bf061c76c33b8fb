"""Keeps an MCP server connected, and the list of its tools current."""

import asyncio
import importlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.tools.backoff import Backoff
from omnia_runtime.tools.mcp.failure import why
from omnia_runtime.tools.mcp.target import Target
from omnia_runtime.tools.mcp.watch import Watch

if TYPE_CHECKING:
    from omnia_runtime.tools.mcp.session import Session

# A connection that held for so long was a good one: the next begins without a wait.
_GOOD_SECONDS = 30.0

_log = structlog.get_logger()


class Keeper:
    """The connections to one server, one after the other.

    Attributes:
        session: the one of now, None while there is none.
        problem: why there is none, in words that follow the handler's name.
        settled: is set when the first attempt has succeeded or failed.
    """

    def __init__(
        self,
        target: Target,
        interval: float,
        away: Backoff,
        listed: Callable[[list[ToolSpec]], None],
    ) -> None:
        """Connect to nothing yet.

        Args:
            target: the server.
            interval: seconds from one question for the tools to the next.
            away: the waits while there is no connection.
            listed: takes what the server lists, each time.
        """
        self.session: Session | None = None
        self.problem = ""
        self.settled = asyncio.Event()
        self._target = target
        self._interval, self._away = interval, away
        self._listed = listed
        # is set, and replaced, when an attempt to connect has succeeded or failed
        self._attempted = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            watch, began = Watch(), loop.time()
            # A task of its own: the SDK cancels the one that it runs in when a connection breaks.
            connection = asyncio.create_task(
                self._connection(watch), name=f"connection of {self._target.name}"
            )
            try:
                await asyncio.wait([connection])
            finally:
                self.session = None
                connection.cancel()
                await asyncio.wait([connection])
                error = None if connection.cancelled() else connection.exception()
            failures = 0 if watch.up and loop.time() - began > _GOOD_SECONDS else failures + 1
            self._tell(why(error, watch, self._target.timeout))
            if not watch.up:
                self._tell_attempted()
            if failures:
                await asyncio.sleep(self._away.wait(failures, random.random()))  # noqa: S311 - no secret

    async def replaced(self, session: "Session | None", seconds: float) -> None:
        """Wait until it is known whether there is another connection than `session`."""
        if self.session is session:
            self.session = None
        if self.session is not None:
            return
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._attempted.wait()
        except TimeoutError:
            pass

    async def _connection(self, watch: Watch) -> None:
        """Connect once, and keep the tools current until the connection has ended.

        Raises:
            Exception: the server does not answer; the SDK raises what it meets.
        """
        # on the event loop, it would stop all conversations for a second
        sdk = await asyncio.to_thread(importlib.import_module, "omnia_runtime.tools.mcp.session")
        async with sdk.connected(self._target, watch) as session:
            while not watch.over:
                watch.stirred.clear()
                self._listed(await session.tools())
                # a server that was asked in a newer way first may have refused it
                watch.status, watch.garbage = 0, False
                self._up(session, watch)
                try:
                    async with asyncio.timeout(self._interval):
                        await watch.stirred.wait()
                except TimeoutError:
                    pass

    def _up(self, session: "Session", watch: Watch) -> None:
        if not watch.over:
            self.session = session
            self._tell("")
        if not watch.up:
            watch.up = True
            self._tell_attempted()

    def _tell_attempted(self) -> None:
        attempted, self._attempted = self._attempted, asyncio.Event()
        attempted.set()
        self.settled.set()

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("MCP server", handler=self._target.name, problem=problem)
        elif self.problem and not problem:
            _log.info("MCP server is connected", handler=self._target.name)
        self.problem = problem
