"""Runs the agent loop for turns and function calls, and reports to metrics and audit."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from omnia_core.sessions import Message
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.limits import LimitReached
from omnia_runtime.agent.loop import AgentLoop
from omnia_runtime.observe.audit import record_event
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import AgentListener, TurnFinished
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.turns.agent_version import AgentVersion
from omnia_runtime.validators import Blocked


class AgentRunner:
    """Runs the agent loop, and reports to metrics and audit what a turn may end with."""

    def __init__(self, metrics: RuntimeMetrics) -> None:
        self._metrics = metrics

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Count the turn inside the block: in flight, then its duration and status."""
        began, status = time.monotonic(), "error"
        self._metrics.turn_began()
        try:
            yield
            status = "success"
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        finally:
            self._metrics.turn_ended(status, time.monotonic() - began)

    def check_input(self, agent: AgentVersion, text: str) -> Blocked | None:
        """Apply the input validators; None if the input passes."""
        blocked = agent.validators.check_input(text)
        if blocked:
            record_event(EventKind.INPUT_BLOCKED, blocked.validator_type)
            self._metrics.blocked(blocked.validator_type, "input")
        return blocked

    async def run(
        self,
        loop: AgentLoop,
        request: ChatRequest,
        transcript: list[Message],
        listener: AgentListener,
    ) -> TurnFinished:
        """Run the loop, as `AgentLoop.run`."""
        try:
            finished = await loop.run(request, transcript, listener)
        except LimitReached as error:
            self._report_limit(error.limit)
            raise
        if finished.limit:
            self._report_limit(finished.limit)
        if finished.blocked:
            record_event(EventKind.OUTPUT_BLOCKED, finished.blocked)
            self._metrics.blocked(finished.blocked, "output")
        return finished

    def _report_limit(self, limit: str) -> None:
        record_event(EventKind.LIMIT_REACHED, limit)
        self._metrics.limit_reached(limit)
