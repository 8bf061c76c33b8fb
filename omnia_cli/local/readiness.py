"""Wait until a process serves, without an HTTP library."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from omnia_cli.local.ports import LOOPBACK

INTERVAL = 0.03
# A runtime waits for its tool servers before it is ready, see `ToolSources.settled`.
LIMIT = 60.0


async def wait_ready(url: str, limit: float = LIMIT) -> str:
    """Wait until `/readyz` of a health URL answers 200; return "" then, else the last answer."""
    port = urlsplit(url).port or 80
    return await _until(lambda: _readyz(port), limit)


async def wait_listening(port: int, limit: float = LIMIT) -> str:
    """Wait until something listens on a port; return "" then, else why not."""
    return await _until(lambda: _connects(port), limit)


async def _until(check: Callable[[], Awaitable[str]], limit: float) -> str:
    answer = "no answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            # another process has no event to wait for
            while answer := await check():  # noqa: ASYNC110
                await asyncio.sleep(INTERVAL)
    return answer


async def _connects(port: int) -> str:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return f"nothing listens on port {port}"
    writer.close()
    return ""


async def _readyz(port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
    except OSError:
        return f"nothing listens on port {port}"
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " in head.split(b"\r\n")[0]:
        return ""
    return body.decode(errors="replace").strip() or "it ended the connection without an answer"
