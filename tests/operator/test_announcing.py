"""What the operator's log and its Events say, and when."""

import logging

import pytest
from kopf._cogs.structs.references import Selector
from structlog.testing import capture_logs

from omnia_operator.cluster.kinds import AGENT_RUNTIME, PROVIDER
from omnia_operator.handlers import _WithoutOptionalKinds, _WithoutRetries
from omnia_operator.scheduling import Requeue
from tests.operator import objects
from tests.operator.cluster import FakeCluster, everything, settled

AT = "2026-01-01T00:00:0{}Z"
REGISTRY = {"toolRegistryRef": {"name": "tools"}}


async def test_each_transition_of_an_agent_is_one_line_of_the_log() -> None:
    with capture_logs() as lines:
        cluster = await settled(*everything())
        await cluster.settle()
        cluster.remove(PROVIDER, "model")
        await cluster.settle()
        await cluster.settle()
    found = [each for each in lines if each.get("kind") == "AgentRuntime"]

    assert [(each["phase"], each["reason"]) for each in found] == [
        ("Pending", "RuntimeNotReady"),
        ("Running", "RuntimeReady"),
        ("Pending", "RuntimeNotReady"),
    ]
    assert {each["object"] for each in found} == {"default/helper"}
    assert {each["log_level"] for each in found} == {"info"}
    assert "there is no Provider" in found[-1]["message"]


async def test_what_follows_a_new_agent_within_a_second_is_no_warning() -> None:
    cluster = FakeCluster(*everything(REGISTRY, creationTimestamp=AT.format(0)))

    assert await cluster.reconcile(AGENT_RUNTIME, now=AT.format(1)) == Requeue.after(0.25)
    assert cluster.writes == []

    cluster.put(objects.registry(objects.handler()))
    await cluster.settle(now=AT.format(1))
    assert "ToolRegistryNotFound" not in {reason for _, reason in cluster.events}
    assert cluster.conditions()["ToolRegistryReady"] == "True: ToolRegistryFound"


@pytest.mark.parametrize("change", [REGISTRY, {"promptPackRef": {"name": "none"}}])
@pytest.mark.parametrize("created", [3, 7], ids=["before", "by a clock that is ahead"])
async def test_what_is_missing_after_a_second_is_a_warning(
    change: dict[str, object], created: int
) -> None:
    cluster = FakeCluster(*everything(change, creationTimestamp=AT.format(created)))

    await cluster.reconcile(AGENT_RUNTIME, now=AT.format(5))

    (reason,) = [reason for _, reason in cluster.events]
    assert reason.endswith("NotFound")


async def test_a_fault_of_a_new_agent_is_told_at_once() -> None:
    change = {**REGISTRY, "facade": {"type": "none"}}
    cluster = FakeCluster(*everything(change, creationTimestamp=AT.format(0)))

    await cluster.reconcile(AGENT_RUNTIME, now=AT.format(0))

    assert ("helper", "InvalidSpec") in cluster.events


# As kopf writes the kinds that a handler is registered for.
SCALED = Selector("keda.sh", "v1alpha1", "scaledobjects")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"{SCALED}", False),
        (f"{SCALED}, {Selector('omnia.altairalabs.ai', 'v1alpha1', 'providers')}", True),
        ("something else", True),
    ],
)
def test_kinds_that_a_cluster_may_lack_are_no_warning_of_the_watches(
    message: str, *, shown: bool
) -> None:
    text = f"Unresolved resources cannot be served (try creating their CRDs): {message}"
    record = logging.LogRecord("kopf", logging.WARNING, "", 0, "%s", (text,), None)

    assert _WithoutOptionalKinds().filter(record) is shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Request attempt #1/9 failed; will retry: GET http://a/api -> TimeoutError()", False),
        ("Request attempt #9/9 failed; escalating: GET http://a/api -> TimeoutError()", True),
        ("Request attempt #1/9 failed; SSL closed; will re-authenticate: GET http://a", True),
        ("something else", True),
    ],
)
def test_an_attempt_of_the_watches_that_is_repeated_is_not_logged(
    message: str, *, shown: bool
) -> None:
    record = logging.LogRecord("kopf", logging.ERROR, "", 0, message, (), None)

    assert _WithoutRetries().filter(record) is shown
