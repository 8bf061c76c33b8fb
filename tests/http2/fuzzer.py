"""Broken conversations, made at random: frames of any kind, then damage, cut into any pieces.

Each round has a number, which makes it the same again: `await Fuzzer(seed).round(number)`.
"""

import asyncio
import random
import time

from omnia_rpc.headers import RpcFailed
from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.stream import Http2Stream
from omnia_rpc.messages import PREFIX_BYTES, MessageBuffer, with_prefix
from omnia_rpc.server import Server, ServerCall
from tests.http2.broken_peer import Peer, damaged
from tests.http2.ends import REQUEST, RESPONSE, TRAILERS, End, Heard, kinds

LIMITS = PeerLimits(streams=20, stream_window=20_000, connection_window=200_000, idle_frames=300)
MESSAGE_BYTES = 5000
# Of CPU; a round takes a few milliseconds.
SLOW_SECONDS = 2.0


class Reader(Heard):
    """Reads messages, and answers or goes when chance says so."""

    def __init__(self, chance: random.Random, stream: Http2Stream | None = None) -> None:
        super().__init__(stream)
        self.chance = chance
        self.received = MessageBuffer(MESSAGE_BYTES)
        self.unread = 0

    def on_data(self, data: bytes) -> None:
        super().on_data(data)
        self.unread += len(data)
        assert self.unread <= LIMITS.stream_window
        assert self.stream
        try:
            free = self.received.receive(data)
            while self.received and self.chance.random() < 0.7:
                free += self.received.pop()[1]
        except RpcFailed:
            self.stream.reset(Http2ErrorCode.CANCEL)
            return
        self.unread -= free
        self.stream.consumed(free)
        # What is kept is a part of one message, and what the window was opened for less.
        assert len(self.received._partial) < PREFIX_BYTES + MESSAGE_BYTES
        assert self.unread >= 0
        assert (
            self.stream.receive_window + self.stream._uncredited + self.unread
            == LIMITS.stream_window
        )

    def act(self) -> None:
        """Do something with the stream."""
        assert self.stream
        match self.chance.randrange(8):
            case 0:
                self.stream.send_headers(RESPONSE)
            case 1 | 2 | 3:
                while (
                    not self.stream.full and self.stream.local_open and self.chance.random() < 0.8
                ):
                    body = bytes(self.chance.randrange(3000))
                    self.stream.send(
                        self.chance.choice((with_prefix(body), with_prefix(body), b""))
                    )
                    if self.stream.ending:
                        break
            case 4:
                self.stream.end(self.chance.choice((b"", TRAILERS)))
            case 5 if self.chance.random() < 0.3:
                self.stream.reset(self.chance.choice(list(Http2ErrorCode)))


def check(end: End) -> None:
    """Hold an end to what is true at any time."""
    connection, sender = end.connection, end.connection.sender
    streams = connection.streams.values()
    if connection.failed:
        assert not streams
    if connection.is_server:
        assert len(streams) <= LIMITS.streams
    held = sum(each.buffered for each in streams)
    assert 0 <= sender.buffered <= held <= sender.buffered + 2048 * len(streams)
    assert sender.window <= frames.MAX_WINDOW
    for each in streams:
        assert each.buffered == sum(len(piece) for piece in each.pending)
        assert each.send_window <= frames.MAX_WINDOW
        assert each.receive_window <= LIMITS.stream_window
        assert each.local_open or each.remote_open
        # Nobody may wait for a turn that never comes.
        wants = bool(each.pending) and each.send_window > 0
        assert each.queued or not wants
    assert len(end.receiver._buffer) <= frames.MAX_PAYLOAD + frames.HEAD_BYTES


class Fuzzer:
    """Makes rounds, each with its own chance."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def run(self, seconds: float, least: int) -> int:
        """Make rounds for so long, but so many at least, and return how many they were."""
        until, number = time.monotonic() + seconds, 0
        while number < least or time.monotonic() < until:
            try:
                await self.round(number)
            except BaseException as error:
                error.add_note(f"to see it again: await Fuzzer({self._seed}).round({number})")
                raise
            number += 1
        return number

    async def round(self, number: int) -> None:
        """Have one broken conversation."""
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 - the same again by its seed
        began = time.process_time()
        kind = chance.randrange(3)
        served: Server | None = None
        end = End(server=kind > 0, limits=LIMITS)
        readers: list[Reader] = []
        if kind == 0:
            for _ in range(chance.randrange(1, 6)):
                reader = Reader(chance)
                reader.stream = end.connection.open_stream(REQUEST, reader)
                readers.append(reader)
        elif kind == 1:

            def accept(stream: Http2Stream, _: object) -> Reader:
                readers.append(Reader(chance, stream))
                return readers[-1]

            end.connection.accept = accept
        else:
            served = Server(HANDLERS, max_message_bytes=MESSAGE_BYTES, limits=LIMITS)
            end.connection.accept = served.accept
            end.connection.explain_refusal = lambda _: RESPONSE
        await self._talk(end, chance, readers)
        if served:
            end.connection.close()
            for _ in range(3):
                await asyncio.sleep(0)
            assert not served._tasks
        assert time.process_time() - began < SLOW_SECONDS

    async def _talk(self, end: End, chance: random.Random, readers: list[Reader]) -> None:
        opens = end.connection.is_server
        peer = Peer(chance, opens=opens, last=1 if opens else max(1, end.connection.next_id - 2))
        greeting = frames.PREFACE if end.connection.is_server else b""
        said = bytearray(greeting + frames.settings({}))
        if opens:
            said += peer._fields(1, request=True)
        for _ in range(chance.randrange(1, 80)):
            said += peer.frame()
        said = damaged(chance, said)
        largest, position = chance.choice((1, 9, 100, 5000, 100_000)), 0
        largest = max(largest, len(said) // 300)
        while position < len(said):
            size = chance.randrange(1, largest + 1)
            end.receiver.receive(bytes(said[position : position + size]))
            position += size
            if readers and chance.random() < 0.5:
                chance.choice(readers).act()
            check(end)
            if chance.random() < 0.7:
                out = end.take() if chance.random() < 0.5 else end.connection.data_to_send()
                kinds(out.removeprefix(frames.PREFACE))
            if not readers:
                await asyncio.sleep(0)
            check(end)


async def _echo(call: ServerCall) -> None:
    while (message := await call.read()) is not None:
        await call.write(message)


async def _flood(call: ServerCall) -> None:
    for _ in range(20):
        await call.write(bytes(1000))


HANDLERS = {"/t.S/Echo": _echo, "/t.S/Flood": _flood}
