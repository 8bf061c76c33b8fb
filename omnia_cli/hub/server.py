"""The server of the hub: the page, what runs, what changes, and the way to agents and history."""

import asyncio
import contextlib
import gzip
import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import assert_never

import msgspec

from omnia_cli.hub.directory import Directory, NotRunning, Upstream
from omnia_cli.hub.events import LAST_EVENT_ID, EventLog
from omnia_cli.hub.relay import LOOPBACK, PIECE_BYTES, SEND_SECONDS, forwarded_head, relay
from omnia_cli.hub.routing import (
    Destination,
    ToAgent,
    ToAgents,
    ToEvents,
    ToHistory,
    ToInside,
    ToPage,
    ToViews,
    admit,
    destination,
)
from omnia_core.http.content import StaticContent
from omnia_core.http.errors import HttpError, response_bytes
from omnia_core.http.head import END, MAX_HEAD_BYTES, MAX_HEAD_FIELDS, RequestHead, parse_head
from omnia_core.http.hosts import HostRule
from omnia_core.http.page import page_content

PORT = 8070
MAX_CONNECTIONS = 512
HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
_NO_STORE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def hub_page() -> StaticContent:
    """Build the page."""
    return page_content(_of_console("hub.html"), "Omnia", _of_console("hub-views.js"))


