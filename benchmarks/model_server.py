"""A vendor's server in a process of its own: it streams chat completions as models talk.

Each chunk is a write of its own, some milliseconds after the one before.
"""

import asyncio
from multiprocessing.connection import Connection

import orjson
import uvloop

CHUNKS = 10
WORD = "thirty-nine bytes of a chunk of answer."
PAUSE = 0.004


def serve(connection: Connection) -> None:
    """Serve chat completions, and send the port through `connection`."""
    uvloop.run(_answer_for_ever(connection))


async def _answer_for_ever(connection: Connection) -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    connection.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pieces = _pieces()
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(PAUSE)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _pieces() -> list[bytes]:
    """Return what is written at once: the head with the first event, each chunk, the end."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    first = head + _event({"role": "assistant", "content": ""})
    words = [_event({"content": WORD}) for _ in range(CHUNKS)]
    usage = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}
    last = _event({}, "stop") + _event(None, usage=usage) + _http_chunk(b"data: [DONE]\n\n")
    return [first, *words, last + b"0\r\n\r\n"]


def _event(delta: object, finish: str | None = None, usage: object = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-0123456789abcdefghijklmnopqrs",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": choices if usage is None else [],
        "usage": usage,
    }
    return _http_chunk(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
