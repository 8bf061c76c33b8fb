"""What is found of a Deployment and its pods, told in a status."""

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentPhase, AgentRuntimeStatus
from omnia_operator.api.meta import Condition, ConditionStatus
from omnia_operator.resolve import Problem
from omnia_operator.status import AgentFacts, DeploymentState, PodState, agent_status, announcements
from omnia_operator.status.conditions import dated, false, true
from tests.operator import objects, world
from tests.operator.cluster import pod

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-02-02T00:00:00Z"
RUNNING = DeploymentState(desired=2, ready=2, available=2, updated=2, total=2, current=True)
STARTING = DeploymentState(desired=2, ready=0, available=0, updated=2, total=2, current=True)


def facts(
    workload: DeploymentState | None = RUNNING,
    *problems: Problem,
    pods: tuple[PodState, ...] = (),
    has_service: bool = True,
) -> AgentFacts:
    agent = world.agent(objects.agent())
    return AgentFacts(
        3, agent, problems=problems, workload=workload, pods=pods, has_service=has_service
    )


CRASH = PodState("p", "CrashLoopBackOff", "container runtime of pod p ended", stuck=True)
UNSCHEDULED = PodState("p", "Unschedulable", "no node fits", stuck=False)
MISSING = Problem("ProviderReady", "ProviderNotFound", "there is none", retry=True)


@pytest.mark.parametrize(
    ("found", "phase", "ready", "deployment"),
    [
        (facts(), "Running", "RuntimeReady", "DeploymentCreated"),
        (facts(None), "Pending", "RuntimeNotReady", "DeploymentPending"),
        (facts(STARTING), "Pending", "RuntimeNotReady", "DeploymentProgressing"),
        (facts(STARTING, pods=(CRASH,)), "Failed", "CrashLoopBackOff", "CrashLoopBackOff"),
        (
            facts(STARTING, pods=(UNSCHEDULED,)),
            "Pending",
            "RuntimeNotReady",
            "DeploymentProgressing",
        ),
        (
            facts(DeploymentState(desired=1, current=True, failure="exceeded quota")),
            "Failed",
            "DeploymentFailed",
            "DeploymentFailed",
        ),
        (
            facts(DeploymentState(desired=1, ready=1, available=1, updated=0, current=True)),
            "Pending",
            "RuntimeNotReady",
            "DeploymentProgressing",
        ),
        (
            facts(DeploymentState(desired=1, ready=1, available=1, updated=1, current=False)),
            "Pending",
            "RuntimeNotReady",
            "DeploymentProgressing",
        ),
        (
            # One old pod serves while the new one cannot start: the first step of a rollout.
            facts(DeploymentState(1, 1, 1, updated=1, total=2, current=True)),
            "Pending",
            "RuntimeNotReady",
            "DeploymentProgressing",
        ),
        (
            facts(DeploymentState(1, 1, 1, updated=1, total=2, current=True), pods=(CRASH,)),
            "Failed",
            "CrashLoopBackOff",
            "CrashLoopBackOff",
        ),
        (
            facts(DeploymentState(3, 3, 3, updated=3, total=4, current=True)),
            "Pending",
            "RuntimeNotReady",
            "DeploymentProgressing",
        ),
        (
            # Scaled down: a pod that is too many is of this version.
            facts(DeploymentState(1, 2, 2, updated=2, total=2, current=True)),
            "Running",
            "RuntimeReady",
            "DeploymentCreated",
        ),
        (facts(DeploymentState(current=True)), "Running", "RuntimeReady", "DeploymentCreated"),
        (facts(RUNNING, MISSING), "Pending", "RuntimeNotReady", "DeploymentCreated"),
        (facts(RUNNING, has_service=False), "Pending", "RuntimeNotReady", "DeploymentCreated"),
    ],
)
def test_a_status_says_where_the_agent_is(
    found: AgentFacts, phase: str, ready: str, deployment: str
) -> None:
    status = agent_status(found, AgentRuntimeStatus(), NOW)

    reasons = {each.type: each.reason for each in status.conditions}
    assert (status.phase, status.observed_generation) == (AgentPhase(phase), 3)
    assert (reasons["Ready"], reasons["DeploymentReady"]) == (ready, deployment)


MEDIA = {"enabled": True, "publicURL": "https://a.example"}
CLAIM = {"persistentVolumeClaim": {"claimName": "files"}}
SEVERAL = {"replicas": 2}
SCALED = {"autoscaling": {"enabled": True, "maxReplicas": 3}}


@pytest.mark.parametrize(
    ("media", "runtime", "expected"),
    [
        (MEDIA, {}, ("True", "SinglePod")),
        (MEDIA, SEVERAL, ("False", "NotShared")),
        (MEDIA, SCALED, ("False", "NotShared")),
        (MEDIA | CLAIM, SEVERAL, ("True", "PersistentVolumeClaim")),
        (MEDIA | {"enabled": False}, SEVERAL, None),
    ],
)
def test_several_pods_without_one_volume_for_uploads_are_warned_of(
    media: JsonObject, runtime: JsonObject, expected: tuple[str, str] | None
) -> None:
    agent = world.agent(objects.agent({"facade": {"media": media}, "runtime": runtime}))
    found = AgentFacts(3, agent, workload=RUNNING, has_service=True)
    conditions = agent_status(found, AgentRuntimeStatus(), NOW).conditions
    told = {each.type: (each.status.value, each.reason) for each in conditions}
    assert told.get("MediaReady") == expected
    # the agent serves all the same
    assert told["Ready"] == ("True", "RuntimeReady")


