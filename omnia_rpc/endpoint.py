"""An HTTP/2 connection on a socket: one write per round of the event loop, and keepalive."""

import asyncio
import math
from dataclasses import dataclass
from typing import cast

from omnia_rpc.http2.connection import AcceptStream, Http2Connection, PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.receiver import FrameReceiver

# How long the last bytes may take when the connection is closed.
LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Keepalive:
    """When the peer of a connection with open streams is pinged, and when it counts as lost.

    Attributes:
        interval: seconds without received data before a PING.
        timeout: seconds that the peer may take to reply.
        idle: seconds without a stream after which the connection is closed.
    """

    interval: float
    timeout: float = 20.0
    idle: float = math.inf


class Http2Endpoint(asyncio.Protocol):
    """One end of a connection.

    Attributes:
        connection: the state of the connection.
    """

    def __init__(
        self,
        limits: PeerLimits,
        keepalive: Keepalive,
        accept: AcceptStream | None = None,
        preamble: bytes = b"",
    ) -> None:
        self._preamble = preamble
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._scheduled = False
        self._paused = False
        self._keepalive = keepalive
        self._received_at = self._loop.time()
        self._pinged_at = -math.inf
        self._used_at = self._received_at
        self._last_stream = 0
        self._timer: asyncio.TimerHandle | None = None
        self.connection = Http2Connection(wake=self._wake, limits=limits, accept=accept)
        self._receiver = FrameReceiver(self.connection)

    @property
    def usable(self) -> bool:
        """Whether more can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._preamble:
            self._transport.write(self._preamble)
        self._flush()
        self._check_after(self._keepalive.interval)

    def data_received(self, data: bytes) -> None:
        self._received_at = self._loop.time()
        self._receiver.receive(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer:
            self._timer.cancel()
        reason = f"the connection was lost: {exc}" if exc else "the connection was closed"
        self.connection.close(Http2ErrorCode.REFUSED_STREAM, reason)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def close(self) -> None:
        """Send GOAWAY, end the open streams, and close the socket."""
        self.connection.close()
        self._flush()

    def abort(self) -> None:
        """Close the socket without sending anything more."""
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
        data = self.connection.data_to_send()
        if data:
            transport.write(data)
        if self.connection.failed:
            self._close(transport)
        elif self.connection.sender.wants_to_write:
            self._wake()

    def _close(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.close()
            # A peer that does not read would keep the socket open forever.
            self._loop.call_later(LINGER_SECONDS, transport.abort)

    def _check_after(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._check_peer)

    def _check_peer(self) -> None:
        now, keepalive = self._loop.time(), self._keepalive
        silent = now - self._received_at
        if self._is_used():
            self._used_at = now
        elif now - self._used_at >= keepalive.idle:
            self.close()
            return
        if self._pinged_at > self._received_at:
            self.abort()
        elif silent < keepalive.interval:
            self._check_after(keepalive.interval - silent)
        elif not self.connection.streams:
            self._check_after(min(keepalive.interval, keepalive.timeout))
        else:
            self._pinged_at = now
            self.connection.send_ping()
            self._check_after(keepalive.timeout)

    def _is_used(self) -> bool:
        """Whether there is a stream, or was one since the last time."""
        last, self._last_stream = self._last_stream, self.connection.last_peer_id
        return bool(self.connection.streams) or last != self._last_stream
