"""A forward proxy, as networks have them whose programs do not reach others directly."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.services import connections_served

HEAD_END = b"\r\n\r\n"


class ForwardProxy:
    """Connects clients to servers of the loopback address (RFC 9110: CONNECT, absolute targets).

    Attributes:
        hosts: the port that a host's requests go to; other hosts are unknown to it.
        asked: the targets of the requests so far, as `host:port`.
        user: credential that every request must have, as `name:password`; "" for none.
    """

    def __init__(self, hosts: dict[str, int], user: str = "") -> None:
        self.hosts = hosts
        self.asked: list[str] = []
        self.user = user

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve, and yield the address for clients."""
        async with connections_served(self._connection) as port:
            yield f"http://{self.user + '@' if self.user else ''}127.0.0.1:{port}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(HEAD_END)).decode()
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            self.asked.append(f"{parts.hostname}:{parts.port or 80}")
            expected = f"basic {base64.b64encode(self.user.encode()).decode()}"
            if self.user and expected.lower() not in head.lower():
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            if (port := self.hosts.get(parts.hostname or "")) is None:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
                return
            there, back = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(back):
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    back.write(head.replace(target, parts.path or "/", 1).encode())
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
