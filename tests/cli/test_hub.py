"""The server of the hub, on real sockets: what passes through it, and what ends at it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest

from omnia_cli.hub.directory import HubAgent, HubState, NotRunning, Overview, Upstream
from omnia_cli.hub.events import EventLog
from omnia_cli.hub.server import Hub, hub_page
from omnia_core.jsonvalue import JsonObject
from tests.facade.scripted_runtime import LIMIT

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MIB = 1024 * 1024


class OneAgent:
    """A directory with the agent `shop/guide` at a port."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token
        self.broken = False

    async def overview(self) -> Overview:
        if self.broken:
            raise RuntimeError("the directory is broken")
        agent = HubAgent(namespace="shop", name="guide", mode="agent", state=HubState.READY)
        return Overview(title="here", since="2026-12-01T00:00:00+00:00", agents=(agent,))

    async def agent(self, namespace: str, name: str) -> Upstream | None:
        if (namespace, name) == ("shop", "stopped"):
            raise NotRunning("guide.yaml:3: the port is taken")
        return Upstream(self.port, self.token) if (namespace, name) == ("shop", "guide") else None

    async def inside(self, namespace: str, name: str) -> JsonObject | None:
        return {"template": "Hi."} if (namespace, name) == ("shop", "guide") else None

    async def history(self) -> Upstream | None:
        return Upstream(self.port) if self.port else None


