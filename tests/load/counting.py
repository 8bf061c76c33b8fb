"""Clients of the load generator: each checks every frame that it gets."""

import asyncio
import time
from array import array
from collections import Counter
from typing import cast

import orjson

from tests.raw_websocket import Opcode, frame, message, upgrade


class Books:
    """What all clients saw. Times are in milliseconds.

    Attributes:
        chunks, expected: how many came, and how many were asked for.
        relayed: from the runtime's sending of a chunk to its arrival here.
        first: from a message to the first chunk of its answer.
        gaps: between two chunks of an answer.
        wrong: what should not have happened, with how often it did.
    """

    def __init__(self) -> None:
        self.measuring = False
        self.connected = 0
        self.chunks = 0
        self.expected = 0
        self.turns = 0
        self.relayed = array("f")
        self.first = array("f")
        self.gaps = array("f")
        self.wrong: Counter[str] = Counter()


class Client(asyncio.Protocol):
    """An open WebSocket; it answers pings, and counts when it is told to."""

    __slots__ = (
        "_books",
        "_buffer",
        "_chunks",
        "_expected",
        "_gap",
        "_key",
        "_said_at",
        "_seen_at",
        "_transport",
        "again",
        "idle",
        "leaving",
        "session_id",
    )

    def __init__(self, books: Books, key: str, gap: int) -> None:
        self._books = books
        self._key = key
        self._chunks = 0
        self._gap = gap
        self._buffer = b""
        self._expected = 0
        self._said_at = self._seen_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.session_id = ""
        self.again = self.leaving = False
        self.idle = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(upgrade())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.leaving:
            self._wrong(f"a connection was lost: {exc}")
        self._transport = None
        self.idle.set()

    def say(self, chunks: int) -> None:
        """Ask the runtime to count so far."""
        self.idle.clear()
        self._chunks = chunks
        self._books.expected += chunks
        self._expected = 0
        self._said_at = time.monotonic()
        self._write(message("message", content=f"count {self._key} {self._chunks} {self._gap}"))

    def leave(self) -> None:
        """End the connection."""
        self.leaving = True
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        begin = 0
        if not self.session_id and buffer.startswith(b"HTTP"):
            begin = buffer.find(b"\r\n\r\n") + 4
            if begin < 4:
                return
            if not buffer.startswith(b"HTTP/1.1 101 "):
                self._wrong(f"an upgrade was refused: {buffer[:40]!r}")
                return
        while len(buffer) - begin >= 2:
            size, head = buffer[begin + 1], 2
            if size == 126:
                size, head = int.from_bytes(buffer[begin + 2 : begin + 4], "big"), 4
            if len(buffer) < begin + head + size:
                break
            opcode = buffer[begin] & 15
            self._frame(opcode, buffer[begin + head : begin + head + size])
            begin += head + size
        self._buffer = buffer[begin:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING:
            self._write(frame(payload, Opcode.PONG))
        elif opcode == Opcode.TEXT:
            self._message(orjson.loads(payload))
        else:
            self._wrong(f"a frame of opcode {opcode}: {payload[:40]!r}")

    def _message(self, found: dict[str, str]) -> None:
        if not self.session_id and found["type"] == "connected":
            self.session_id = found["session_id"]
            self._books.connected += 1
            self.idle.set()
        elif found["session_id"] != self.session_id:
            self._wrong("a frame of another session")
        elif found["type"] == "chunk":
            self._chunk(found["content"])
        elif found["type"] == "done":
            self._done(found["content"])
        else:
            self._wrong(f"a frame of type {found['type']}: {found.get('error')}")
            self.idle.set()

    def _chunk(self, content: str) -> None:
        now = time.monotonic()
        key, number, sent = content.split()
        if key != self._key:
            self._wrong("a chunk of another conversation")
        if int(number) != self._expected:
            self._wrong("a chunk was lost or came out of order")
        books = self._books
        books.chunks += 1
        if books.measuring:
            books.relayed.append(now * 1000 - int(sent) / 1e6)
            if self._expected == 0:
                books.first.append((now - self._said_at) * 1000)
            else:
                books.gaps.append((now - self._seen_at) * 1000)
        self._seen_at = now
        self._expected += 1

    def _done(self, content: str) -> None:
        if (content, self._expected) != (f"{self._key} {self._chunks}", self._chunks):
            self._wrong("an answer ended early or as another's")
        self._books.turns += 1
        if self.again:
            self.say(self._chunks)
        else:
            self.idle.set()

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def _wrong(self, what: str) -> None:
        self._books.wrong[what] += 1
