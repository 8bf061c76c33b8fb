"""The HTTP server against clients that are slow, broken or greedy, over real sockets."""

import asyncio
import contextlib
import gzip
import http.client
import io
import socket
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from omnia_facade.timings import Timings
from tests.facade.conftest import Running
from tests.facade.functions_bed import GOOD, PATH, Answer, FunctionRuntime, Served, call, served
from tests.facade.scripted_runtime import LIMIT

BODY = orjson.dumps(GOOD)
JSON = "Content-Type: application/json"
PATIENT = Timings(linger=0.2)
IMPATIENT = Timings(body=0.2, send=0.2, keep_alive=0.3, linger=0.2)


# One facade serves all tests of this file, so they share an event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("function"), timings=PATIENT) as both:
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("function"), timings=IMPATIENT) as both:
        yield both


@pytest.fixture
def runtime(shared: Served) -> FunctionRuntime:
    shared.runtime.reset()
    return shared.runtime


@pytest.fixture
def facade(shared: Served, runtime: FunctionRuntime) -> Running:
    return shared.facade


def head(*lines: str, method: str = "POST", path: str = PATH) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def answers(data: bytes, method: str = "POST") -> list[Answer]:
    """Read responses, one after another."""

    class Sent:
        def __init__(self, file: io.BytesIO) -> None:
            self.file = file

        def makefile(self, _: str) -> io.BytesIO:
            return self.file

    file, found = io.BytesIO(data), []
    # a response closes its file at its end
    file.close = lambda: None  # type: ignore[method-assign]
    while file.tell() < len(data):
        response = http.client.HTTPResponse(Sent(file), method=method)  # type: ignore[arg-type]
        response.begin()
        found.append(Answer(response.status, response.headers, response.read()))
    return found


