"""The health port of every program."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from omnia_core.health import HealthServer, Readiness


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
