"""What every call of a handler passes: circuit breaker, time limit, check of the result."""

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
from omnia_runtime.tools.credentials import CredentialUnusable

FAULTS = 5
OPEN_SECONDS = 30.0


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
            check: raises ToolFailed for invalid results.
            breaks: whether repeated failures make the handler unavailable for a while.
            clock: seconds, for the circuit breaker.
        """
        self._check = check
        self.inner = inner
        self._breaker = CircuitBreaker(clock) if breaks else None

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
            ToolRetry: the model may correct its arguments.
            ToolFailed: the tool failed, or is not called because it keeps failing.
        """
        if self._breaker is None:
            result = await self._timed(tool, arguments, context)
        else:
            result = await self._counted(self._breaker, tool, arguments, context)
        if self._check:
            self._check(result)
        return result

    async def _counted(
        self, breaker: "CircuitBreaker", tool: str, arguments: JsonObject, context: CallContext
    ) -> ToolResult:
        if wait := breaker.wait():
            record_event(EventKind.BREAKER_OPEN, self.name)
            raise ToolFailed(f'handler "{self.name}" keeps failing: unavailable {_until(wait)}')
        outcome = breaker.abandoned
        try:
            result = await self._timed(tool, arguments, context)
            outcome = breaker.succeeded
        except CredentialUnusable:
            raise
        except ToolFailed as error:
            outcome = breaker.failed if error.server_fault else breaker.succeeded
            raise
        finally:
            outcome()
        return result

    async def _timed(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        try:
            async with asyncio.timeout(self.timeout):
                return await self.inner.call(tool, arguments, context)
        except TimeoutError as error:
            raise ToolTimeout(
                f'handler "{self.name}" did not answer within {self.timeout:g} s', server_fault=True
            ) from error


def _until(wait: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=wait)
    return f"until {moment:%H:%M:%S} UTC, in {max(round(wait), 1)} s"


class CircuitBreaker:
    """Opens after `FAULTS` faults in a row; after `OPEN_SECONDS`, one call probes the server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._faults = 0
        self._opened = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether no calls are made, other than those that probe the server."""
        return self._faults >= FAULTS

    def wait(self) -> float:
        """Return the seconds until a call may be made, 0 when it may be made now.

        A call that may be made has to end in `succeeded`, `failed` or `abandoned`.
        """
        if not self.open:
            return 0.0
        left = self._opened + OPEN_SECONDS - self._clock()
        if left > 0:
            return left
        if self._probing:
            # It is unknown how long the probing call takes.
            return 1.0
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """Called when the server answered, even with an error of the call."""
        self._faults, self._probing = 0, False

    def failed(self) -> None:
        """Called when the server is at fault."""
        self._faults += 1
        self._opened, self._probing = self._clock(), False

    def abandoned(self) -> None:
        """Called when the call ended without showing anything about the server."""
        self._probing = False