async def exchange(facade: Running, *pieces: bytes, method: str = "POST") -> list[Answer]:
    """Send, and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    try:
        async with asyncio.timeout(LIMIT):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return answers(await reader.read(), method)
    finally:
        writer.close()


BROKEN = {
    "the length is no number": (head(JSON, "Content-Length: ten") + BODY, 400, "bad_request"),
    "two lengths": (
        head(JSON, "Content-Length: 2", "Content-Length: 3") + BODY,
        400,
        "bad_request",
    ),
    "a length and chunks": (
        head(JSON, "Content-Length: 2", "Transfer-Encoding: chunked") + BODY,
        400,
        "bad_request",
    ),
    "a chunk without a size": (
        head(JSON, "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "a header without a colon": (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nx\r\n\r\n",
        400,
        "bad_request",
    ),
    "another protocol": (b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", 400, "bad_request"),
    "a header that is very long": (head("X-Long: " + "x" * 40_000), 431, "head_too_large"),
    "a target that is very long": (head(path="/" + "x" * 20_000), 431, "head_too_large"),
    "a body that is no gzip": (
        head(JSON, "Content-Encoding: gzip", f"Content-Length: {len(BODY)}") + BODY,
        400,
        "bad_request",
    ),
    "an encoding that nobody knows": (
        head(JSON, "Content-Encoding: rot13", f"Content-Length: {len(BODY)}", "Connection: close")
        + BODY,
        415,
        "unsupported_media_type",
    ),
    "a body without a length": (head(JSON, "Connection: close"), 400, "input_invalid"),
    "an expectation that nobody knows": (
        head(JSON, "Expect: the-impossible", f"Content-Length: {len(BODY)}") + BODY,
        417,
        "expectation_failed",
    ),
}


@pytest.mark.parametrize(("sent", "status", "error"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_broken_is_answered_in_json_and_the_connection_ends(
    facade: Running, runtime: FunctionRuntime, sent: bytes, status: int, error: str
) -> None:
    (answer,) = await exchange(facade, sent)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "aiohttp" not in str(answer.headers)
    assert answer.body["detail"]
    assert runtime.invoked == []
    assert (await call(facade)).status == 200


# Each is read somewhere on the way of a call.
READ = (
    "Host: ",
    "Content-Type: application/json; charset=",
    "Content-Encoding: ",
    "Content-Length: ",
    "Transfer-Encoding: ",
    "Connection: ",
    "Expect: ",
    "Origin: ",
    "Authorization: Bearer ",
    "Prefer: wait=",
    "Idempotency-Key: ",
    "traceparent: ",
    "x-user-id: ",
)


@pytest.mark.parametrize("odd", [b"\xff", b"\xed\xa0\x80", b"\x80x", "ü".encode()])
@pytest.mark.parametrize("header", READ)
async def test_a_header_of_any_bytes_is_answered_in_json(
    facade: Running, runtime: FunctionRuntime, header: str, odd: bytes
) -> None:
    lines = [JSON, f"Content-Length: {len(BODY)}", "Connection: close"]
    if header.split(":", maxsplit=1)[0] in {line.split(":")[0] for line in lines}:
        lines = [line for line in lines if line.split(":")[0] != header.split(":", maxsplit=1)[0]]
    sent = head(*lines, f"{header}ODD").replace(b"ODD", odd)
    (answer,) = await exchange(facade, sent + BODY)
    assert answer.status < 500
    assert answer.body.get("output") or answer.body["detail"]


async def test_a_broken_request_after_a_good_one_is_answered_in_json(facade: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    async with asyncio.timeout(LIMIT):
        writer.write(head(JSON, f"Content-Length: {len(BODY)}") + BODY)
        first = await reader.readuntil(b"}}")
        writer.write(b"what is this\r\n\r\n")
        second = await reader.read()
    writer.close()
    assert [each.status for each in answers(first + second)] == [200, 400]
    assert b"bad_request" in second


@pytest.mark.parametrize("pipelined", [b"", head(method="GET", path="/x")])
async def test_a_chunk_that_is_none_ends_the_reading_at_once(
    facade: Running, pipelined: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    async with asyncio.timeout(LIMIT):
        writer.write(pipelined + head(JSON, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")
        await writer.drain()
        writer.write(b"zz\r\n")
        got = answers(await reader.read())
    writer.close()
    assert [each.status for each in got] == [*([404] if pipelined else []), 400]
    assert got[-1].body["error"] == "bad_request"


@pytest.mark.parametrize(
    "begun",
    [
        head(JSON, f"Content-Length: {len(BODY)}") + BODY[:5],
        head(JSON, "Transfer-Encoding: chunked") + b"5\r\n" + BODY[:3],
    ],
    ids=["with a length", "in chunks"],
)
async def test_a_body_that_does_not_come_is_408(impatient: Served, begun: bytes) -> None:
    (answer,) = await exchange(impatient.facade, begun)
    assert (answer.status, answer.body["error"]) == (408, "request_timeout")
    assert answer.headers["X-Invocation-Id"]


async def test_a_second_head_that_comes_in_drops_ends_the_connection(impatient: Served) -> None:
    good = head(JSON, f"Content-Length: {len(BODY)}") + BODY
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.facade.port)
    writer.write(good)
    async with asyncio.timeout(LIMIT):
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"X")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(4096), 0.02)
    writer.close()


async def test_who_does_not_read_the_answer_is_cut_off(impatient: Served) -> None:
    facade, runtime = impatient
    runtime.output_json = orjson.dumps({"summary": "x" * 8_000_000}).decode()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", facade.port))
        await loop.sock_sendall(client, head(JSON, f"Content-Length: {len(BODY)}") + BODY)
        async with asyncio.timeout(LIMIT):
            with pytest.raises(ConnectionError):
                await _send_until_cut(client)
    runtime.reset()


async def _send_until_cut(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("path", "status", "allow"), [(PATH, 405, "POST"), ("/openapi.json", 405, "GET, HEAD")]
)
async def test_options_says_which_methods_there_are(
    facade: Running, path: str, status: int, allow: str
) -> None:
    answer = await call(facade, method="OPTIONS", path=path)
    assert (answer.status, answer.headers["Allow"]) == (status, allow)
    assert answer.body["error"] == "method_not_allowed"


@pytest.mark.parametrize(("path", "status"), [(PATH, 405), ("/openapi.json", 200), ("/x", 404)])
async def test_head_is_answered_without_a_body(facade: Running, path: str, status: int) -> None:
    sent = head("Connection: close", method="HEAD", path=path)
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    writer.write(sent)
    async with asyncio.timeout(LIMIT):
        data = await reader.read()
    writer.close()
    assert data.startswith(f"HTTP/1.1 {status} ".encode())
    assert data.endswith(b"\r\n\r\n")
    (answer,) = answers(data, "HEAD")
    assert int(answer.headers["Content-Length"]) > 0


async def test_a_flood_of_requests_at_once_is_answered_in_order(facade: Running) -> None:
    count = 300
    flood = [head(method="GET", path=f"/{'x' if n % 2 else 'functions/'}") for n in range(count)]
    last = head("Connection: close", method="GET", path="/last")
    got = await exchange(facade, b"".join(flood) + last, method="GET")
    assert [each.status for each in got] == [400, 404] * (count // 2) + [404]


async def test_a_client_that_waits_for_the_invitation_gets_it(facade: Running) -> None:
    length = f"Content-Length: {len(BODY)}"
    waiting = head(JSON, "Expect: 100-continue", length, "Connection: close")
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    writer.write(waiting)
    async with asyncio.timeout(LIMIT):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        (answer,) = answers(await reader.read())
    writer.close()
    assert answer.status == 200


async def test_a_body_that_would_be_too_large_is_not_invited(facade: Running) -> None:
    (answer,) = await exchange(
        facade, head(JSON, "Expect: 100-continue", f"Content-Length: {2 << 20}")
    )
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


async def test_a_compressed_body_is_measured_as_it_was_before(facade: Running) -> None:
    packed = [gzip.compress(body) for body in (BODY, b" " * (2 << 20) + BODY)]
    headers = [("Content-Encoding", "gzip")]
    good, bomb = [await call(facade, each, headers=headers) for each in packed]
    assert good.status == 200
    assert len(packed[1]) < 10_000
    assert (bomb.status, bomb.body["error"]) == (413, "payload_too_large")


@pytest.mark.parametrize("first", [b"", head("Connection: keep-alive", method="GET", path="/x")])
async def test_a_head_of_many_headers_is_refused_on_a_kept_connection_too(
    facade: Running, first: bytes
) -> None:
    many = [f"X-{number}: {'x' * 30_000}" for number in range(3)]
    got = await exchange(facade, first, head(*many, method="GET"), method="GET")
    assert [answer.status for answer in got] == [*([404] if first else []), 431]
    assert got[-1].body["error"] == "head_too_large"


async def test_the_host_of_every_request_of_a_connection_is_checked(facade: Running) -> None:
    good = head(method="GET", path="/openapi.json")
    foreign = b"GET /openapi.json HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n"
    got = await exchange(facade, good, foreign, method="GET")
    assert [answer.status for answer in got] == [200, 421]
    assert got[1].body["error"] == "misdirected_request"