def hub_views() -> StaticContent:
    """Build the second script of the page."""
    body = _of_console("hub-views.js").encode()
    headers = {
        "Content-Type": "text/javascript; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StaticContent(body, headers, gzip.compress(body, mtime=0))


def _of_console(name: str) -> str:
    """Read a file of the facade's package, which is not imported."""
    found = importlib.util.find_spec("omnia_facade")
    assert found  # noqa: S101 - of the same distribution
    assert found.origin  # noqa: S101 - likewise
    return (Path(found.origin).with_name("console") / name).read_text(encoding="utf-8")


class Hub:
    """Serves one directory, on the loopback address.

    Attributes:
        crashed: called with the text of an error that is a fault of the hub itself.
    """

    def __init__(
        self, directory: Directory, events: EventLog, crashed: Callable[[str], None]
    ) -> None:
        self.crashed = crashed
        self._directory = directory
        self._events = events
        self._page = hub_page()
        self._views = hub_views()
        self._hosts = HostRule(LOOPBACK)
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[int]:
        """Serve for as long as the context lasts; yield the port.

        Raises:
            OSError: the port cannot be used.
        """
        server = await asyncio.start_server(self._accept, LOOPBACK, port, limit=MAX_HEAD_BYTES)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            if self._connections:
                await asyncio.wait(self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101 - a coroutine of a server has one
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
            await _linger(reader, writer)
        except OSError:
            # The client is gone.
            return
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head: RequestHead | None = None
        try:
            raw = await self._read_head(reader)
            if raw is None:
                return
            head = _parsed(raw)
            admit(head, self._hosts)
            await self._route(destination(head), raw, head, reader, writer)
        except HttpError as error:
            refused = error
        except NotRunning as error:
            refused = HttpError(502, "not_running", str(error))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end what runs
            self.crashed(f"a request failed: {type(error).__name__}: {error}")
            refused = HttpError(500, "internal_error", "the request could not be answered")
        else:
            return
        head_only = head is not None and head.method == "HEAD"
        writer.write(response_bytes(refused, head_only=head_only))

    async def _read_head(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return the head of a request with its empty line; None when the client sends none.

        Raises:
            HttpError: 503, 431 or 408: one connection too many; too large; it takes too long.
        """
        if len(self._connections) > MAX_CONNECTIONS:
            raise HttpError(503, "overloaded", "this address has too many open connections")
        return await _read_head(reader)

    async def _route(
        self,
        where: Destination,
        raw: bytes,
        head: RequestHead,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        match where:
            case ToPage("") | ToViews():
                content = self._views if isinstance(where, ToViews) else self._page
                writer.write(content.response(head))
            case ToPage(fragment):
                writer.write(_head(302, {"Location": f"/{fragment}", "Content-Length": "0"}))
            case ToAgents() | ToInside():
                writer.write(_document(head, await self._described(where)))
            case ToEvents():
                writer.write(_head(200, {"Content-Type": "text/event-stream"}))
                if head.method != "HEAD":
                    await self._stream(head, reader, writer)
            case ToAgent(namespace, name, path):
                upstream = await self._directory.agent(namespace, name)
                if upstream is None:
                    detail = f'there is no agent "{name}" in the namespace "{namespace}"'
                    raise HttpError(404, "not_found", detail)
                what = f'the agent "{name}"'
                await _pass_on(what, upstream, (raw, head, path), (reader, writer))
            case ToHistory(path):
                upstream = await self._directory.history()
                if upstream is None:
                    raise HttpError(404, "not_found", "conversations are kept nowhere")
                await _pass_on("the history", upstream, (raw, head, path), (reader, writer))
            case _:
                assert_never(where)

    async def _described(self, where: ToAgents | ToInside) -> object:
        if isinstance(where, ToAgents):
            return await self._directory.overview()
        inside = await self._directory.inside(where.namespace, where.name)
        if inside is None:
            detail = f'nothing more is known of "{where.name}" than it says itself'
            raise HttpError(404, "not_found", detail)
        return inside

    async def _stream(
        self, head: RequestHead, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Write events until the client leaves. A slow one gets what is kept, and no more."""
        position = self._events.position(head.headers.get(LAST_EVENT_ID))
        leaving = asyncio.create_task(_discard(reader))
        # A browser says that the stream is open once it has something of it.
        writer.write(b":\n\n")
        try:
            while not leaving.done():
                writer.write(self._events.after(position))
                position = self._events.end
                await writer.drain()
                more = asyncio.create_task(self._events.more(position))
                await asyncio.wait(
                    [leaving, more],
                    timeout=HEARTBEAT_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not more.done():
                    more.cancel()
                    writer.write(b":\n\n")
        finally:
            leaving.cancel()


async def _pass_on(
    what: str,
    upstream: Upstream,
    request: tuple[bytes, RequestHead, str],
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    raw, head, path = request
    try:
        await relay(*client, forwarded_head(raw, head, path, upstream), upstream)
    except (OSError, TimeoutError) as error:
        raise NotRunning(f"{what} does not answer at port {upstream.port}") from error


async def _read_head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            raw = await reader.readuntil(END)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        detail = f"the request's headers are larger than {MAX_HEAD_BYTES} bytes"
        raise HttpError(431, "head_too_large", detail) from None
    except TimeoutError:
        raise HttpError(
            408, "request_timeout", "the request's head did not arrive in time"
        ) from None
    if raw.count(b"\n") > MAX_HEAD_FIELDS:
        detail = f"the request has more than {MAX_HEAD_FIELDS} headers"
        raise HttpError(431, "head_too_large", detail)
    return raw


def _parsed(raw: bytes) -> RequestHead:
    head = parse_head(raw.removesuffix(END))
    if head is None:
        raise HttpError(400, "bad_request", "this is not a valid HTTP/1.1 request")
    return head


def _head(status: int, headers: dict[str, str]) -> bytes:
    """Return the head of an answer, after which the connection closes."""
    reason = {200: "OK", 302: "Found"}[status]
    lines = [f"{name}: {value}" for name, value in {**headers, **_NO_STORE}.items()]
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines]).encode() + END


def _document(head: RequestHead, value: object) -> bytes:
    body = msgspec.json.encode(value)
    kind = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return _head(200, kind) + (b"" if head.method == "HEAD" else body)


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the client read its answer: what it still sends would otherwise end the connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            await _discard(reader)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEND_SECONDS):
            writer.close()
            await writer.wait_closed()


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read to the end."""
    with contextlib.suppress(OSError):
        while await reader.read(PIECE_BYTES):
            pass
