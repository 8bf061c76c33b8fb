"""The operator asks pods at their health port, and believes only the line of the check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from omnia_core.conversation.budget import warned_message
from omnia_core.health import BUDGET, SESSION_STORE, Readiness, check_line, check_path
from omnia_operator.pod_checks import BUDGET_CHECK, STORE_CHECK, PodHealth, PodReport
from tests.services import free_port

OK = check_line(SESSION_STORE, Readiness(ready=True))
AWAY = check_line(SESSION_STORE, Readiness(ready=False, detail="no route"))
SPENT = warned_message("month", 20, datetime(2026, 2, 1, tzinfo=UTC))


def answer(text: str, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", text]).encode()


def anywhere(_: str) -> bool:
    return False


@asynccontextmanager
async def pod(data: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A pod that answers with these bytes; yield its port and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(
    ("data", "report"),
    [
        (answer(OK), PodReport("p")),
        (answer(AWAY, "503 Service Unavailable"), PodReport("p", "no route")),
        # a proxy in front of the pod, a runtime of somebody else, an older runtime
        (answer("upstream connect error", "503 Service Unavailable"), None),
        (answer("ok"), None),
        (answer("not found", "404 Not Found"), None),
        (answer("", "302 Found", "Location: http://127.0.0.1:1/"), None),
        (answer("x" * 100_000), None),
        (b"SSH-2.0-OpenSSH\r\n", None),
        (b"", None),
    ],
)
async def test_only_the_line_of_the_check_is_a_report(
    data: bytes, report: PodReport | None
) -> None:
    async with pod(data) as (port, asked):
        assert await PodHealth(port, anywhere).report(STORE_CHECK, "p", "127.0.0.1") == report
    assert asked[0].startswith(f"GET {check_path(SESSION_STORE)} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "no address"])
async def test_a_pod_that_cannot_be_reached_says_nothing(address: str) -> None:
    assert await PodHealth(free_port(), anywhere).report(STORE_CHECK, "p", address) is None


async def test_no_pod_leads_the_operator_to_its_own_machine() -> None:
    async with pod(answer(OK)) as (port, asked):
        assert await PodHealth(port).report(STORE_CHECK, "p", "127.0.0.1") is None
    assert asked == []


@pytest.mark.parametrize(
    ("state", "report"),
    [
        (Readiness(ready=True), PodReport("p")),
        (Readiness(ready=False, detail=SPENT), PodReport("p", SPENT)),
        # The check did not come to an end: it says nothing about money.
        (Readiness(ready=False, detail="the check timed out"), None),
        (Readiness(ready=False, detail="the check failed; see the log"), None),
    ],
)
async def test_only_a_message_with_the_time_of_the_next_budget_is_a_spent_one(
    state: Readiness, report: PodReport | None
) -> None:
    line = answer(check_line(BUDGET, state), "503 Service Unavailable")
    async with pod(line) as (port, asked):
        assert await PodHealth(port, anywhere).report(BUDGET_CHECK, "p", "127.0.0.1") == report
    assert asked[0].startswith(b"GET /healthz/budget HTTP/1.1\r\n")
