"""The tools of one turn: the manager's, called for its session, as often as the policy allows."""

import time
from collections import defaultdict, deque
from collections.abc import Callable

import orjson

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_runtime.observe.audit import note_refused
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.turns.turn import Caller

_WINDOW_SECONDS = 60.0


class CallRate:
    """How often each tool may be called, over all sessions of this process."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, tool: str) -> float:
        """Count a call, and return 0; or the seconds after which it may be made."""
        calls, now = self._calls[tool], self._clock()
        while calls and calls[0] <= now - _WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= self.per_minute:
            return calls[0] + _WINDOW_SECONDS - now if calls else _WINDOW_SECONDS
        calls.append(now)
        return 0.0


class BoundTools:
    """Calls tools for one turn."""

    def __init__(
        self, tools: ToolManager, rate: CallRate | None, session_id: str, caller: Caller
    ) -> None:
        self._tools = tools
        self._rate = rate
        self._session_id = session_id
        self._caller = caller

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute a call; whatever goes wrong is a result for the model."""
        if self._rate and (wait := self._rate.admit(call.name)):
            note_refused(call)
            text = (
                f"not called: {call.name} may be called {self._rate.per_minute} times a minute;"
                f" the next call is possible in {max(round(wait), 1)} s"
            )
            return ToolResult(orjson.dumps({"error": text}).decode(), is_error=True)
        context = CallContext(call.id, self._session_id, self._caller.metadata, self._caller.client)
        return await self._tools.call(call, context)
