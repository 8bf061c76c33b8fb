"""The port of the history, as clients without a credential find it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from omnia_core.http.hosts import ANY_HOST, HostRule
from omnia_history.app import limited_server
from omnia_history.postgres import PostgresDatabase
from omnia_history.routes import Routes

UNUSED_DATABASE = "postgresql://nobody@127.0.0.1:9/none"


@asynccontextmanager
async def serving(hosts: HostRule = ANY_HOST) -> AsyncIterator[int]:
    database = PostgresDatabase(UNUSED_DATABASE)
    routes = Routes(database, "default", None, hosts=hosts)
    async with limited_server(routes.application()) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    await database.close()


async def exchange(port: int, sent: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head


@pytest.mark.parametrize("path", ["/openapi.json", "/api/v1/sessions", "/healthz", "/nothing"])
@pytest.mark.parametrize(
    ("bind_address", "host", "misdirected"),
    [
        ("127.0.0.1", "rebound.example", True),
        ("127.0.0.1", "rebound.example:8090", True),
        ("127.0.0.1", "localhost:8090", False),
        (None, "history.default.svc", False),
        ("0.0.0.0", "10.0.0.7:8090", False),
    ],
)
async def test_a_page_that_gave_itself_the_address_of_this_machine_reads_no_transcript(
    path: str, bind_address: str | None, host: str, *, misdirected: bool
) -> None:
    async with serving(HostRule(bind_address)) as port:
        sent = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        assert ((await exchange(port, sent))[0] == 421) == misdirected


async def test_the_headers_of_a_request_are_limited_together() -> None:
    async with serving() as port:
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(9))
        sent = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n" + lines
        assert (await exchange(port, sent))[0] == 431


@pytest.mark.parametrize("path", ["/openapi.json", "/nothing"])
async def test_an_answer_does_not_reveal_the_versions_of_the_server(path: str) -> None:
    async with serving() as port:
        _, head = await exchange(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b"aiohttp" not in head
    assert b"Python" not in head
