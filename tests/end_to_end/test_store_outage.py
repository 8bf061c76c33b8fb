"""What facade, runtime and operator make of a Redis that stops and starts again."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from omnia_core.jsonvalue import JsonObject
from omnia_operator.pod_checks import PodChecks, PodHealth
from tests.end_to_end.conftest import Start
from tests.end_to_end.test_faults import Frame, redis, talking, tough
from tests.operator.cluster import FakeCluster, everything, running_pod, secret
from tests.services import LIMIT, RedisServer

__all__ = ["redis"]

SHARED: JsonObject = {"session": {"type": "redis", "storeRef": {"name": "store"}}}


async def status(url: str) -> int:
    def get() -> int:
        try:
            with urllib.request.urlopen(url, timeout=LIMIT) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    return await asyncio.to_thread(get)


@asynccontextmanager
async def operated(port: int) -> AsyncIterator[FakeCluster]:
    """An operator for which the runtime at a port of this machine is the pod of an agent."""
    pod = running_pod("tough-1")
    pod["status"]["podIP"] = "127.0.0.1"
    cluster = FakeCluster(*everything(SHARED), secret("store", {"url": "cmVkaXM6Ly9o"}), pod)
    changed = asyncio.Event()
    cluster.pod_checks = PodChecks(
        cluster, PodHealth(port, refuses=lambda _: False), lambda _: changed.set()
    )
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()

    async def reconcile() -> None:
        while True:
            await changed.wait()
            changed.clear()
            await cluster.settle()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reconcile()), group.create_task(cluster.pod_checks.run())]
        yield cluster
        for task in tasks:
            task.cancel()


async def until(cluster: FakeCluster, wanted: str) -> None:
    async with asyncio.timeout(2 * LIMIT):
        while cluster.conditions()["SessionStoreReady"] != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_an_outage_of_redis_is_told_and_heals_while_pods_stay_and_stay_ready(
    start: Start, tmp_path: Path, redis: RedisServer
) -> None:
    async with tough(start, tmp_path, redis) as (_, ready, model), talking(ready["url"]) as talk:
        model.may.set()
        health: Frame = ready["health"]
        async with operated(urlsplit(health["runtime"]).port or 0) as cluster:
            assert (await talk.ask("one"))[-1]["content"] == "heard one"
            await until(cluster, "True: SessionStoreReached")
            assert cluster.status()["phase"] == "Running"

            redis.kill()
            await until(cluster, "False: SessionStoreUnreachable")
            assert cluster.status()["phase"] == "Failed"
            assert "cannot be reached (ConnectionError)" in cluster.message("SessionStoreReady")
            # No probe fails: Kubernetes neither restarts the pod nor takes it out of the Service.
            for program in ("facade", "runtime"):
                assert await status(f"{health[program]}/readyz") == 200
                assert await status(f"{health[program]}/healthz") == 200
            failed = (await talk.ask("two"))[-1]
            assert failed["error"]["code"] == "AGENT_UNAVAILABLE"

            await asyncio.to_thread(redis.start)
            await until(cluster, "True: SessionStoreReached")
            assert cluster.status()["phase"] == "Running"
            # The same connection goes on.
            assert (await talk.ask("three"))[-1]["content"] == "heard three"
            reasons = [reason for _, reason in cluster.events]
            assert reasons.count("SessionStoreUnreachable") == 1
