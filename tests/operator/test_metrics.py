"""What the operator measures when it is asked for."""

import asyncio
import contextlib
from collections.abc import Callable

import httpx2
import pytest
from lightkube import AsyncClient
from prometheus_client import CollectorRegistry

from omnia_core.jsonvalue import JsonObject
from omnia_core.telemetry.program import program_registry
from omnia_operator.cluster.client import ClusterClient
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CUSTOM,
    PROVIDER,
    SERVICE,
    SESSION_RETENTION_POLICY,
)
from omnia_operator.cluster.store import Store
from omnia_operator.metrics import (
    OperatorGauges,
    ReconcileMetrics,
    ReconcileResult,
    RequestMetrics,
    RolloutGauges,
    WorkQueueGauges,
    WorkQueueMetrics,
    policy_agents,
    ready_agents,
    rollout_statuses,
    unmet_conditions,
)
from omnia_operator.references import ObjectReference
from omnia_operator.scheduling import Requeue, WorkQueue
from tests.operator import objects
from tests.operator.test_client import SERVER_CONFIG
from tests.operator.test_queue import Work
from tests.services import LIMIT

TIME = "2026-01-01T00:00:00Z"
SECONDS_OF_TIME = 1767225600.0


def agent(name: str, conditions: list[JsonObject] | None) -> JsonObject:
    document = objects.agent()
    metadata = {**document["metadata"], "namespace": "shop", "name": name, "resourceVersion": "1"}
    status = {} if conditions is None else {"status": {"conditions": conditions}}
    return {**document, "metadata": metadata, **status}


def test_agents_that_are_ready_are_told_from_those_that_are_not() -> None:
    store = Store()
    held = {"type": "DeploymentReady", "status": "True"}
    for name, conditions in (
        ("good", [held, {"type": "Ready", "status": "True"}]),
        ("bad", [held, {"type": "Ready", "status": "False", "reason": "RuntimeNotReady"}]),
        ("new", None),
    ):
        store.put(AGENT_RUNTIME, agent(name, conditions))
    registry = CollectorRegistry()
    registry.register(
        OperatorGauges(
            dict,
            ("lease", lambda: True),
            lambda: ready_agents(store),
            lambda: unmet_conditions(store),
            dict,
        )
    )

    found = {
        name: registry.get_sample_value(
            "omnia_operator_agent_ready", {"namespace": "shop", "agent": name}
        )
        for name in ("good", "bad", "new")
    }
    assert found == {"good": 1.0, "bad": 0.0, "new": 0.0}
    assert registry.get_sample_value("leader_election_master_status", {"name": "lease"}) == 1.0
    (unmet,) = [each for each in registry.collect() if "unmet" in each.name]
    assert [(each.labels, each.value) for each in unmet.samples] == [
        (
            {
                "namespace": "shop",
                "agent": "bad",
                "condition": "Ready",
                "reason": "RuntimeNotReady",
            },
            1.0,
        )
    ]


def test_objects_that_were_put_back_are_counted_by_kind() -> None:
    registry = CollectorRegistry()
    metrics = ReconcileMetrics(registry)

    metrics.corrected(SERVICE)
    metrics.corrected(SERVICE)

    name = "omnia_operator_drift_corrections_total"
    assert registry.get_sample_value(name, {"kind": "Service"}) == 2.0


def test_a_policy_is_told_with_its_phase_and_its_agents() -> None:
    store = Store()
    for name, status in (
        ("old", {"phase": "DryRun", "agents": 3}),
        ("young", {"phase": "Superseded", "agents": 0}),
        ("new", None),
    ):
        document = objects.policy(None, name, resourceVersion="1")
        store.put(SESSION_RETENTION_POLICY, document | ({"status": status} if status else {}))
    registry = CollectorRegistry()
    registry.register(
        OperatorGauges(dict, ("lease", lambda: True), dict, tuple, lambda: policy_agents(store))
    )

    (family,) = [each for each in registry.collect() if "retention" in each.name]
    assert {
        (each.labels["namespace"], each.labels["policy"], each.labels["phase"], each.value)
        for each in family.samples
    } == {("default", "old", "DryRun", 3.0), ("default", "young", "Superseded", 0.0)}