def test_a_transition_keeps_its_time_until_the_status_changes() -> None:
    first = agent_status(facts(STARTING), AgentRuntimeStatus(), NOW)
    second = agent_status(facts(STARTING, pods=(CRASH,)), first, LATER)
    third = agent_status(facts(), second, LATER)

    times = [each.conditions[0].last_transition_time for each in (first, second, third)]
    assert times == [NOW, NOW, LATER]


def test_the_same_facts_give_the_same_status() -> None:
    first = agent_status(facts(), AgentRuntimeStatus(), NOW)

    assert agent_status(facts(), first, LATER) == first


@pytest.mark.parametrize(
    ("container", "reason", "words"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
            "ImagePullBackOff",
            "container runtime of pod p: no such image",
        ),
        (
            {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}},
            "ImagePullBackOff",
            "no such image",
        ),
        (
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no key"}}},
            "CreateContainerConfigError",
            "no key",
        ),
        (
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 2, "message": "a\nbad pack\n\n"}},
            },
            "CrashLoopBackOff",
            "ended with exit code 2; its last line was: bad pack",
        ),
        (
            {
                "state": {"running": {}},
                "restartCount": 3,
                "lastState": {"terminated": {"exitCode": 1}},
            },
            "CrashLoopBackOff",
            "ended with exit code 1",
        ),
        (
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            },
            "CrashLoopBackOff",
            "raise resources.limits",
        ),
    ],
)
def test_a_pod_that_cannot_start_says_why(container: JsonObject, reason: str, words: str) -> None:
    state = PodState.of(pod("p", container))

    assert state is not None
    assert (state.reason, state.stuck) == (reason, True)
    assert words in state.message


@pytest.mark.parametrize(
    "container",
    [
        None,
        {"state": {"waiting": {"reason": "ContainerCreating"}}},
        {"state": {"running": {}}, "ready": True},
        {
            "state": {"running": {}},
            "restartCount": 1,
            "lastState": {"terminated": {"exitCode": 1}},
        },
        {
            "state": {"running": {}},
            "ready": True,
            "restartCount": 9,
            "lastState": {"terminated": {"exitCode": 1}},
        },
    ],
)
def test_a_pod_that_starts_or_runs_is_no_news(container: JsonObject | None) -> None:
    assert PodState.of(pod("p", container)) is None


def test_a_pod_on_its_way_out_is_no_news() -> None:
    document = pod("p", {"state": {"waiting": {"reason": "CrashLoopBackOff"}}})
    document["metadata"]["deletionTimestamp"] = NOW

    assert PodState.of(document) is None


def test_a_pod_without_a_node_says_why() -> None:
    document = pod("p")
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
    document["status"]["conditions"] = [condition]

    assert PodState.of(document) == PodState("p", "Unschedulable", "0/1 nodes", stuck=False)


def test_a_deployment_that_may_not_have_pods_says_why() -> None:
    conditions = [{"type": "ReplicaFailure", "status": "True", "message": "forbidden"}]
    deployment = {"metadata": {"generation": 1}, "status": {"conditions": conditions}}

    assert DeploymentState.of(deployment).failure == "forbidden"


def condition(kind: str, reason: str, *, holds: bool) -> Condition:
    verdict = true(kind, reason) if holds else false(kind, reason, "why")
    return dated([verdict], (), 1, NOW)[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], [condition("Ready", "RuntimeReady", holds=True)], [("RuntimeReady", False)]),
        ([], [condition("Ready", "RuntimeNotReady", holds=False)], []),
        ([], [condition("Ready", "ImagePullBackOff", holds=False)], [("ImagePullBackOff", True)]),
        ([], [condition("ProviderReady", "ProviderFound", holds=True)], []),
        (
            [],
            [condition("ProviderReady", "SecretNotFound", holds=False)],
            [("SecretNotFound", True)],
        ),
        (
            [condition("Ready", "RuntimeReady", holds=True)],
            [condition("Ready", "RuntimeReady", holds=True)],
            [],
        ),
        (
            [condition("Ready", "ImagePullBackOff", holds=False)],
            [condition("Ready", "CrashLoopBackOff", holds=False)],
            [("CrashLoopBackOff", True)],
        ),
    ],
)
def test_a_person_is_told_what_has_changed(
    before: list[Condition], after: list[Condition], said: list[tuple[str, bool]]
) -> None:
    told = announcements(before, after, good="Ready", bad=["ProviderReady"])

    assert [(each.reason, each.warning) for each in told] == said


def test_a_message_is_cut_to_what_the_api_server_takes() -> None:
    (made,) = dated([false("Ready", "Long", "x" * 100_000)], (), 1, NOW)

    assert made.status is ConditionStatus.FALSE
    assert len(made.message) == 4096
