"""The HTTP server that facade and history share, against clients that are not known yet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.http.connection import admit
from omnia_core.http.received import ConnectionSettings, ReceiveBudget
from omnia_core.http.server import LimitedServer

LIMIT = 100.0
GET = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Client(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(LIMIT):
            await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Read one answer with a Content-Length."""
        async with asyncio.timeout(LIMIT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            (length,) = [
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ]
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read until the server closes."""
        async with asyncio.timeout(LIMIT):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


class Served:
    """A server of this process, and its clients."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def served(
    handler: Handler, *, max_connections: int | None = None, **given: float | ReceiveBudget
) -> AsyncIterator[Served]:
    settings = ConnectionSettings(**{"linger": 0.2, **given})  # type: ignore[arg-type] # a table
    server = LimitedServer(handler, settings, max_connections=max_connections)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    found = Served(listening.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        for client in found.clients:
            client.writer.close()
        listening.close()
        await server.shutdown(1)


async def hello(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=request.path)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    admit(request)
    return web.Response(body=await request.content.read())


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_every_head_of_a_connection_is_limited_and_not_only_the_first(before: int) -> None:
    async with served(hello) as server:
        client = await server.client()
        for number in range(before):
            await client.send(GET % number)
            assert (await client.answer())[0] == 200
        # Many headers, each of which is small enough.
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 30_000) for number in range(3))
        await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines)
        status, body = await client.answer()
        assert (status, b"head_too_large" in body) == (431, True)
        assert await client.rest() == b""


async def test_a_head_with_too_many_headers_is_refused_by_name() -> None:
    async with served(hello) as server:
        client = await server.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 100 + b"\r\n")
        status, body = await client.answer()
        assert (status, b"more than 100 headers" in body) == (431, True)


async def test_the_trailers_of_a_body_are_limited() -> None:
    failed: list[BaseException] = []

    async def read(request: web.BaseRequest) -> web.StreamResponse:
        admit(request)
        try:
            return web.Response(body=await request.content.read())
        except web.RequestPayloadError as error:
            failed.append(error)
            return web.Response(status=400)

    async with served(read) as server:
        client = await server.client()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await client.send(b"2\r\n{}\r\n0\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(20):
                await client.send(b"X-%d: %s\r\n" % (number, b"x" * 30_000))
        assert (await client.answer())[0] == 400
        assert "too large" in str(failed[0])


async def test_large_heads_are_refused_when_the_reserve_is_used_up_and_small_ones_are_served() -> (
    None
):
    budget = ReceiveBudget(heads=100_000, allowance=1000)
    large = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 30_000
    async with served(hello, budget=budget) as server:
        answers = []
        for _ in range(5):
            client = await server.client()
            await client.send(large)
            answers.append(client)
        small = await server.client()
        await small.send(GET % 1)
        assert await small.answer() == (200, b"/1")
        for refused in answers[3:]:
            assert (await refused.answer())[0] == 503
        for waiting in answers[:3]:
            await waiting.send(b"\r\n\r\n")
            assert (await waiting.answer())[0] == 200
        again = await server.client()
        await again.send(large + b"\r\n\r\n")
        assert (await again.answer())[0] == 200


async def test_many_large_requests_may_arrive_in_the_same_moment() -> None:
    body = b"x" * 250_000
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with served(echo) as server:
        clients = [await server.client() for _ in range(150)]
        for client in clients:
            client.writer.write(head + body)
        for client in clients:
            assert await client.answer() == (200, body)


async def test_a_body_is_not_received_before_its_request_is_admitted() -> None:
    asked, known = asyncio.Event(), asyncio.Event()
    reading: list[int] = []

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await known.wait()
        reading.append(request.content.total_bytes)
        admit(request)
        return web.Response(body=str(len(await request.content.read())).encode())

    size = 8 << 20
    async with served(slow) as server:
        client = await server.client()
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        client.writer.write(head + b"x" * size)
        async with asyncio.timeout(LIMIT):
            await asked.wait()
        known.set()
        assert await client.answer() == (200, b"%d" % size)
        assert reading == [0]


async def test_a_kept_connection_is_read_again_after_a_body_that_came_before_its_admission() -> (
    None
):
    async def reading(request: web.BaseRequest) -> web.StreamResponse:
        # A credential takes a moment to be checked.
        await asyncio.sleep(0.05)
        admit(request)
        return web.Response(text=str(len(await request.read())))

    body = b"x" * 20_000
    sent = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with served(reading) as server:
        client = await server.client()
        for _ in range(3):
            await client.send(sent)
            assert await client.answer() == (200, b"20000")


async def test_the_rest_of_a_refused_body_is_read_by_nobody_and_the_connection_ends() -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401)

    async with served(refuse) as server:
        client = await server.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nx")
        assert (await client.answer())[0] == 401
        assert await client.rest() == b""


async def test_a_refused_request_whose_body_has_arrived_leaves_the_connection_open() -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401)

    async with served(refuse) as server:
        client = await server.client()
        for _ in range(2):
            await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
            assert (await client.answer())[0] == 401


async def test_a_refused_request_with_an_invalid_body_has_one_answer_and_the_connection_ends() -> (
    None
):
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401)

    async with served(refuse) as server:
        client = await server.client()
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head + b"zz\r\n" + GET % 1)
        assert (await client.answer())[0] == 401
        assert await client.rest() == b""


