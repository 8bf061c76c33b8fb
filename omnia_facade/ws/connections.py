"""All open WebSockets: keep-alive, counts, and the end."""

import asyncio
import time
from typing import Protocol

from omnia_facade.metrics import Metrics

PING_SECONDS = 30.0
PONG_SECONDS = 60.0
CLOSE_SECONDS = 5.0
SWEEP_SECONDS = 2.0


class Connection(Protocol):
    """What the keep-alive needs to know of a WebSocket, and does to it."""

    heard_at: float
    pinged_at: float
    closing_since: float | None

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
    """

    def __init__(self, metrics: Metrics, handler: str) -> None:
        self.metrics = metrics
        self.sent = 0
        self._handler = handler
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
        self.metrics.sessions_active.inc()
        if self._timer is None:
            self._arm()

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self.metrics.connections_active.dec()
        self.metrics.sessions_active.dec()
        self._count_sent()
        if not self._open:
            self._empty.set()

    def turn_started(self) -> float:
        """Count a turn, and return when it began."""
        self.metrics.requests_inflight.inc()
        return time.perf_counter()

    def turn_ended(self, began: float, *, success: bool) -> None:
        """Count the turn's end."""
        self.metrics.requests_inflight.dec()
        self.metrics.request_ended(self._handler, time.perf_counter() - began, success=success)
        self._count_sent()

    async def drain(self, seconds: float, close_seconds: float = CLOSE_SECONDS) -> None:
        """Close every connection: idle ones now, the others after their turn or the time given."""
        for connection in list(self._open):
            connection.drain()
        if await self._wait_until_empty(seconds):
            return
        for connection in list(self._open):
            connection.close(1001, "server shutdown")
        if not await self._wait_until_empty(close_seconds):
            for connection in list(self._open):
                connection.abort()

    def sweep(self, now: float) -> None:
        """Ping who was long silent, and cut who does not answer or does not finish closing."""
        for connection in list(self._open):
            closing = connection.closing_since
            late = closing is not None and now - closing > CLOSE_SECONDS
            if late or now - connection.heard_at > PING_SECONDS + PONG_SECONDS:
                connection.abort()
            elif now - max(connection.heard_at, connection.pinged_at) >= PING_SECONDS:
                connection.ping()

    def _sweep_and_rearm(self) -> None:
        self._timer = None
        self.sweep(asyncio.get_running_loop().time())
        self._count_sent()
        if self._open:
            self._arm()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep_and_rearm)

    def _count_sent(self) -> None:
        sent, self.sent = self.sent, 0
        self.metrics.messages_sent.inc(sent)

    async def _wait_until_empty(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True
