"""A door in front of a server, which can be slammed at the worst moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.services import connections_served


class Proxy:
    """Forwards to a port of the loopback address.

    Attributes:
        target: the port that new connections are forwarded to.
        lose_answer: the next bytes of the server are thrown away and both connections cut.
        dropped: pieces of the server's answers with these bytes are not handed on.
        lost: how many answers were thrown away.
        silent: nothing that the server says is handed on.
        idle: so many seconds without a byte of the server end a connection, as many proxies do;
            None for no limit.
        deaf: nothing that the client says is handed on, its leaving included.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.lose_answer = False
        self.dropped = b""
        self.lost = 0
        self.silent = False
        self.deaf = False
        self.idle: float | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve, and yield the port."""
        async with connections_served(self._connection) as port:
            yield port

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        asking = asyncio.create_task(self._pump(reader, back))
        try:
            while data := await self._answer(there, writer):
                if self.lose_answer:
                    self.lose_answer = False
                    self.lost += 1
                    writer.transport.abort()
                    break
                if self.dropped and self.dropped in data:
                    self.lost += 1
                elif not self.silent:
                    writer.write(data)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
            writer.close()
            back.close()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            async with asyncio.timeout(self.idle):
                return await there.read(65536)
        except TimeoutError:
            self.lost += 1
            writer.transport.abort()
            return b""

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self.deaf:
                    writer.write(data)
