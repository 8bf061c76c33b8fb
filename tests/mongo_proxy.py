"""A door in front of a MongoDB server that knows commands, and fails them at the worst moment."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bson

from tests.services import connections_served

_HEADER = struct.Struct("<4i")  # length, request, response to, opcode
_BODY = 21  # header, flags and the kind of the first section
_OP_MSG = 2013
# What the client sends by itself.
_OWN = ("hello", "ismaster", "isMaster", "ping", "endSessions")


class MongoProxy:
    """Forwards to a port of the loopback address (MongoDB Wire Protocol, OP_MSG).

    Attributes:
        commands: the names of the commands that arrived, without those of the driver itself.
        found: the commands that looked for documents.
        answers: by command, what the server answers to the next one; it is not forwarded when the
            answer has `ok` 0.
        left: how many commands are still answered; after that nothing is. None: no limit.
        last_arrives: whether the command after those still reaches the server.
        exhausted: is set when that command has come, and reached the server if it does.
        lose: by command, how many answers are lost with their connections.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.commands: list[str] = []
        self.found: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.left: int | None = None
        self.last_arrives = False
        self.exhausted = asyncio.Event()
        self.lose: dict[str, int] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve, and yield the URL of the database `omnia`."""
        async with connections_served(self._connection) as port:
            yield f"mongodb://127.0.0.1:{port}/omnia"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            while True:
                request = await _message(reader)
                answer = await self._answer(request, there, back)
                if answer is None:
                    break
                writer.write(answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            back.close()

    async def _answer(
        self, request: bytes, there: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> bytes | None:
        """Return the answer; None: the connection is cut."""
        name = _name(request)
        counted = name not in _OWN
        if counted:
            self.commands.append(name)
            if name == "find":
                self.found.append(bson.decode(request[_BODY:]))
        if counted and self.left is not None and self.left <= 0:
            if self.last_arrives:
                self.last_arrives = False
                back.write(request)
                await _message(there)
            self.exhausted.set()
            await asyncio.Event().wait()
        given = self.answers.pop(name, None)
        if given is None or given["ok"]:
            back.write(request)
            answer = await _message(there)
        if given is not None:
            answer = _reply(request, given)
        if counted and self.left is not None:
            self.left -= 1
        if self.lose.get(name, 0):
            self.lose[name] -= 1
            return None
        return answer


async def _message(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(_HEADER.size)
    return header + await reader.readexactly(_HEADER.unpack(header)[0] - _HEADER.size)


def _name(request: bytes) -> str:
    if _HEADER.unpack_from(request)[3] != _OP_MSG:
        return "hello"
    (size,) = struct.unpack_from("<i", request, _BODY)
    return str(next(iter(bson.decode(request[_BODY : _BODY + size]))))


def _reply(request: bytes, document: dict[str, Any]) -> bytes:
    body = struct.pack("<iB", 0, 0) + bson.encode(document)
    number = _HEADER.unpack_from(request)[1]
    return _HEADER.pack(_HEADER.size + len(body), 0, number, _OP_MSG) + body
