"""All open WebSockets: keep-alive, counts, and the end."""

import asyncio
import time
from typing import Protocol

from omnia_facade.metrics import FacadeMetrics
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws.limits import Limits
from omnia_facade.ws.outgoing import Outgoing
from omnia_facade.ws.received import Received
from omnia_facade.ws.stalls import Stalls


class Connection(Protocol):
    """What the keep-alive needs to know of a WebSocket, and does to it."""

    heard_at: float
    pinged_at: float
    closing_since: float | None
    unwritten: asyncio.Event | None

    @property
    def unsent(self) -> int:
        """Bytes that were written, and that the system has not taken."""

    @property
    def sessions(self) -> int:
        """How many sessions were announced on it."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def abort(self) -> None:
        """Cut the connection."""

    def drain(self) -> None:
        """Close when nothing is under way."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""


class Connections:
    """One timer looks after all connections: idle ones cost no timer each.

    Attributes:
        sent: frames written since the counter was last brought up to date.
        outgoing: what all of them have to write.
    """

    def __init__(
        self,
        metrics: FacadeMetrics,
        handler: str,
        timings: Timings = USUAL,
        limits: Limits = Limits(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self.metrics = metrics
        self.limits = limits
        self.received = Received(limits.received_bytes)
        self.sent = 0
        self.outgoing = Outgoing()
        self._handler = handler
        self._stalls = Stalls(limits.write_seconds)
        self._timings = timings
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def opened(self, connection: Connection) -> None:
        """Look after a connection."""
        self._open.add(connection)
        self._empty.clear()
        self.metrics.connections.inc()
        self.metrics.connections_active.inc()
        self.metrics.sessions_active.inc(connection.sessions)
        if self._timer is None:
            self._arm()

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._stalls.forget(connection)
        self.metrics.connections_active.dec()
        self.metrics.sessions_active.dec(connection.sessions)
        self._count_sent()
        if not self._open:
            self._empty.set()

    def turn_started(self, accepted_at: float) -> float:
        """Count a turn, and return when it began; its message came at `accepted_at`."""
        self.metrics.requests_inflight.inc()
        now = time.perf_counter()
        self.metrics.waited(now - accepted_at)
        return now

    def first_chunk(self, accepted_at: float) -> None:
        """Note the beginning of an answer."""
        self.metrics.first_chunk(time.perf_counter() - accepted_at)

    def turn_ended(self, began: float, *, success: bool) -> None:
        """Count the turn's end."""
        self.metrics.requests_inflight.dec()
        self.metrics.request_ended(self._handler, time.perf_counter() - began, success=success)
        self._count_sent()

    async def drain(self, seconds: float) -> None:
        """Close every connection: idle ones now, the others after their turn or the time given."""
        for connection in list(self._open):
            connection.drain()
        if await self._wait_until_empty(seconds):
            return
        for connection in list(self._open):
            if connection.unwritten:
                # what it has not read so far it would not read in the next seconds
                connection.abort()
            else:
                connection.close(1001, "server shutdown")
        if not await self._wait_until_empty(self._timings.close):
            for connection in list(self._open):
                connection.abort()

    def sweep(self, now: float) -> None:
        """Ping who was long silent; cut who stays so, reads nothing, or does not finish closing."""
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
