"""WebSocket as bytes (RFC 6455, section 5.2), for clients that do what no library would do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import IntEnum

import orjson

LIMIT = 100.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Opcode(IntEnum):
    """What a frame is."""

    CONT = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def upgrade(target: str = "/ws", *headers: str) -> bytes:
    """Return the request that opens a WebSocket."""
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *headers,
    ]
    return "\r\n".join(lines).encode(errors="surrogateescape") + b"\r\n\r\n"


def frame(
    payload: bytes = b"",
    opcode: int = Opcode.TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = bytes(4),
    claimed: int | None = None,
) -> bytes:
    """Return a frame of a client.

    Args:
        payload: what it carries.
        opcode: any of the sixteen.
        fin: whether it ends its message.
        reserved: the three reserved bits.
        mask: four bytes, or None for a frame without the mask that clients owe.
        claimed: the length that it says it has, instead of its own.
    """
    size = len(payload) if claimed is None else claimed
    head = bytearray((fin << 7 | reserved << 4 | opcode,))
    masked = 0x80 if mask is not None else 0
    if size < 126:
        head.append(masked | size)
    elif size < 1 << 16:
        head += bytes((masked | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((masked | 127,)) + size.to_bytes(8, "big")
    if mask is None:
        return bytes(head) + payload
    if any(mask):
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes(head) + mask + payload


def message(frame_type: str, **fields: object) -> bytes:
    """Return a frame that carries a message of the protocol."""
    return frame(orjson.dumps({"type": frame_type, **fields}))


class RawSocket:
    """An open WebSocket whose client answers nothing by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        async with asyncio.timeout(LIMIT):
            first, size = await self.reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first & 15, await self.reader.readexactly(size)

    async def ended(self) -> None:
        """Wait until the server has ended the connection, whatever it still says."""
        async with asyncio.timeout(LIMIT):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass


@contextlib.asynccontextmanager
async def opened(port: int, target: str = "/ws", *headers: str) -> AsyncIterator[RawSocket]:
    """Open a WebSocket on the loopback address."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(upgrade(target, *headers))
        async with asyncio.timeout(LIMIT):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