async def test_others_have_their_turn_while_a_client_sends_many_requests_at_once() -> None:
    order: list[str] = []

    async def noted(request: web.BaseRequest) -> web.StreamResponse:
        order.append(request.path)
        return web.Response()

    flood = 3000
    async with served(noted) as server:
        other, greedy = await server.client(), await server.client()
        greedy.writer.write(b"".join(GET % number for number in range(flood)))
        other.writer.write(b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await other.answer())[0] == 200
        for _ in range(flood):
            await greedy.answer()
    assert order.index("/other") < 100
    order.remove("/other")
    assert order == [f"/{number}" for number in range(flood)]


async def test_reading_pauses_while_a_request_waits_behind_another() -> None:
    began, going, calls = asyncio.Event(), asyncio.Event(), 0

    async def held(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        began.set()
        await going.wait()
        return web.Response()

    flood = 64 << 20
    async with served(held) as server:
        client = await server.client()
        sending = asyncio.ensure_future(client.send(GET % 1 + b"GET /" + b"x" * flood))
        async with asyncio.timeout(LIMIT):
            await began.wait()
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert not sending.done()
        going.set()
        assert (await client.answer())[0] == 200
        assert (await client.answer())[0] == 431
        client.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await sending
    assert calls == 1


async def test_a_second_head_that_does_not_come_ends_the_connection() -> None:
    async with served(hello, head=0.1) as server:
        client = await server.client()
        await client.send(GET % 1)
        assert (await client.answer())[0] == 200
        await client.send(b"GET /2")
        assert await client.rest() == b""


@pytest.mark.parametrize("admitted", [False, True])
async def test_a_connection_is_kept_only_shortly_when_nothing_of_it_was_admitted(
    *, admitted: bool
) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if admitted:
            admit(request)
        return web.Response(status=200 if admitted else 401)

    async with served(handle, head=0.1) as server:
        client = await server.client()
        await client.send(GET % 1)
        await client.answer()
        if admitted:
            await asyncio.sleep(0.3)
            await client.send(GET % 2)
            assert (await client.answer())[0] == 200
        else:
            assert await client.rest() == b""


async def test_a_new_connection_replaces_the_oldest_idle_one_when_the_server_is_full() -> None:
    busy, going = asyncio.Event(), asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/1":
            busy.set()
            await going.wait()
        return web.Response(text=request.path)

    async with served(handle, max_connections=3) as server:
        working, idle, other = [await server.client() for _ in range(3)]
        await working.send(GET % 1)
        async with asyncio.timeout(LIMIT):
            await busy.wait()
        newest = await server.client()
        await newest.send(GET % 2)
        assert await newest.answer() == (200, b"/2")
        assert await idle.rest() == b""
        await other.send(GET % 3)
        assert await other.answer() == (200, b"/3")
        going.set()
        assert await working.answer() == (200, b"/1")


BODY = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"\r\n\r\n" * 40, b"0\r\n\r\n", b"x" * 3000])
)


def in_chunks(body: bytes, size: int, trailer: bytes) -> bytes:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    lines = b"".join(b"%x;a=b\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"Transfer-Encoding: chunked\r\n\r\n" + lines + b"0\r\n" + trailer + b"\r\n"


MESSAGE = st.one_of(
    st.just((b"GET", b"\r\n", b"")),
    BODY.map(lambda body: (b"POST", b"Content-Length: %d\r\n\r\n%s" % (len(body), body), body)),
    st.tuples(BODY, st.integers(1, 50), st.sampled_from([b"", b"A: b\r\n"])).map(
        lambda given: (b"POST", in_chunks(*given), given[0])
    ),
)


@given(st.lists(MESSAGE, min_size=1, max_size=5), st.lists(st.integers(1, 200), max_size=8))
def test_requests_are_answered_alike_however_their_bytes_are_split(
    messages: list[tuple[bytes, bytes, bytes]], cuts: list[int]
) -> None:
    async def exchange() -> None:
        data = b"".join(b"%s / HTTP/1.1\r\nHost: localhost\r\n%s" % each[:2] for each in messages)
        async with served(echo) as server:
            client = await server.client()
            for cut in cuts:
                await client.send(data[:cut])
                data = data[cut:]
                await asyncio.sleep(0)
            await client.send(data)
            for _, _, body in messages:
                assert await client.answer() == (200, body)

    asyncio.run(exchange())


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.sampled_from(
                [
                    b"\r\n",
                    b"\r\n\r\n",
                    b"GET / HTTP/1.1\r\n",
                    b"Host: a\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Content-Length: 5\r\n",
                    b"5\r\n",
                    b"0\r\n\r\n",
                    b"Upgrade: websocket\r\n",
                    b"Connection: upgrade\r\n",
                    b"CONNECT a:1 HTTP/1.1\r\n",
                    b"\n\n",
                ]
            ),
        ),
        max_size=12,
    )
)
def test_noise_is_answered_or_cut_and_leaves_nothing_accounted(pieces: list[bytes]) -> None:
    budget = ReceiveBudget(heads=100_000, requests=100_000, allowance=0)

    async def exchange() -> None:
        async with served(echo, budget=budget, linger=0.01, head=0.05, keep_alive=0.05) as server:
            client = await server.client()
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    await client.send(piece)
            if client.writer.can_write_eof():
                client.writer.write_eof()
            await client.rest()

    asyncio.run(exchange())
    assert budget.heads.change(0, 100_000)
    assert budget.requests.change(0, 100_000)
