"""Passes a request on to another server of this machine, and everything else as it comes.

The hub reads one head of a connection. From there on it copies bytes in both directions, so that
uploads, streams and WebSocket pass without being parsed; a side that does not read stops the other.
"""

import asyncio

from omnia_cli.hub.directory import Upstream
from omnia_core.http.errors import HttpError
from omnia_core.http.head import END, RequestHead

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
# A connection whose client reads nothing for so long is closed.
SEND_SECONDS = 60.0
# Of the connection to the hub, or settled by it: it has checked the origin, and knows the token.
# Cookies of this host are those of other programs of this machine.
_OWN = frozenset(
    {
        b"connection",
        b"cookie",
        b"host",
        b"keep-alive",
        b"origin",
        b"proxy-authorization",
        b"proxy-connection",
        b"referer",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    }
)


def forwarded_head(raw: bytes, head: RequestHead, path: str, upstream: Upstream) -> bytes:
    """Return the head of a request as the other server gets it.

    Args:
        raw: the head as it arrived.
        head: the same, parsed.
        path: the path at the other server.
        upstream: the other server.

    Raises:
        HttpError: 400: another program might read the head differently.
    """
    first, *lines = raw.removesuffix(END).split(b"\r\n")
    if any(byte in line for line in (first, *lines) for byte in (b"\n", b"\r", b"\0")):
        raise HttpError(400, "bad_request", "this is not a valid HTTP/1.1 request")
    method, _, version = first.split(b" ")
    target = f"{path}?{head.query}" if head.query else path
    left_out = _OWN | {b"authorization"} if upstream.token else _OWN
    kept = [line for line in lines if line.partition(b":")[0].lower() not in left_out]
    added = [f"Host: {LOOPBACK}:{upstream.port}".encode()]
    # One request for each connection: what follows it is never read as another one.
    added.append(b"Connection: Upgrade" if head.is_upgrade else b"Connection: close")
    if upstream.token:
        added.append(f"Authorization: Bearer {upstream.token}".encode())
    request = b" ".join((method, target.encode("utf-8", "surrogateescape"), version))
    return b"\r\n".join((request, *added, *kept)) + END


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, upstream: Upstream
) -> None:
    """Send a head to another server, and copy until one side ends.

    Raises:
        OSError: the other server does not take the connection; nothing was answered.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        from_server, to_server = await asyncio.open_connection(
            LOOPBACK, upstream.port, limit=PIECE_BYTES
        )
    to_server.write(head)
    sending = asyncio.create_task(_copy(reader, to_server))
    receiving = asyncio.create_task(_copy(from_server, writer))
    try:
        await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
        client_left = sending.done() and sending.result()
        if not client_left:
            # The answer may come before the end of the request.
            await receiving
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.wait([sending, receiving])
        to_server.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> bool:
    """Copy to the end of the source, and return True; return False when a side is lost."""
    try:
        while data := await source.read(PIECE_BYTES):
            target.write(data)
            async with asyncio.timeout(SEND_SECONDS):
                await target.drain()
    except (OSError, TimeoutError):
        return False
    return True