def test_a_rollout_is_told_by_its_status() -> None:
    store = Store()
    metric = {"name": "errors", "nextTime": TIME, "lastDataTime": TIME, "failed": 2, "errors": 1}
    analysis = {"templateName": "t", "step": 1, "startTime": TIME, "metrics": [metric]}
    paused: JsonObject = {
        "active": True,
        "phase": "Paused",
        "reason": "AnalysisFailed",
        "currentStep": 1,
        "currentWeight": 10,
        "stepStartTime": TIME,
        "analysis": analysis,
    }
    last = {"id": "a", "result": "RolledBack", "time": TIME}
    for name, rollout in (("running", paused), ("ended", {"last": last}), ("odd", {"phase": 5})):
        document = objects.agent(name=name, resourceVersion="1")
        store.put(AGENT_RUNTIME, document | {"status": {"rollout": rollout}})
    store.put(AGENT_RUNTIME, objects.agent(name="without", resourceVersion="1"))
    registry = CollectorRegistry()
    registry.register(RolloutGauges(lambda: rollout_statuses(store)))

    def value(name: str, agent: str, **labels: str) -> float | None:
        known = {"namespace": "default", "agent": agent, **labels}
        return registry.get_sample_value(f"omnia_rollout_{name}", known)

    assert value("phase", "running", phase="Paused", reason="AnalysisFailed") == 1
    assert (value("weight", "running"), value("step", "running")) == (10, 2)
    assert value("step_start_timestamp_seconds", "running") == SECONDS_OF_TIME
    assert value("analysis_measurements", "running", metric="errors", result="failed") == 2
    assert value("analysis_measurements", "running", metric="errors", result="error") == 1
    assert value("phase", "ended", phase="Idle", reason="") == 1
    assert (value("weight", "ended"), value("step", "ended")) == (0, 0)
    assert value("last_end_timestamp_seconds", "ended", result="RolledBack") == SECONDS_OF_TIME
    assert value("step_start_timestamp_seconds", "ended") is None
    assert value("weight", "without") is None


def test_a_reconciliation_is_counted_by_its_result_and_timed() -> None:
    registry = CollectorRegistry()
    metrics = ReconcileMetrics(registry)

    metrics.reconciled(PROVIDER, ReconcileResult.SUCCESS, 0.2)
    metrics.reconciled(PROVIDER, ReconcileResult.ERROR, 0.2)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"controller_runtime_reconcile_{name}", labels)

    assert value("total", controller="provider", result="success") == 1.0
    assert value("total", controller="provider", result="error") == 1.0
    # A series that exists before its first event can be used in a ratio.
    assert value("total", controller="agentruntime", result="error") == 0.0
    assert value("errors_total", controller="provider") == 1.0
    assert value("time_seconds_count", controller="provider") == 2.0


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not holds():  # noqa: ASYNC110 - what is counted tells nobody
            await asyncio.sleep(0.001)


async def test_the_work_queue_counts_what_it_is_given_and_how_long_it_took() -> None:
    registry, work = CollectorRegistry(), Work()
    queue = WorkQueue(work, WorkQueueMetrics(registry), debounce=0.001)
    registry.register(WorkQueueGauges(queue.waiting, queue.running))
    names = {"name": "agentruntime", "controller": "agentruntime"}

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"workqueue_{name}", names)

    work.gate = asyncio.Event()
    work.outcomes = [Requeue.with_backoff()]
    task = asyncio.create_task(queue.run(1))
    first, second = (ObjectReference(AGENT_RUNTIME, ("default", name)) for name in "ab")
    try:
        queue.add(first)
        await work.until(lambda: first in work.doing)
        queue.add(second)
        await eventually(lambda: value("depth") == 1.0)
        for name in ("longest_running_processor_seconds", "unfinished_work_seconds"):
            assert (value(name) or 0.0) > 0.0
        work.gate.set()
        await work.until(lambda: work.done == [first, second])
        await eventually(lambda: value("work_duration_seconds_count") == 2.0)
    finally:
        queue.clear()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert value("adds_total") == 2.0
    assert value("retries_total") == 1.0
    assert value("queue_duration_seconds_count") == 2.0
    assert value("depth") == 0.0
    assert value("longest_running_processor_seconds") == 0.0


async def test_requests_to_the_api_server_are_counted_by_their_answer() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/gone"):
            raise httpx2.ConnectError("no route", request=request)
        if request.url.path.endswith("/none"):
            return httpx2.Response(404, json={"kind": "Status", "message": "no", "code": 404})
        return httpx2.Response(200, json={"metadata": {"name": "there"}})

    registry = CollectorRegistry()
    transport = httpx2.MockTransport(answer)
    client = ClusterClient(
        AsyncClient(SERVER_CONFIG, transport=transport), RequestMetrics(registry)
    )
    for name in ("there", "none"):
        await client.get(SERVICE, ("default", name))
    with pytest.raises(ClusterError):
        await client.get(SERVICE, ("default", "gone"))

    for code in ("200", "404", "<error>"):
        labels = {"code": code, "method": "GET", "host": "server"}
        assert registry.get_sample_value("rest_client_requests_total", labels) == 1.0
    labels = {"verb": "GET", "host": "server"}
    assert registry.get_sample_value("rest_client_request_duration_seconds_count", labels) == 2.0


def test_every_program_tells_its_version_and_its_process_and_no_series_twice() -> None:
    registry = program_registry("operator")
    ReconcileMetrics(registry).corrected(SERVICE)
    WorkQueueMetrics(registry).added(CUSTOM[0])

    samples = [sample for family in registry.collect() for sample in family.samples]
    (build,) = [each for each in samples if each.name == "omnia_build_info"]
    assert (build.labels["component"], build.value) == ("operator", 1.0)
    assert build.labels["version"]
    names = {each.name for each in samples}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "python_info"} <= names
    assert not [name for name in names if name.endswith("_created")]
