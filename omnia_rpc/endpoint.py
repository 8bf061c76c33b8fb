"""A socket with a connection on it: one write for each turn of the loop, and signs of life."""

import asyncio
import math
from dataclasses import dataclass
from typing import cast

from omnia_rpc.http2.connection import Accept, Connection, Limits
from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.receiving import Receiver

# How long what is left to say may take when the connection ends.
LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Keepalive:
    """When the peer of a connection with open streams is pinged, and given up.

    Attributes:
        silence: seconds of silence before a ping.
        answer: seconds that the answer may take.
    """

    silence: float
    answer: float = 20.0


class Endpoint(asyncio.Protocol):
    """Either end of a connection.

    Attributes:
        connection: its state.
    """

    def __init__(self, limits: Limits, keepalive: Keepalive, accept: Accept | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._scheduled = False
        self._paused = False
        self._keepalive = keepalive
        self._heard = self._loop.time()
        # When the peer was last asked for a sign of life.
        self._asked = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.connection = Connection(wake=self._wake, limits=limits, accept=accept)
        self._receiver = Receiver(self.connection)

    @property
    def usable(self) -> bool:
        """Whether more can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._flush()
        self._watch(self._keepalive.silence)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._receiver.receive(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer:
            self._timer.cancel()
        reason = f"the connection was lost: {exc}" if exc else "the connection was closed"
        self.connection.end(ErrorCode.REFUSED_STREAM, reason)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def close(self) -> None:
        """Say goodbye and close; streams that are open end now."""
        self.connection.end()
        self._flush()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport:
            self._transport.abort()

    def _wake(self) -> None:
        ready = not self._paused or self.connection.failed
        if ready and not self._scheduled and self._transport:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        transport = self._transport
        if transport is None or (self._paused and not self.connection.failed):
            return
        data = self.connection.take()
        if data:
            transport.write(data)
        if self.connection.failed:
            self._end(transport)
        elif self.connection.outbox.wants_to_write:
            self._wake()

    def _end(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.close()
            # A peer that does not read would keep the socket open for ever.
            self._loop.call_later(LINGER_SECONDS, transport.abort)

    def _watch(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._check)

    def _check(self) -> None:
        now, keepalive = self._loop.time(), self._keepalive
        silent = now - self._heard
        if self._asked > self._heard:
            self.abort()
        elif silent < keepalive.silence:
            self._watch(keepalive.silence - silent)
        elif not self.connection.streams:
            self._watch(min(keepalive.silence, keepalive.answer))
        else:
            self._asked = now
            self.connection.ping()
            self._watch(keepalive.answer)
