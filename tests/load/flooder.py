"""A client that floods a port of this machine, and comes back when it is cut off.

Called as `python -m tests.load.flooder PORT KIND SECONDS CONNECTIONS`.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from tests.raw_websocket import Opcode, frame, upgrade

_BURST = 64 * 1024
# A flooder that is refused at once would only measure its own loop.
_PAUSE = 0.01


def _frames(*, opcode: int, payload: bytes = b"", fin: bool = True, first: bytes = b"") -> bytes:
    one = frame(payload, opcode, fin=fin)
    return first + one * (_BURST // len(one))


def _continuations(payload: bytes) -> bytes:
    begun = frame(b"a", Opcode.TEXT, fin=False)
    return _frames(opcode=Opcode.CONT, payload=payload, fin=False, first=begun)


def _fields() -> Iterator[bytes]:
    yield b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
    for number in range(2000):
        yield b"X-%d: " % number + b"a" * 8000 + b"\r\n"


def _endless_head() -> bytes:
    return b"".join(_fields())


# What is sent again and again after the upgrade; None: nothing but the request itself.
KINDS: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "ping": lambda: (upgrade(), _frames(opcode=Opcode.PING)),
    "pong": lambda: (upgrade(), _frames(opcode=Opcode.PONG)),
    "empty-fragments": lambda: (upgrade(), _continuations(b"")),
    "small-fragments": lambda: (upgrade(), _continuations(b"a")),
    "small-binary": lambda: (upgrade(), _frames(opcode=Opcode.BINARY, payload=b"a")),
    "small-texts": lambda: (upgrade(), _frames(opcode=Opcode.TEXT, payload=b"{}")),
    "heads": lambda: (_endless_head(), b""),
    "pipelined": lambda: (b"", b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000),
}


async def flood(port: int, kind: str, until: float) -> int:
    """Send until a time; return how often the connection was closed by the other side."""
    opening, burst = KINDS[kind]()
    closed = 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + 30):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await _pour(reader, writer, opening, burst, until)
                finally:
                    writer.transport.abort()
        closed += 1
        await asyncio.sleep(_PAUSE)
    return closed


async def _pour(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    opening: bytes,
    burst: bytes,
    until: float,
) -> None:
    drop = asyncio.ensure_future(_read(reader))
    try:
        writer.write(opening)
        await writer.drain()
        while not drop.done() and time.monotonic() < until:
            writer.write(burst)
            await writer.drain()
            await asyncio.sleep(0 if burst else 0.1)
    finally:
        drop.cancel()


async def _read(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


async def _main() -> None:
    port, kind, seconds, connections = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    floods = (flood(int(port), kind, until) for _ in range(int(connections)))
    print(sum(await asyncio.gather(*floods)), flush=True)  # noqa: T201 - for who started it


if __name__ == "__main__":
    asyncio.run(_main())
