"""A vendor that fails as it is told, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson

from tests.runtime.servers import chunk
from tests.services import connections_served

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Fault: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class FaultyServer:
    """Plays one fault per request, in order; the last is played again.

    Attributes:
        asked: how many requests came.
    """

    def __init__(self, *faults: Fault) -> None:
        self._faults = faults
        self.asked = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve, and yield the URL."""
        async with connections_served(self._connection) as port:
            yield f"http://127.0.0.1:{port}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            fault = self._faults[min(self.asked, len(self._faults) - 1)]
            self.asked += 1
            await fault(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def status(number: int, message: str = "no", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with a status and an error body."""
    body = orjson.dumps({"error": {"message": message}})
    lines = [f"HTTP/1.1 {number} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()

    return play


def streams(*words: str, ending: str = "done") -> Fault:
    """Say the words, then end: `done` properly, `cut` the connection, or be `silent` until the
    client goes.
    """

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events: Sequence[dict[str, Any]] = [chunk({"content": word}) for word in words]
        data = b"".join(b"data: " + orjson.dumps(each) + b"\n\n" for each in events)
        if ending == "done":
            data += b"data: " + orjson.dumps(chunk({}, "stop")) + b"\n\ndata: [DONE]\n\n"
        writer.write(_STREAM_HEAD + (_piece(data) if data else b""))
        if ending == "done":
            writer.write(_piece(b""))
        await writer.drain()
        if ending == "silent":
            await reader.read()

    return play


def late(opened: asyncio.Event, *words: str) -> Fault:
    """Say nothing, not even a head, until the event is set."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await opened.wait()
        await streams(*words)(reader, writer)

    return play


def sends(*pieces: bytes) -> Fault:
    """Send these bytes, each in a packet of its own, then close the connection."""

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005 if len(pieces) > 1 else 0)

    return play


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without an answer."""
    writer.close()


def _piece(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
