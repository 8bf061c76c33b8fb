"""Tool calls that a run waits for: the client answers them in another request.

The response that showed a call ends, and the run is parked until the results come, or until the
client has taken too long.
"""

import asyncio
from collections.abc import Callable

from omnia_facade.backend.events import ClientToolResult, ToolCallEvent

# The calls of one model answer come one after another. So long after the last the run is parked.
QUIET_SECONDS = 0.05
NOT_ANSWERED = "the client did not answer the tool call in time"


class PendingCalls:
    """The calls that the client has not answered."""

    __slots__ = ("_calls", "_deadline", "_on_quiet", "_quiet", "_seconds", "_send")

    def __init__(
        self,
        seconds: float,
        on_quiet: Callable[[], None],
        send: Callable[[ClientToolResult], None],
    ) -> None:
        """Begin without calls.

        Args:
            seconds: how long the client may take, from the last call on.
            on_quiet: called when the run waits for the client only.
            send: sends a result to the run, or the rejection of a call that took too long.
        """
        self._seconds = seconds
        self._on_quiet = on_quiet
        self._send = send
        self._calls: dict[str, ToolCallEvent] = {}
        self._quiet: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def calls(self) -> tuple[ToolCallEvent, ...]:
        """The calls in their order."""
        return tuple(self._calls.values())

    def add(self, event: ToolCallEvent) -> None:
        """Add a call."""
        self.close()
        self._calls[event.call.id] = event
        loop = asyncio.get_running_loop()
        self._quiet = loop.call_later(QUIET_SECONDS, self._on_quiet)
        self._deadline = loop.call_later(self._seconds, self._expire)

    def answer(self, result: ClientToolResult) -> bool:
        """Send a result; return False for a call that is unknown or answered already."""
        if self._calls.pop(result.call_id, None) is None:
            return False
        if not self._calls:
            self.close()
        self._send(result)
        return True

    def close(self) -> None:
        """Stop the timers."""
        for timer in (self._quiet, self._deadline):
            if timer:
                timer.cancel()

    def _expire(self) -> None:
        for call_id in tuple(self._calls):
            self.answer(ClientToolResult(call_id, rejection=NOT_ANSWERED))
