"""What is counted of turns, models, tools and the session store."""

import pytest
from prometheus_client import CollectorRegistry

from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message, SessionConflict, StoreUnavailable
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_runtime.observe.metered_store import MeteredSessionStore
from omnia_runtime.observe.metrics import RuntimeMetrics, ScrapedGauges
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed
from omnia_runtime.tools.guarded import FAULTS, GuardedSource

AGENT = {"agent": "a", "namespace": "n"}


class Counted:
    """Metrics that can be asked."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = RuntimeMetrics(self.registry, "a", "n")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {**AGENT, **labels})


class AwayStore(MemorySessionStore):
    """A store that does not answer."""

    async def checkpoint(self, *_: object, **__: object) -> None:
        raise StoreUnavailable("away")


async def test_operations_of_the_store_are_counted_with_their_outcome() -> None:
    counted = Counted()
    store = MeteredSessionStore(AwayStore(Duration.parse("1h")), counted.metrics)
    message = Message("user", "hi")

    assert await store.load("s") is None
    assert await store.append("s", [message], expected_length=0) == 1
    with pytest.raises(SessionConflict):
        await store.append("s", [message], expected_length=0)
    with pytest.raises(StoreUnavailable):
        await store.checkpoint("s", [message], expected_length=1)
    session = await store.load("s")
    await store.close()

    assert session is not None
    assert [each.content for each in session.messages] == ["hi"]
    name = "omnia_session_store_operations_total"
    found = {
        outcome: counted.value(name, operation=outcome[0], status=outcome[1])
        for outcome in (
            ("load", "success"),
            ("append", "success"),
            ("append", "conflict"),
            ("checkpoint", "unavailable"),
        )
    }
    assert list(found.values()) == [2.0, 1.0, 1.0, 1.0]
    assert counted.value("omnia_session_store_duration_seconds_count", operation="append") == 2.0


@pytest.mark.parametrize("limit", ["max_rounds: 5", "max_rounds: 9"])
def test_the_value_of_a_limit_is_no_label(limit: str) -> None:
    counted = Counted()
    counted.metrics.limit_reached(limit)
    assert counted.value("omnia_turn_limits_reached_total", limit="max_rounds") == 1.0


class FailingSource:
    """A handler whose server is at fault."""

    name, timeout = "shop", 1.0

    def specs(self) -> list[ToolSpec]:
        return []

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        raise ToolFailed(f"{tool} {arguments} {context.call_id}", server_fault=True)


async def test_an_open_circuit_breaker_is_seen() -> None:
    counted, source = Counted(), GuardedSource(FailingSource())
    counted.registry.register(
        ScrapedGauges("a", "n", lambda: 3, lambda: {source.name: source.broken})
    )

    def is_open() -> float | None:
        return counted.value("omnia_tool_breaker_open", handler="shop")

    assert is_open() == 0.0
    for _ in range(FAULTS):
        with pytest.raises(ToolFailed):
            await source.call("buy", {}, CallContext())
    assert is_open() == 1.0
    assert counted.value("omnia_runtime_streams_active") == 3.0
