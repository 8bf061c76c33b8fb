"""A server by script that means harm: the call gets an error, and the next server is found."""

import asyncio
import contextlib

import pytest

from omnia_rpc.client import Channel
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import encode
from tests.http2.ends import data, headers
from tests.http2.test_calls import LIMIT, channel, our_server
from tests.services import free_port

GREETING = frames.settings({})
ANSWER = encode(((":status", "200"), ("content-type", "application/grpc")))
UNAVAILABLE = (StatusCode.UNAVAILABLE,)
BROKEN = (StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN)

SCRIPTS = {
    "closes at once": (b"", UNAVAILABLE),
    "noise": (b"\xff" * 200, BROKEN),
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", BROKEN),
    "says goodbye": (GREETING + frames.goaway(0, Http2ErrorCode.NO_ERROR, ""), UNAVAILABLE),
    "resets": (GREETING + frames.rst_stream(1, Http2ErrorCode.INTERNAL_ERROR), BROKEN),
    "refuses": (GREETING + frames.rst_stream(1, Http2ErrorCode.REFUSED_STREAM), UNAVAILABLE),
    "pushes": (GREETING + frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x88"), BROKEN),
    "no status of gRPC": (GREETING + headers(1, block=ANSWER) + data(1, b"", 1), BROKEN),
    "a page": (
        GREETING
        + headers(1, block=encode(((":status", "200"), ("content-type", "text/html"))))
        + data(1, b"<html>", 1),
        BROKEN,
    ),
    "a gateway's error": (
        GREETING + headers(1, block=encode(((":status", "503"),)), end=True),
        UNAVAILABLE,
    ),
    "half a message": (
        GREETING
        + headers(1, block=ANSWER)
        + data(1, b"\0\0\0\0\x09half")
        + headers(1, block=encode((("grpc-status", "0"),)), end=True),
        (StatusCode.INTERNAL,),
    ),
    "a message without end": (
        GREETING + headers(1, block=ANSWER) + data(1, b"\0\xff\xff\xff\xff"),
        (StatusCode.RESOURCE_EXHAUSTED,),
    ),
    "another compression": (
        GREETING
        + headers(1, block=ANSWER + encode((("grpc-encoding", "zstd"),)))
        + data(1, b"\1\0\0\0\x01x"),
        (StatusCode.UNIMPLEMENTED,),
    ),
    "a status that is none": (
        GREETING
        + headers(1, block=encode(((":status", "200"), ("grpc-status", "many"))), end=True),
        (StatusCode.UNKNOWN,),
    ),
}


async def ask(ours: Channel) -> StatusCode:
    with pytest.raises(RpcFailed) as failed:
        await ours.unary("/t.S/Echo", b"x", timeout=LIMIT)
    return failed.value.code


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_call_fails_and_the_next_server_is_found(name: str) -> None:
    script, codes = SCRIPTS[name]
    over = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readexactly(len(frames.PREFACE))
            writer.write(script)
            if script:
                await over.wait()
        writer.transport.abort()

    port = free_port()
    async with channel(port) as ours:
        server = await asyncio.start_server(play, "127.0.0.1", port)
        assert await ask(ours) in codes
        server.close()
        over.set()
        async with our_server(port=port):
            assert await _again(ours) == b"x"


async def test_a_server_that_leaves_says_why_to_the_calls_that_it_has_not_seen() -> None:
    """And to those that it has seen and does not end."""
    over = asyncio.Event()
    goodbye = frames.goaway(1, Http2ErrorCode.ENHANCE_YOUR_CALM, "too\nmany pings")

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readexactly(len(frames.PREFACE))
            writer.write(GREETING)
            # Two calls, with a message each.
            seen = b""
            while seen.count(b"/t.S/Echo") < 2 or not seen.endswith(b"second"):
                seen += await reader.read(65536)
            writer.write(goodbye)
            await over.wait()
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server, channel(server.sockets[0].getsockname()[1]) as ours:
        first, second = ours.call("/t.S/Echo"), ours.call("/t.S/Echo")
        await first.write(b"first")
        await second.write(b"second")
        said = r"shutting down \(ENHANCE_YOUR_CALM: too many pings\)"
        with pytest.raises(RpcFailed, match=said + "; it has not processed this call") as failed:
            await second.read()
        assert failed.value.code is StatusCode.UNAVAILABLE
        assert not first.done
        over.set()
        with pytest.raises(RpcFailed, match="connection was closed.*" + said) as failed:
            await first.read()
        assert failed.value.code is StatusCode.UNAVAILABLE


async def test_data_beyond_the_window_costs_the_call() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readexactly(len(frames.PREFACE))
            writer.write(GREETING + headers(1, block=ANSWER))
            message = data(1, b"\0" + (16_379).to_bytes(4, "big") + bytes(16_379))
            for _ in range(100):
                writer.write(message)
                await writer.drain()
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server, channel(server.sockets[0].getsockname()[1]) as ours:
        call = ours.call("/t.S/Echo")
        await call.write(b"x")
        # Nobody reads until the server has said far more than it may.
        while not call.done:  # noqa: ASYNC110 - the server brings it about
            await asyncio.sleep(0.01)
        heard = 0
        with contextlib.suppress(RpcFailed):
            while await call.read() is not None:
                heard += 16_379
        assert 0 < heard <= PeerLimits().stream_window


async def _again(ours: Channel) -> bytes:
    while True:
        with contextlib.suppress(RpcFailed):
            return await ours.unary("/t.S/Echo", b"x")
        await asyncio.sleep(0.02)
