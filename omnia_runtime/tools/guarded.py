"""What every call of a handler passes through: circuit breaker, time limit, shape of the result."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions.audit import EventKind
from omnia_runtime.observe.audit import record_event
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolSource
from omnia_runtime.tools.breaker import Breaker
from omnia_runtime.tools.credentials import CredentialUnusable


class ToolTimeout(ToolFailed):
    """The tool did not answer in time."""


class GuardedSource:
    """A handler that outlives reloads.

    Attributes:
        inner: the adapter.
    """

    def __init__(
        self,
        inner: ToolSource,
        *,
        check: Callable[[ToolResult], None] | None = None,
        breaks: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Guard `inner`.

        Args:
            inner: the adapter.
            check: raises ToolFailed for results that are none.
            breaks: whether its failures make it unavailable for a while.
            clock: seconds, for the breaker.
        """
        self._check = check
        self.inner = inner
        self._breaker = Breaker(clock) if breaks else None

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def timeout(self) -> float:
        return self.inner.timeout

    @property
    def broken(self) -> bool:
        """Whether the circuit breaker is open."""
        return self._breaker is not None and self._breaker.open

    def specs(self) -> list[ToolSpec]:
        return self.inner.specs()

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Execute a tool.

        Raises:
            ToolRetry: the model may mend its arguments.
            ToolFailed: the tool did not do it, or is not asked because it keeps failing.
        """
        if self._breaker is None:
            result = await self._timed(tool, arguments, context)
        else:
            result = await self._watched(self._breaker, tool, arguments, context)
        if self._check:
            self._check(result)
        return result

    async def _watched(
        self, breaker: Breaker, tool: str, arguments: JsonObject, context: CallContext
    ) -> ToolResult:
        if wait := breaker.wait():
            record_event(EventKind.BREAKER_OPEN, self.name)
            raise ToolFailed(f'handler "{self.name}" keeps failing: unavailable {_until(wait)}')
        verdict = breaker.abandoned
        try:
            result = await self._timed(tool, arguments, context)
            verdict = breaker.succeeded
        except CredentialUnusable:
            raise
        except ToolFailed as error:
            verdict = breaker.failed if error.server_fault else breaker.succeeded
            raise
        finally:
            verdict()
        return result

    async def _timed(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        try:
            async with asyncio.timeout(self.timeout):
                return await self.inner.call(tool, arguments, context)
        except TimeoutError as error:
            raise ToolTimeout(
                f'handler "{self.name}" did not answer in {self.timeout:g} s', server_fault=True
            ) from error


def _until(wait: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=wait)
    return f"until {moment:%H:%M:%S} UTC, in {max(round(wait), 1)} s"
