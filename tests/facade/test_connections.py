"""Keep-alive and the end of connections, with a clock that the test holds."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from omnia_facade.metrics import FacadeMetrics
from omnia_facade.timings import Timings
from omnia_facade.ws.connections import Connections


class FakeConnection:
    def __init__(self) -> None:
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self.closing_since: float | None = None
        self.unwritten: asyncio.Event | None = None
        self.unsent = 0
        self.session_count = 1
        self.seen: list[str] = []

    def ping(self) -> None:
        self.seen.append("ping")

    def abort(self) -> None:
        self.seen.append("abort")

    def drain(self) -> None:
        self.seen.append("drain")

    def close(self, code: int, reason: str) -> None:
        self.seen.append(f"close {code} {reason}")


@pytest.fixture
def connections() -> Connections:
    return Connections(FacadeMetrics(CollectorRegistry(), agent="a", namespace="n"), "echo")


@pytest.mark.parametrize(
    ("now", "pinged_at", "closing_since", "seen"),
    [
        (29.0, 0.0, None, []),
        (30.0, 0.0, None, ["ping"]),
        (45.0, 30.0, None, []),
        (60.0, 30.0, None, ["ping"]),
        (91.0, 90.0, None, ["abort"]),
        (10.0, 0.0, 6.0, []),
        (12.0, 0.0, 6.0, ["abort"]),
    ],
)
async def test_a_silent_client_is_pinged_and_then_cut(
    connections: Connections,
    now: float,
    pinged_at: float,
    closing_since: float | None,
    seen: list[str],
) -> None:
    connection = FakeConnection()
    connection.pinged_at, connection.closing_since = pinged_at, closing_since
    connections.opened(connection)

    connections.sweep(now)

    assert connection.seen == seen
    connections.closed(connection)


async def test_who_reads_nothing_is_cut_and_who_reads_slowly_is_not(
    connections: Connections,
) -> None:
    slow, stuck, again = FakeConnection(), FakeConnection(), FakeConnection()
    for connection in (slow, stuck, again):
        connections.opened(connection)
        connection.unwritten, connection.unsent = asyncio.Event(), 70_000
    for second in range(0, 40, 2):
        for connection in (slow, stuck, again):
            connection.heard_at = second
        slow.unsent -= 10
        # the same number of bytes each time, and yet all was read in between
        again.unwritten = asyncio.Event()
        connections.sweep(second)
    assert [each.seen for each in (slow, again)] == [[], []]
    assert set(stuck.seen) == {"abort"}
    for connection in (slow, stuck, again):
        connections.closed(connection)


async def test_the_sessions_of_a_connection_are_counted_until_its_end() -> None:
    registry = CollectorRegistry()
    connections = Connections(FacadeMetrics(registry, agent="a", namespace="n"), "echo")

    def active() -> float | None:
        labels = {"agent": "a", "namespace": "n"}
        return registry.get_sample_value("omnia_agent_sessions_active", labels)

    one, other = FakeConnection(), FakeConnection()
    connections.opened(one)
    connections.opened(other)
    other.session_count += 1
    connections.metrics.sessions_active.inc()
    assert active() == 3
    connections.closed(other)
    assert active() == 1
    connections.closed(one)
    assert active() == 0


async def test_who_does_not_close_when_draining_is_closed_and_then_cut() -> None:
    metrics = FacadeMetrics(CollectorRegistry(), agent="a", namespace="n")
    connections = Connections(metrics, "echo", Timings(close=0.01))
    connection = FakeConnection()
    connections.opened(connection)

    await connections.drain(0.01)

    assert connection.seen == ["drain", "close 1001 server shutdown", "abort"]
