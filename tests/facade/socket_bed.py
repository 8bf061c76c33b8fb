"""A connection of a client without a network: its transport records, and reads when it is told."""

import asyncio
from typing import Any, cast

import orjson
from prometheus_client import CollectorRegistry
from websockets.frames import Frame, Opcode

from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import BackendConnection
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.turns.local import AnnouncedSessions, EchoBackend
from omnia_facade.ws.client_connection import ClientConnection
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.inbound_limits import ConnectionLimits
from omnia_facade.ws.media_traffic import BeginUploads
from omnia_facade.ws.voice import VoiceCallLimit

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# What a transport holds before it asks for a pause, as asyncio's and uvloop's do.
HIGH_WATER = 64 * 1024


class Socket:
    """The transport of a client; `written` is what it was sent.

    Attributes:
        deaf: whether the client reads nothing.
        reading: whether more may be received.
        aborted: whether the connection was cut.
    """

    def __init__(self, protocol: asyncio.Protocol | None = None) -> None:
        self.written = bytearray()
        self.over = False
        self.deaf = False
        self.reading = True
        self.aborted = False
        self._protocol = protocol
        self._unread = 0

    def write(self, data: bytes) -> None:
        self.written += data
        if self.deaf and self._protocol:
            paused = self._unread > HIGH_WATER
            self._unread += len(data)
            if not paused and self._unread > HIGH_WATER:
                self._protocol.pause_writing()

    def read_all(self) -> None:
        """Let the client read what was written."""
        paused, self._unread = self._unread > HIGH_WATER, 0
        if paused and self._protocol:
            self._protocol.resume_writing()

    def write_eof(self) -> None:
        self.over = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self._unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def messages(self) -> list[tuple[int, bytes]]:
        """Return opcode and payload of every frame."""
        found = []
        at = (self.written.find(b"\r\n\r\n") + 4) if self.written else 0
        while at < len(self.written):
            kind, size = self.written[at] & 15, self.written[at + 1]
            at += 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size, at = int.from_bytes(self.written[at : at + width], "big"), at + width
            found.append((kind, bytes(self.written[at : at + size])))
            at += size
        return found

    def frames(self) -> list[dict[str, Any]]:
        """Return the text frames."""
        return [orjson.loads(data) for kind, data in self.messages() if kind == Opcode.TEXT]

    def answers(self) -> list[str]:
        """Return the contents of all answers."""
        return [frame["content"] for frame in self.frames() if frame["type"] == "done"]

    def closed(self) -> tuple[int, str] | None:
        """Return code and reason of the close frame."""
        for kind, data in self.messages():
            if kind == Opcode.CLOSE:
                return int.from_bytes(data[:2], "big"), data[2:].decode()
        return None


def masked(**fields: object) -> bytes:
    """Return a message of a client as one frame."""
    return Frame(Opcode.TEXT, orjson.dumps(fields)).serialize(mask=True)


def connections_with(limits: ConnectionLimits) -> Connections:
    """Return the connections of a pod with these limits."""
    metrics = FacadeMetrics(CollectorRegistry(), agent="a", namespace="n")
    return Connections(metrics, "runtime", limits=limits)


def accepted(
    backend: BackendConnection,
    limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - it cannot be changed
    connections: Connections | None = None,
    begin_uploads: BeginUploads | None = None,
) -> tuple[ClientConnection, Socket]:
    """Open a connection of a client; `connections` are those of its pod."""
    pod = connections or connections_with(limits)
    calls = VoiceCallLimit(0, pod.metrics.connections_active)
    conversation = WebSocketConversation("s", binary=begin_uploads is not None)
    connection = ClientConnection(pod, backend, conversation, None, calls, begin_uploads)
    socket = Socket(connection)
    connection.connection_made(cast("asyncio.Transport", socket))
    connection.data_received(UPGRADE)
    return connection, socket


def echoing(
    limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - it cannot be changed
    connections: Connections | None = None,
) -> tuple[ClientConnection, Socket]:
    """Open a connection of a client whose messages are answered with themselves."""
    backend = EchoBackend(AnnouncedSessions(10)).begin("s", Principal("mia"))
    return accepted(backend, limits, connections)


async def rounds_of_the_loop(count: int) -> None:
    """Let the event loop go on."""
    for _ in range(count):
        await asyncio.sleep(0)
