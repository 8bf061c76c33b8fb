"""The health port of every program."""

import asyncio
import contextlib
import gc
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from omnia_core.health import (
    MAX_CONNECTIONS,
    HealthServer,
    Readiness,
    check_line,
    failure_in,
)


class State:
    """A readiness that a test sets."""

    current = Readiness(ready=True)

    async def check(self) -> Readiness:
        return self.current


@contextmanager
def serving(state: State, registry: CollectorRegistry) -> Iterator[str]:
    server = HealthServer(state.check, registry)
    port = server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


async def get(url: str) -> tuple[int, str]:
    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


async def test_readiness_carries_its_reason() -> None:
    state = State()
    with serving(state, CollectorRegistry()) as url:
        assert await get(f"{url}/readyz") == (200, "ok\n")
        state.current = Readiness(ready=False, detail="draining")
        assert await get(f"{url}/readyz") == (503, "draining\n")
        assert await get(f"{url}/healthz") == (200, "ok\n")
        assert (await get(f"{url}/else"))[0] == 404


async def test_metrics_are_prometheus_text() -> None:
    registry = CollectorRegistry()
    Counter("omnia_things", "Things.", registry=registry).inc()
    with serving(State(), registry) as url:
        status, text = await get(f"{url}/metrics")
    assert status == 200
    assert "omnia_things_total 1.0" in text


class Peer:
    """A client that writes bytes."""

    def __init__(self, url: str) -> None:
        self._address = ("127.0.0.1", int(url.rpartition(":")[2]))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._address)

    async def send(self, data: bytes) -> bytes:
        """Send, and read until the server closes."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            async with asyncio.timeout(30):
                return await reader.read()
        finally:
            writer.close()


async def test_the_program_is_reported_as_stuck_while_its_loop_is_and_metrics_are_served() -> None:
    registry = CollectorRegistry()
    Counter("omnia_things", "Things.", registry=registry).inc()
    with serving(State(), registry) as url:

        def ask(path: str) -> tuple[int, str]:
            try:
                with urllib.request.urlopen(url + path, timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        with ThreadPoolExecutor() as others:
            found = [others.submit(ask, path) for path in ("/healthz", "/healthz", "/metrics")]
            # The loop that the checks run on does nothing else meanwhile.
            done = [each.result() for each in found]
    assert done[:2] == [(503, "the event loop is stuck\n")] * 2
    assert "omnia_things_total 1.0" in done[2][1]


async def test_silent_connections_take_no_thread_and_the_oldest_make_room_for_a_probe() -> None:
    with serving(State(), CollectorRegistry()) as url:
        threads = threading.active_count()
        peer = Peer(url)
        silent = [await peer.connect() for _ in range(MAX_CONNECTIONS * 2)]
        for _, writer in silent:
            writer.write(b"G")
        assert threading.active_count() == threads
        assert b" 200 OK" in await peer.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(30):
            for reader, _ in silent[:MAX_CONNECTIONS]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert not silent[-1][0].at_eof()
        for _, writer in silent:
            writer.close()


async def test_a_byte_now_and_then_does_not_keep_a_connection() -> None:
    server = HealthServer(State().check, CollectorRegistry(), connection_seconds=0.3)
    port = server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"G")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(10), 0.05)
    writer.close()
    server.stop()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 200),
        (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", 200),
        (b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000, 400),
        (b"hello\r\n\r\n", 400),
    ],
)
async def test_what_is_no_probe_is_refused_and_nothing_reveals_versions(
    sent: bytes, status: int
) -> None:
    with serving(State(), CollectorRegistry()) as url:
        answer = await Peer(url).send(sent)
    assert int(answer.split()[1]) == status
    assert b"Server" not in answer
    assert b"Python" not in answer.partition(b"\r\n\r\n")[0]


async def test_every_host_is_served_by_a_port_that_other_machines_reach() -> None:
    server = HealthServer(State().check, CollectorRegistry())
    port = server.start(None, 0)
    peer = Peer(f"http://127.0.0.1:{port}")
    answer = await peer.send(b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.7:8081\r\n\r\n")
    server.stop()
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_a_check_that_fails_is_not_ready() -> None:
    class Broken(State):
        async def check(self) -> Readiness:
            raise ConnectionError("gone")

    with serving(Broken(), CollectorRegistry()) as url:
        assert await get(f"{url}/readyz") == (503, "the check failed; see the log\n")


async def test_a_further_check_has_a_path_of_its_own_and_no_effect_on_the_probes() -> None:
    state = State()

    async def store() -> Readiness:
        return state.current

    async def ready() -> Readiness:
        return Readiness(ready=True)

    server = HealthServer(ready, CollectorRegistry(), further={"session-store": store})
    url = f"http://127.0.0.1:{server.start('127.0.0.1', 0)}"
    try:
        assert await get(f"{url}/healthz/session-store") == (200, "[+]session-store ok\n")
        state.current = Readiness(ready=False, detail="no route")
        failed = await get(f"{url}/healthz/session-store")
        assert failed == (503, "[-]session-store failed: no route\n")
        assert (await get(f"{url}/readyz"))[0] == (await get(f"{url}/healthz"))[0] == 200
        assert (await get(f"{url}/healthz/else"))[0] == 404
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (check_line("store", Readiness(ready=True)) + "\n", ""),
        (check_line("store", Readiness(ready=False, detail="gone")) + "\n", "gone"),
        (check_line("other", Readiness(ready=False, detail="gone")), None),
        ("upstream connect error or disconnect/reset before headers", None),
        ("<html>503</html>", None),
        ("ok", None),
        ("", None),
    ],
)
def test_only_the_line_of_a_check_is_its_answer(text: str, failure: str | None) -> None:
    assert failure_in(text, "store") == failure


@given(st.text())
def test_no_other_text_is_taken_for_a_failure(text: str) -> None:
    found = failure_in(text, "store")
    assert found is None or text.strip().startswith(("[+]store", "[-]store"))


def knock(port: int, knocked: threading.Event) -> None:
    """Connect until nothing listens any more."""
    with contextlib.suppress(ConnectionError):
        while True:
            socket.create_connection(("127.0.0.1", port)).close()
            knocked.set()


async def test_the_sockets_of_connections_that_arrive_at_the_end_are_closed() -> None:
    for _ in range(30):
        server = HealthServer(State().check, CollectorRegistry())
        port = server.start("127.0.0.1", 0)
        knocked = threading.Event()
        knocking = asyncio.create_task(asyncio.to_thread(knock, port, knocked))
        await asyncio.to_thread(knocked.wait)
        server.stop()
        await knocking
    # Of a socket that was lost, the collector warns.
    gc.collect()
