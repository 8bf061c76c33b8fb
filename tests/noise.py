"""Noise for the facade's port: requests and frames that are broken in every way, from a seed."""

import random
from collections.abc import Callable, Sequence
from itertools import accumulate

import orjson

from tests.facade.omni_frames import pack
from tests.raw_websocket import Opcode, frame, upgrade

VALID = (
    {"type": "message", "content": "noise"},
    {"type": "message", "parts": [{"type": "text", "text": "noise"}]},
    {"type": "message", "content": "noise", "metadata": {"a": "b"}, "consent_grants": ["c"]},
    {"type": "message", "content": "noise", "session_id": "noise-1"},
    {"type": "tool_result", "tool_result": {"call_id": "c1", "result": {"a": 1}}},
    {"type": "tool_call_ack", "tool_call_ack": {"call_id": "c1"}},
    {"type": "tool_call_nack", "tool_call_nack": {"call_id": "c1", "reason": "no"}},
    {"type": "upload_request", "upload_request": {"filename": "a.png", "size_bytes": 3}},
    {"type": "cancel"},
    {"type": "hangup"},
)
# Texts that are no JSON, or JSON that no decoder likes.
TEXTS = (
    b"",
    b"null",
    b"{",
    b'"message"',
    b"[" * 20_000,
    b'{"type":"message","content":' + b'{"a":' * 5_000,
    b'{"type":"message","content":"\\ud800"}',
    b'{"type":"message","content":"\\u0000"}',
    b'{"type":"message","content":1e999}',
    b'{"type":"message","content":' + b"9" * 5_000 + b"}",
    b'{"type":"message","type":"cancel","content":"noise"}',
    b'{"type":"message","metadata":{"a":NaN},"content":"noise"}',
    b'{"type":"' + b"x" * 10_000 + b'"}',
    b'\xef\xbb\xbf{"type":"cancel"}',
)
NOT_UTF8 = (b"\xff", b'{"type":"\xc3"}', b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80")
SCALARS = (None, True, 0, -1, 2**53, 1.5, "", "noise", "\x00", "\U0001f50a", "../../etc/passwd")
HEADERS = (
    "Host: other",
    "Upgrade: h2c",
    "Connection: close",
    "Content-Length: 99999999999999999999",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Sec-WebSocket-Version: 99",
    "Sec-WebSocket-Key: short",
    "Sec-WebSocket-Extensions: permessage-deflate; a=" + "x" * 500,
    "Sec-WebSocket-Protocol: ,,, omnia.bearer.\x7f",
    "Authorization: Bearer " + "." * 1000,
    "Origin: null",
    "Origin: http://[",
    "Origin: http://\udcff",
    "Traceparent: 00-0-0-0",
    "no colon",
    " folded",
    "Sp ace: 1",
    "X: " + "x" * 70_000,
    *("Many: 1",),
)
CALL_HEADERS = (
    "Idempotency-Key: noise",
    "Idempotency-Key: " + "x" * 300,
    "Prefer: wait=-1",
    "Content-Encoding: gzip",
    "Content-Encoding: br",
    "Expect: 100-continue",
    "X-Invocation-Id: \x01",
)
TARGETS = (
    "/ws?session_id=%00",
    "/ws?session_id=%ff%fe",
    "/ws?session_id=a%20b",
    "/ws?session_id=noise-2",
    "/ws?" + "a=b&" * 500,
    "/api/agents/../../ws",
    "//ws",
    "http://[::1/ws",
    "*",
    "/",
    "/functions/noise",
    "/ws#x",
)


CALLED = ("/functions/f", "/functions/f", "/functions/", "/openapi.json", "/")


class Noise:
    """Makes connections of noise, alike for the same seed.

    Attributes:
        made: how many requests and frames so far.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - noise that can be repeated
        self.made = 0

    def connection(self) -> list[bytes]:
        """Return what a client sends on one connection, in pieces."""
        chance = self._random.random()
        if chance < 0.1:
            data = self._request()
        elif chance < 0.13:
            data = self._random.randbytes(self._random.randrange(200)) + b"\r\n\r\n"
            self.made += 1
        else:
            target = self._random.choice(("/ws", "/ws?binary=true"))
            data = upgrade(target) + b"".join(
                self._frame() for _ in range(self._random.randrange(1, 25))
            )
        return self._pieces(data)

    def calls(self, paths: Sequence[str] = CALLED) -> list[bytes]:
        """Return what a client of HTTP sends to these paths on one connection, in pieces."""
        data = b"".join(self._call(paths) for _ in range(self._random.randrange(1, 4)))
        return self._pieces(data)

    def _call(self, paths: Sequence[str]) -> bytes:
        self.made += 1
        pick = self._random
        path = pick.choice(paths)
        body = pick.choice(TEXTS) if pick.random() < 0.3 else orjson.dumps(self._value(0))
        if pick.random() < 0.2:
            body = pick.choice(NOT_UTF8)
        size = len(body) if pick.random() < 0.8 else pick.choice((0, 1, 1 << 21, 1 << 64))
        kind = pick.choice(("application/json", "application/json; charset=x", "text/plain", ""))
        lines = [
            f"{pick.choice(('POST', 'POST', 'GET', 'PUT', 'HEAD', 'TRACE'))} {path} HTTP/1.1",
            # Without it nothing gets past the parser of HTTP.
            *(("Host: localhost",) if pick.random() < 0.9 else ()),
            f"Content-Type: {kind}",
            f"Content-Length: {size}",
            *pick.sample((*HEADERS, *CALL_HEADERS), pick.randrange(2)),
        ]
        data = "\r\n".join(lines).encode(errors="surrogateescape") + b"\r\n\r\n" + body
        return self._scratched(data) if pick.random() < 0.2 else data

    def _pieces(self, data: bytes) -> list[bytes]:
        cuts = sorted(
            self._random.randrange(len(data) + 1) for _ in range(self._random.randrange(3))
        )
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _request(self) -> bytes:
        self.made += 1
        pick = self._random
        target = pick.choice(TARGETS) if pick.random() < 0.5 else "/ws"
        data = upgrade(target, *pick.sample(HEADERS, pick.randrange(3)))
        change = pick.randrange(6)
        if change == 0:
            data = data.replace(b"GET", pick.choice((b"POST", b"PRI", b"", b"get", b"CONNECT")))
        elif change == 1:
            data = data.replace(b"HTTP/1.1", pick.choice((b"HTTP/1.0", b"HTTP/2.0", b"FTP/1", b"")))
        elif change == 2:
            lines = data.split(b"\r\n")
            del lines[pick.randrange(len(lines) - 2)]
            data = b"\r\n".join(lines)
        elif change == 3:
            data = self._scratched(data)
        elif change == 4:
            data = data.replace(b"\r\n", b"\n")
        return data

    def _frame(self) -> bytes:
        """Return a frame; four of five leave the connection open."""
        self.made += 1
        pick = self._random
        kinds: tuple[Callable[[], bytes], ...] = (
            self._json,
            self._mutated,
            self._binary,
            self._fragments,
            self._control,
            self._broken,
        )
        weights = tuple(accumulate((8, 8, 4, 2, 2, 1)))
        return pick.choices(kinds, cum_weights=weights)[0]()

    def _json(self) -> bytes:
        if self._random.random() < 0.5:
            return frame(self._random.choice(TEXTS))
        return frame(orjson.dumps(self._value(0)))

    def _mutated(self) -> bytes:
        """A message with a field that is missing, of another type, or scratched."""
        pick = self._random
        body: dict[str, object] = dict(pick.choice(VALID))
        change = pick.randrange(4)
        if change == 0:
            del body[pick.choice(tuple(body))]
        elif change == 1:
            body[pick.choice((*body, "parts", "session_id", "metadata"))] = self._value(1)
        text = orjson.dumps(body)
        if change == 2:
            text = bytes(byte for byte in self._scratched(text) if byte < 128)
        return frame(text, mask=pick.randbytes(4) if pick.random() < 0.1 else bytes(4))

    def _binary(self) -> bytes:
        """A binary frame of the protocol: audio or an upload, or nearly."""
        pick = self._random
        about = {
            pick.choice(("session_id", "upload_id", "sample_rate", "codec")): self._value(3)
            for _ in range(pick.randrange(2))
        }
        data = pack(
            pick.randbytes(pick.randrange(50)),
            pick.choice((0, 1, 2, (1 << 32) - 1)),
            last=pick.random() < 0.5,
            kind=pick.randrange(4),
            flags=pick.choice((0, 0, 0, 1, 2, 128)),
            **about,
        )
        return frame(self._scratched(data) if pick.random() < 0.5 else data, Opcode.BINARY)

    def _fragments(self) -> bytes:
        text = orjson.dumps(self._random.choice(VALID))
        cut = self._random.randrange(len(text))
        return (
            frame(text[:cut], fin=False)
            + frame(b"between", Opcode.PING)
            + frame(b"", Opcode.CONT, fin=False)
            + frame(text[cut:], Opcode.CONT)
        )

    def _control(self) -> bytes:
        pick = self._random
        if pick.random() < 0.8:
            opcode = pick.choice((Opcode.PING, Opcode.PONG))
            return frame(pick.randbytes(pick.randrange(126)), opcode)
        code = pick.choice((1000, 1001, 1005, 999, 4000, 65535)).to_bytes(2, "big")
        reason = pick.choice((b"", b"bye", b"\xff"))
        return frame(pick.choice((b"", b"\x03", code + reason)), Opcode.CLOSE)

    def _broken(self) -> bytes:
        """A frame after which the connection cannot go on."""
        pick = self._random
        change = pick.randrange(6)
        if change == 0:
            return frame(pick.choice(NOT_UTF8))
        if change == 1:
            return frame(b"x", opcode=pick.randrange(16), reserved=pick.randrange(8), mask=None)
        if change == 2:
            return frame(b"x", reserved=pick.randrange(1, 8))
        if change == 3:
            return frame(b"x", pick.choice((3, 7, 11, 15)))
        if change == 4:
            return frame(b"x" * 100, claimed=pick.choice((101, 1 << 24, (1 << 63) - 1, 1 << 63)))
        return pick.randbytes(pick.randrange(1, 300))

    def _scratched(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.randrange(1, 4)):
            changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _value(self, depth: int) -> object:
        pick = self._random
        kind = pick.randrange(8 if depth < 4 else 6)
        if kind < 6:
            return pick.choice(SCALARS)
        if kind == 6:
            return [self._value(depth + 1) for _ in range(pick.randrange(4))]
        names = ("type", "content", "parts", "media", "call_id", "a")
        return {pick.choice(names): self._value(depth + 1) for _ in range(pick.randrange(4))}