class Bed:
    """A hub before a server, and the way to it."""

    def __init__(self, port: int, directory: OneAgent, events: EventLog, said: list[str]) -> None:
        self.port = port
        self.directory = directory
        self.events = events
        self.said = said

    async def open(self, *lines: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and send the lines of a head."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        host = (
            [f"Host: 127.0.0.1:{self.port}"] if not any("Host:" in each for each in lines) else []
        )
        writer.write("\r\n".join((lines[0], *host, *lines[1:], "", "")).encode())
        return reader, writer

    async def ask(self, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send a request; return status, headers and body of the answer."""
        reader, writer = await self.open(*lines)
        writer.write(body)
        async with asyncio.timeout(LIMIT):
            answer = await reader.read()
        writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)
        return int(first.split()[1]), headers, rest


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the head of the request."""
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
    await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def hub(serve: Serve = echo, token: str = "") -> AsyncIterator[Bed]:
    said: list[str] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    directory = OneAgent(server.sockets[0].getsockname()[1], token)
    events = EventLog("r")
    made = Hub(directory, events, said.append)
    try:
        async with made.serving(0) as port:
            yield Bed(port, directory, events, said)
    finally:
        server.close()


async def test_the_page_is_the_committed_one() -> None:
    async with hub() as bed:
        status, headers, body = await bed.ask("GET / HTTP/1.1")
        assert (status, body) == (200, hub_page().body)
        assert body == hub_page().body
        assert "require-trusted-types-for 'script'" in headers["Content-Security-Policy"]
        status, headers, body = await bed.ask("HEAD / HTTP/1.1", "Accept-Encoding: gzip")
        assert (status, headers["Content-Encoding"], body) == (200, "gzip", b"")


async def test_what_runs_is_told() -> None:
    async with hub() as bed:
        status, headers, body = await bed.ask("GET /hub/agents HTTP/1.1")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert orjson.loads(body)["agents"] == [
        {
            "namespace": "shop",
            "name": "guide",
            "mode": "agent",
            "state": "ready",
            "base": "agents/shop/guide/",
        }
    ]


async def test_an_agent_gets_the_request_as_from_a_program() -> None:
    async with hub() as bed:
        status, _, body = await bed.ask(
            "PUT /agents/shop/guide/v1/x?y=%20z HTTP/1.1",
            f"Origin: http://127.0.0.1:{bed.port}",
            "Cookie: session=of-another-program",
            "Referer: http://127.0.0.1/",
            "Connection: keep-alive",
            "Authorization: Bearer of-the-page",
            "X-Kept: as it is",
        )
    assert status == 200
    assert sorted(body.decode().split("\r\n")) == sorted(
        (
            "PUT /v1/x?y=%20z HTTP/1.1",
            f"Host: 127.0.0.1:{bed.directory.port}",
            "Connection: close",
            "Authorization: Bearer of-the-page",
            "X-Kept: as it is",
            "",
            "",
        )
    )


async def test_a_token_of_the_hub_takes_the_place_of_another_one() -> None:
    async with hub(token="k3y") as bed:
        _, _, body = await bed.ask(
            "GET /agents/shop/guide/ HTTP/1.1", "authorization: Bearer of-the-page"
        )
        lines = body.decode().lower().split("\r\n")
        assert [each for each in lines if each.startswith("auth")] == ["authorization: bearer k3y"]
        # The history of this directory has none.
        _, _, body = await bed.ask("GET /history/api/v1/sessions HTTP/1.1")
        assert body.startswith(b"GET /api/v1/sessions HTTP/1.1\r\n")
        assert b"k3y" not in body


async def test_an_upgrade_stays_one() -> None:
    async with hub() as bed:
        _, _, body = await bed.ask(
            "GET /agents/shop/guide/ws HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"
        )
    assert b"Connection: Upgrade\r\n" in body
    assert b"Upgrade: websocket\r\n" in body


@pytest.mark.parametrize(
    ("lines", "status", "error"),
    [
        (("GET / HTTP/1.1", "Host: shop.example"), 421, "misdirected_request"),
        (("GET /hub/agents HTTP/1.1", "Origin: http://x.example"), 403, "forbidden_origin"),
        (
            ("POST /agents/shop/guide/x HTTP/1.1", "Sec-Fetch-Site: cross-site"),
            403,
            "forbidden_origin",
        ),
        (("GET /agents/shop/guide/../x HTTP/1.1",), 400, "invalid_request"),
        (("GET /agents/shop/other/ws HTTP/1.1",), 404, "not_found"),
        (("GET /agents/shop/stopped/ws HTTP/1.1",), 502, "not_running"),
        (("GET /agents/shop/guide/ HTTP/1.1", "X: a\nHost: b"), 400, "bad_request"),
        (("GET / HTTP/2.0",), 400, "bad_request"),
        (("GET / HTTP/1.1", f"X: {'x' * 70_000}"), 431, "head_too_large"),
        (("GET / HTTP/1.1", *(f"X-{number}: 1" for number in range(120))), 431, "head_too_large"),
    ],
)
async def test_a_refused_request_reaches_no_agent(
    lines: tuple[str, ...], status: int, error: str
) -> None:
    reached: list[int] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(1)
        writer.close()

    async with hub(note) as bed:
        # What is sent after a refused head does not take its answer away.
        found, _, body = await bed.ask(*lines, body=b"x" * 100_000)
    assert (found, orjson.loads(body)["error"], reached) == (status, error, [])


async def test_an_agent_that_does_not_listen_is_told() -> None:
    async with hub() as bed:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            bed.directory.port = free.getsockname()[1]
            status, _, body = await bed.ask("GET /agents/shop/guide/ HTTP/1.1")
    assert (status, orjson.loads(body)["error"]) == (502, "not_running")
    assert b'the agent \\"guide\\" does not answer' in body


async def test_without_a_history_there_is_none() -> None:
    async with hub() as bed:
        bed.directory.port = 0
        status, _, _ = await bed.ask("GET /history/api/v1/sessions HTTP/1.1")
    assert status == 404


async def test_a_fault_of_the_hub_ends_one_request() -> None:
    async with hub() as bed:
        bed.directory.broken = True
        status, _, body = await bed.ask("GET /hub/agents HTTP/1.1")
        assert (status, orjson.loads(body)["error"]) == (500, "internal_error")
        assert bed.said == ["a request failed: RuntimeError: the directory is broken"]
        assert (await bed.ask("GET / HTTP/1.1"))[0] == 200


async def test_an_answer_passes_as_it_comes() -> None:
    more = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        await more.wait()
        writer.write(b"second")
        writer.close()

    async with hub(stream) as bed:
        reader, writer = await bed.open("GET /agents/shop/guide/ HTTP/1.1")
        async with asyncio.timeout(LIMIT):
            assert (await reader.readuntil(b"first")).endswith(b"first")
            more.set()
            assert await reader.read() == b"second"
        writer.close()


async def test_an_answer_that_comes_before_the_end_of_the_request_arrives() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        writer.write_eof()
        # As a facade does: what is unread would end the connection before the answer is there.
        with contextlib.suppress(ConnectionError):
            while await reader.read(MIB):
                pass
        writer.close()

    async with hub(refuse) as bed:
        status, _, _ = await bed.ask(
            "POST /agents/shop/guide/x HTTP/1.1", "Content-Length: 9999999", body=b"x" * MIB
        )
    assert status == 413


async def test_a_server_that_does_not_read_stops_the_client() -> None:
    may_read, size = asyncio.Event(), 64 * MIB
    received = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        await may_read.wait()
        while received < size:
            received += len(await reader.read(MIB))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with hub(slow) as bed:
        reader, writer = await bed.open(
            "POST /agents/shop/guide/x HTTP/1.1", f"Content-Length: {size}"
        )
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < size:
                writer.write(b"x" * MIB)
                await writer.drain()
                sent += MIB

        sending = asyncio.create_task(send())
        before = -1
        # The buffers of the system fill first, however large they are.
        while sent != before:
            before = sent
            await asyncio.wait([sending], timeout=0.5)
        assert sent < size / 2
        may_read.set()
        async with asyncio.timeout(LIMIT):
            await sending
            assert (await reader.read()).startswith(b"HTTP/1.1 204")
        writer.close()
    assert received == size


async def test_a_client_that_leaves_ends_the_request_at_the_agent() -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhere")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        left.set()
        writer.close()

    async with hub(wait) as bed:
        reader, writer = await bed.open("GET /agents/shop/guide/ HTTP/1.1")
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b"here")
            writer.close()
            await left.wait()


async def test_events_are_streamed_and_continued() -> None:
    async with hub() as bed:
        bed.events.add({"event": "note", "text": "before"})
        reader, writer = await bed.open("GET /hub/events HTTP/1.1")
        async with asyncio.timeout(LIMIT):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Type: text/event-stream" in head
            assert await reader.readuntil(b"\n\n") == b":\n\n"
            bed.events.add({"event": "note", "text": "now"})
            frame = await reader.readuntil(b"\n\n")
        assert frame == b'id: r-2\ndata: {"event":"note","text":"now"}\n\n'
        writer.close()

        reader, writer = await bed.open("GET /hub/events HTTP/1.1", "Last-Event-ID: r-1")
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b":\n\n")
            assert await reader.readuntil(b"\n\n") == frame
        writer.close()


async def test_the_end_of_the_hub_ends_its_streams() -> None:
    async with hub() as bed:
        reader, writer = await bed.open("GET /hub/events HTTP/1.1")
        await reader.readuntil(b":\n\n")
    async with asyncio.timeout(LIMIT):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_port_in_use_is_left_to_its_program() -> None:
    async with hub() as bed:
        other = Hub(bed.directory, bed.events, bed.said.append)
        with pytest.raises(OSError, match="in use"):
            async with other.serving(bed.port):
                pass
