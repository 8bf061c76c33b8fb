"""Keep-alive and the end of connections, with a clock that the test holds."""

import pytest
from prometheus_client import CollectorRegistry

from omnia_facade.metrics import Metrics
from omnia_facade.ws.connections import Connections


class FakeConnection:
    def __init__(self) -> None:
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self.closing_since: float | None = None
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
    return Connections(Metrics(CollectorRegistry(), agent="a", namespace="n"), "echo")


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


async def test_who_does_not_close_when_draining_is_closed_and_then_cut(
    connections: Connections,
) -> None:
    connection = FakeConnection()
    connections.opened(connection)

    await connections.drain(0.01, close_seconds=0.01)

    assert connection.seen == ["drain", "close 1001 server shutdown", "abort"]
