"""A peer that says frames of every kind at random, some of them wrong, and damage on the way."""

import random
from collections.abc import Callable, Sequence

import hpack

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.frames import Setting
from omnia_rpc.http2.header_fields import encode
from omnia_rpc.messages import PREFIX_BYTES, with_prefix
from tests.http2.ends import REQUEST

PATHS = ("/t.S/Echo", "/t.S/Flood", "/t.S/Nothing")
TYPES = ("application/grpc", "application/grpc", "application/grpc", "text/html")


class Peer:
    """Says frames of every kind; how many of them are wrong is another chance."""

    def __init__(
        self,
        chance: random.Random,
        *,
        opens: bool,
        last: int,
        paths: Sequence[str] = PATHS,
    ) -> None:
        """`opens` says whether the streams are the peer's; `last` is the newest one."""
        self.chance = chance
        self.paths = paths
        self.wild = chance.choice((0.0, 0.01, 0.1))
        self.encoder = hpack.Encoder()
        self.opens = opens
        self.last = last
        self.makers: list[Callable[[], bytes]] = [
            self._opening,
            self._headers,
            self._data,
            self._data,
            self._data,
            self._window,
            self._setting,
            lambda: frames.rst_stream(self._stream(), chance.choice(list(Http2ErrorCode))),
            lambda: frames.frame(frames.PING, chance.randrange(2), 0, b"12345678"),
            lambda: frames.frame(frames.SETTINGS, frames.ACK, 0),
            lambda: frames.frame(frames.PRIORITY, 0, self._stream(), bytes(5)),
            lambda: frames.frame(0xBA, 0, self._stream(), b"unknown"),
        ]

    def frame(self) -> bytes:
        """Return the next frame."""
        chance = self.chance
        if chance.random() >= self.wild:
            return chance.choice(self.makers)()
        stream = chance.choice((0, 1, 2, 3, self.last, self.last + 2, self._number(31)))
        if chance.random() < 0.2:
            return frames.goaway(stream, chance.choice(list(Http2ErrorCode)), "☃")
        payload = chance.choice((b"", REQUEST, chance.randbytes(chance.randrange(40))))
        return frames.frame(chance.randrange(12), chance.randrange(256), stream, payload)

    def _stream(self) -> int:
        return self.chance.randrange(1, self.last + 1, 2)

    def _number(self, bits: int) -> int:
        return self.chance.randrange(1 << self.chance.randrange(1, bits + 1))

    def _window(self) -> bytes:
        size = max(1, self._number(31 if self.chance.random() < self.wild else 18))
        return frames.window_update(self.chance.choice((0, self._stream())), size)

    def _setting(self) -> bytes:
        if self.chance.random() < self.wild:
            return frames.settings({self.chance.choice(list(Setting)): self._number(32)})
        return frames.settings(
            {
                int(Setting.INITIAL_WINDOW_SIZE): self.chance.randrange(70_000),
                int(Setting.MAX_CONCURRENT_STREAMS): self.chance.randrange(30),
            }
        )

    def _opening(self) -> bytes:
        if not self.opens:
            return self._headers()
        self.last += 2
        return self._fields(self.last, request=True)

    def _headers(self) -> bytes:
        return self._fields(self._stream(), request=self.chance.random() < self.wild)

    def _fields(self, stream: int, *, request: bool) -> bytes:
        chance = self.chance
        fields = [(":status", "200"), ("content-type", "application/grpc")]
        if request:
            fields = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", chance.choice(self.paths)),
            ]
            fields += [("content-type", chance.choice(TYPES))]
        elif chance.random() < 0.3:
            fields = [("grpc-status", "0")]
        fields += [("grpc-timeout", "10n"), ("x-a", str(chance.randrange(5)))] * chance.randrange(3)
        block = self.encoder.encode(fields, huffman=chance.random() < 0.5)
        if chance.random() < self.wild:
            block = chance.randbytes(chance.randrange(60))
        elif chance.random() < 0.1:
            # In several frames, and more than is taken of it.
            block += encode([("x-large", "v" * chance.randrange(20_000, 70_000))])
        end = not request and chance.random() < 0.5
        return frames.header_frames(stream, block, end_stream=end)

    def _data(self) -> bytes:
        chance = self.chance
        body = with_prefix(chance.randbytes(chance.choice((0, 3, 200, 4000))))
        if chance.random() < self.wild:
            body = bytes((chance.randrange(3),)) + chance.randbytes(PREFIX_BYTES) + body
        if chance.random() < 0.1:
            body = body[: chance.randrange(len(body))]
        flags = chance.choice((0, 0, 0, 0, frames.END_STREAM))
        if chance.random() < 0.2:
            pad = chance.randrange(20)
            flags, body = flags | frames.PADDED, bytes((pad,)) + body + bytes(pad)
        return frames.frame(frames.DATA, flags, self._stream(), body)


def damaged(chance: random.Random, said: bytearray) -> bytearray:
    """Return bytes of which some are flipped, gone, doubled or new."""
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        at, size = chance.randrange(len(said) + 1), chance.randrange(40)
        match chance.randrange(4):
            case 0 if at < len(said):
                said[at] ^= 1 << chance.randrange(8)
            case 1:
                del said[at : at + size]
            case 2:
                said[at:at] = said[at : at + size]
            case _:
                said[at:at] = chance.randbytes(size)
    return said
