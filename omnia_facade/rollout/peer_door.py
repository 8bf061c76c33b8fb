"""The door of a pod in a rollout: facades of the other side reach its runtime through it.

The runtime listens on loopback only. A facade connects to this port and says one line, which is
`OMNIA-PEER ` and the token of the rollout. What follows is joined, byte for byte, with the port of
the runtime. Nothing is answered to anybody: who does not know the token is cut.
"""

import asyncio
import hmac
import socket
from collections.abc import Callable
from typing import cast

import structlog
from msgspec import Struct, field

WORD = b"OMNIA-PEER "
MAX_LINE = 256
LINE_SECONDS = 5.0
MAX_PENDING = 64
"""Connections that have not said their line; beyond it, the oldest is cut."""
MAX_JOINED = 256
CONNECT_SECONDS = 5.0
HIGH_WATER = 256 * 1024

REFUSAL_REASONS = ("full", "no_line", "no_runtime", "silent", "too_many", "wrong_token")

_log = structlog.get_logger()


def peer_line(token: str) -> bytes:
    """Return what a facade says first."""
    return WORD + token.encode() + b"\n"


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class PeerDoorContext(Struct, frozen=True):
    """What the connections of the door share.

    Attributes:
        token: returns the token; "" lets nobody in.
        runtime: address and port of the runtime.
        refused: called with the reason of each connection that is cut before it is joined.
        line_seconds: how long a connection may take to say its line.
        pending: connections that have not said it, oldest first.
        joined: connections that were let in.
        empty: set while no connection is joined.
    """

    token: Callable[[], str]
    runtime: tuple[str, int]
    refused: Callable[[str], None]
    line_seconds: float = LINE_SECONDS
    pending: "dict[PeerConnection, None]" = field(default_factory=dict)
    joined: "set[PeerConnection]" = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=_set_event)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def drain(self, seconds: float) -> None:
        """Return when the last joined connection has ended, or after `seconds`.

        The runtime of the pod shuts down at the same time: it ends its turns, then it closes its
        connections.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.empty.wait()
        except TimeoutError:
            _log.warning("facades of the other side are cut", connections=len(self.joined))


class _Side(asyncio.Protocol):
    """One end of a joined pair: what it receives is written to the other one."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    @property
    def unsent(self) -> int:
        """Bytes that this end has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)

    def eof_received(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        """Send what the other end has sent."""
        if self._transport is not None and data:
            self._transport.write(data)

    def close(self) -> None:
        """Send the rest, and close."""
        if self._transport is not None:
            self._transport.close()

    def pause_reading(self) -> None:
        """Read nothing while the other end takes nothing."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


class PeerConnection(_Side):
    """A connection to the door: first its line, then the bytes of the runtime."""

    def __init__(self, context: PeerDoorContext) -> None:
        super().__init__()
        self._context = context
        self._received = bytearray()
        self._runtime: _RuntimeSide | None = None
        self._deciding = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Bytes that are received and not sent on."""
        behind = 0 if self._runtime is None else self._runtime.unsent
        return len(self._received) + self.unsent + behind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        made = transport.get_extra_info("socket")
        if made is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if len(self._context.pending) >= MAX_PENDING:
            next(iter(self._context.pending)).cut("too_many")
        self._context.pending[self] = None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._context.line_seconds, self.cut, "silent")

    def data_received(self, data: bytes) -> None:
        if self._runtime is not None:
            self._runtime.write(data)
            return
        self._received += data
        if self._deciding:
            return
        line, end, _ = bytes(self._received[:MAX_LINE]).partition(b"\n")
        if not end:
            if len(self._received) >= MAX_LINE:
                self.cut("no_line")
            return
        expected = self._context.token()
        # Compared in constant time, and also where there is no token.
        matches = hmac.compare_digest(line, peer_line(expected)[:-1])
        if not expected or not matches:
            self.cut("wrong_token")
        elif len(self._context.joined) >= MAX_JOINED:
            self.cut("full")
        else:
            del self._received[: len(line) + 1]
            self._join()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._transport = None
        self._leave()
        if self._runtime is not None:
            self._runtime.close()

    def pause_writing(self) -> None:
        if self._runtime is not None:
            self._runtime.pause_reading()

    def resume_writing(self) -> None:
        if self._runtime is not None:
            self._runtime.resume_reading()

    def cut(self, reason: str) -> None:
        """End a connection that was not joined."""
        self._context.refused(reason)
        self._leave()
        self._received.clear()
        if self._transport is not None:
            self._transport.abort()

    def _join(self) -> None:
        context = self._context
        self._deciding = True
        self._stop_timer()
        context.pending.pop(self, None)
        context.joined.add(self)
        context.empty.clear()
        # Data that is read from here on would accumulate.
        self.pause_reading()
        task = asyncio.get_running_loop().create_task(self._connect())
        context.tasks.add(task)
        task.add_done_callback(context.tasks.discard)

    async def _connect(self) -> None:
        side = _RuntimeSide(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().create_connection(
                    lambda: side, *self._context.runtime
                )
        except OSError as error:
            _log.warning("a facade was not joined with the runtime", reason=str(error))
            self.cut("no_runtime")
            return
        if self._transport is None:
            side.close()
            return
        self._runtime = side
        side.write(bytes(self._received))
        self._received.clear()
        self.resume_reading()

    def _leave(self) -> None:
        self._stop_timer()
        self._context.pending.pop(self, None)
        self._context.joined.discard(self)
        if not self._context.joined:
            self._context.empty.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _RuntimeSide(_Side):
    """The connection to the runtime."""

    def __init__(self, peer: PeerConnection) -> None:
        super().__init__()
        self._peer = peer

    def data_received(self, data: bytes) -> None:
        self._peer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._transport = None
        self._peer.close()

    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self._peer.resume_reading()
