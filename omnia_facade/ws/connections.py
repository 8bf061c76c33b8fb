"""All open WebSockets of the program: keep-alive, metrics, and draining."""

import asyncio
import time
from typing import Protocol

from msgspec import Struct

from omnia_facade.metrics import FacadeMetrics
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws.inbound_limits import ConnectionLimits, PodBudget
from omnia_facade.ws.rounds import ReadTurns, WriteCoalescer


class MonitoredConnection(Protocol):
    """A WebSocket, as used by keep-alive and draining.

    Attributes:
        unwritten: a new event each time that writing has to pause; None while it need not.
    """

    heard_at: float
    pinged_at: float
    closing_since: float | None
    unwritten: asyncio.Event | None

    @property
    def unsent(self) -> int:
        """Bytes that were written, and not accepted by the operating system."""

    @property
    def session_count(self) -> int:
        """The number of sessions announced on it."""

    def ping(self) -> None:
        """Send a ping."""

    def abort(self) -> None:
        """Cut the connection."""

    def drain(self) -> None:
        """Close when all accepted messages are answered."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""


class Connections:
    """Monitors all connections with one timer: idle ones need none of their own.

    Attributes:
        sent: frames sent since the counter was last updated.
        budget: the bytes that the pod may hold for all connections.
        write_coalescer: joins the writes of all connections.
        read_turns: shares reading among the connections that send much.
    """

    def __init__(
        self,
        metrics: FacadeMetrics,
        handler: str,
        timings: Timings = USUAL,
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - immutable
    ) -> None:
        self.metrics = metrics
        self.limits = limits
        self.budget = PodBudget(limits.held_bytes)
        self.sent = 0
        self.write_coalescer = WriteCoalescer()
        self.read_turns = ReadTurns()
        self._handler = handler
        self._stalls = StallDetector(limits.write_seconds)
        self._timings = timings
        self._open: set[MonitoredConnection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def opened(self, connection: MonitoredConnection) -> None:
        """Add a connection."""
        self._open.add(connection)
        self._empty.clear()
        self.metrics.connections.inc()
        self.metrics.connections_active.inc()
        self.metrics.sessions_active.inc(connection.session_count)
        if self._timer is None:
            self._arm()

    def closed(self, connection: MonitoredConnection) -> None:
        """Remove a connection."""
        self._open.discard(connection)
        self._stalls.forget(connection)
        self.metrics.connections_active.dec()
        self.metrics.sessions_active.dec(connection.session_count)
        self._count_sent()
        if not self._open:
            self._empty.set()

    def turn_started(self, accepted_at: float) -> float:
        """Count a turn, and return its start time; its message arrived at `accepted_at`."""
        self.metrics.requests_inflight.inc()
        now = time.perf_counter()
        self.metrics.waited(now - accepted_at)
        return now

    def turn_ended(self, began: float, *, success: bool, variant: str) -> None:
        """Count the end of a turn that this side of a rollout answered."""
        self.metrics.requests_inflight.dec()
        self.metrics.request_ended(
            self._handler, time.perf_counter() - began, success=success, variant=variant
        )
        self._count_sent()

    async def drain(self, seconds: float) -> None:
        """Close all connections: idle ones now, others after their turns or `seconds`."""
        for connection in list(self._open):
            connection.drain()
        if await self._wait_until_empty(seconds):
            return
        for connection in list(self._open):
            if connection.unwritten:
                # This client does not read: a closing handshake would not complete.
                connection.abort()
            else:
                connection.close(1001, "server shutdown")
        if not await self._wait_until_empty(self._timings.close):
            for connection in list(self._open):
                connection.abort()

    def sweep(self, now: float) -> None:
        """Ping silent clients; abort those that stay silent, do not read, or do not close."""
        ping, cut = self._timings.ping, self._timings.ping + self._timings.pong
        for connection in list(self._open):
            closing = connection.closing_since
            late = closing is not None and now - closing > self._timings.close
            if late or now - connection.heard_at > cut or self._stalls.stalled(connection, now):
                connection.abort()
            elif now - max(connection.heard_at, connection.pinged_at) >= ping:
                connection.ping()

    def _sweep_and_rearm(self) -> None:
        self._timer = None
        self.sweep(asyncio.get_running_loop().time())
        self._count_sent()
        if self._open:
            self._arm()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._timings.sweep, self._sweep_and_rearm)

    def _count_sent(self) -> None:
        sent, self.sent = self.sent, 0
        self.metrics.messages_sent.inc(sent)

    async def _wait_until_empty(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True


class _WriteState(Struct, frozen=True):
    """The state of a connection whose writing is paused, and since when it has not changed."""

    unwritten: asyncio.Event
    unsent: int
    since: float


class StallDetector:
    """Detects clients that read nothing. Keeps state only for those whose writing is paused."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long a client may read nothing."""
        self._seconds = seconds
        self._states: dict[MonitoredConnection, _WriteState] = {}

    def stalled(self, connection: MonitoredConnection, now: float) -> bool:
        """Check a connection, periodically; return whether it is stalled."""
        unwritten = connection.unwritten
        if unwritten is None:
            self.forget(connection)
            return False
        state = self._states.get(connection)
        if state is None or state.unwritten is not unwritten or state.unsent > connection.unsent:
            self._states[connection] = _WriteState(unwritten, connection.unsent, now)
            return False
        return now - state.since >= self._seconds

    def forget(self, connection: MonitoredConnection) -> None:
        """Remove the state of a connection."""
        self._states.pop(connection, None)
