"""How a Deployment, its pods and the conditions about them are read."""

from dataclasses import replace

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.meta import Condition, ConditionStatus
from omnia_operator.status import (
    Announcement,
    DeploymentState,
    PodState,
    announcements,
)
from omnia_operator.status.conditions import dated, false, true, unknown
from tests.operator.cluster import pod
from tests.operator.statuses import LATER, NOW

RUNNING = DeploymentState(desired=2, ready=2, available=2, updated=2, total=2, current=True)
PARTLY = DeploymentState(desired=3, ready=2, available=2, updated=1, total=3, current=True)


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        ({"metadata": {}}, DeploymentState(desired=1, current=True)),
        ({"metadata": {"generation": 1}}, DeploymentState(desired=1)),
        (
            {
                "metadata": {"generation": 2},
                "spec": {"replicas": 0},
                "status": {"observedGeneration": 2},
            },
            DeploymentState(current=True),
        ),
        (
            {
                "metadata": {"generation": 2},
                "spec": {"replicas": 9},
                "status": {
                    "observedGeneration": 3,
                    "replicas": 5,
                    "readyReplicas": 2,
                    "availableReplicas": 3,
                    "updatedReplicas": 4,
                },
            },
            DeploymentState(9, 2, 3, 4, 5, current=True),
        ),
    ],
)
def test_a_deployment_is_read_as_its_numbers(
    deployment: JsonObject, expected: DeploymentState
) -> None:
    assert DeploymentState.of(deployment) == expected


@pytest.mark.parametrize(
    ("condition", "failure"),
    [
        ({"status": "True", "message": "forbidden", "reason": "R"}, "forbidden"),
        ({"status": "True", "reason": "FailedCreate"}, "FailedCreate"),
        ({"status": "True"}, ""),
        ({"status": "False", "message": "forbidden"}, None),
        ({"type": "Progressing", "status": "True", "message": "fine"}, None),
    ],
)
def test_pods_that_cannot_be_created_are_a_failure(
    condition: JsonObject, failure: str | None
) -> None:
    conditions = [{"type": "Available", "status": "True"}, {"type": "ReplicaFailure"} | condition]
    deployment = {"metadata": {}, "status": {"conditions": conditions}}
    assert DeploymentState.of(deployment).failure == failure


@pytest.mark.parametrize(
    ("state", "complete", "former"),
    [
        (RUNNING, True, 0),
        (replace(RUNNING, current=False), False, 0),
        (replace(RUNNING, available=1), False, 0),
        (replace(RUNNING, updated=1, total=1), False, 0),
        (replace(RUNNING, total=3), False, 1),
        (replace(RUNNING, total=1), True, 0),
    ],
)
def test_a_rollout_is_complete_without_pods_of_an_earlier_version(
    state: DeploymentState,
    complete: bool,
    former: int,
) -> None:
    assert (state.complete, state.former) == (complete, former)


ENDED = {"terminated": {"exitCode": 3}}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (
            {"state": {"waiting": {"reason": "InvalidImageName"}}},
            ("InvalidImageName", "container runtime of pod p: InvalidImageName"),
        ),
        (
            {"state": {"waiting": {"reason": "ErrImagePull"}}},
            ("ImagePullBackOff", "container runtime of pod p: ImagePullBackOff"),
        ),
        ({"state": {"waiting": {"message": "no reason"}}}, None),
        (
            {"restartCount": 2, "lastState": ENDED},
            ("CrashLoopBackOff", "container runtime of pod p ended with exit code 3"),
        ),
        ({"restartCount": 1, "lastState": ENDED}, None),
        ({"restartCount": 2, "ready": True, "lastState": ENDED}, None),
        ({"restartCount": 2}, None),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ("CrashLoopBackOff", "container runtime of pod p ended with exit code unknown"),
        ),
        (
            {
                "restartCount": 2,
                "lastState": {"terminated": {"exitCode": 1, "message": " a \n  b  \n \n"}},
            },
            (
                "CrashLoopBackOff",
                "container runtime of pod p ended with exit code 1; its last line was: b",
            ),
        ),
        (
            {
                "restartCount": 2,
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            },
            (
                "CrashLoopBackOff",
                (
                    "container runtime of pod p was killed because it used more memory than"
                    " its limit:"
                    " raise resources.limits"
                ),
            ),
        ),
    ],
)
def test_a_container_that_cannot_run_says_why(
    container: JsonObject, expected: tuple[str, str] | None
) -> None:
    state = PodState.of(pod("p", container))
    assert state == (expected and PodState("p", *expected, stuck=True))


def test_the_second_container_of_a_pod_is_looked_at_too() -> None:
    document = pod("p", {"ready": True})
    waiting = {"name": "facade", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    document["status"]["containerStatuses"].append(waiting)
    state = PodState.of(document)
    assert state is not None
    assert state.message == "container facade of pod p: ErrImageNeverPull"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"},
            PodState("p", "SchedulingGated", "", stuck=False),
        ),
        ({"type": "PodScheduled", "status": "True", "message": "m"}, None),
        ({"type": "Ready", "status": "False", "message": "m"}, None),
    ],
)
def test_a_pod_without_a_node_waits(condition: JsonObject, expected: PodState | None) -> None:
    document = pod("p")
    document["status"]["conditions"] = [{"type": "Initialized", "status": "False"}, condition]
    assert PodState.of(document) == expected
    del document["status"]["containerStatuses"]
    assert PodState.of(document) == expected


# Conditions and Events


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    (first,) = dated([false("Ready", "A", "a")], (), 1, NOW)
    (second,) = dated([false("Ready", "B", "b")], [first], 2, LATER)
    (third,) = dated([unknown("Ready", "C", "c")], [second], 3, LATER)
    assert second == Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        reason="B",
        message="b",
        last_transition_time=NOW,
        observed_generation=2,
    )
    assert (third.status, third.last_transition_time) == (ConditionStatus.UNKNOWN, LATER)


def test_an_event_says_what_its_condition_says() -> None:
    updates = [
        true("Ready", "Runs"),
        true("Other", "Fine"),
        false("Bad", "Worse", "it is worse"),
        false("Worse", "Silent"),
        false("Ignored", "Nothing", "x"),
        unknown("Bad", "Unclear", "x"),
    ]
    found = announcements((), dated(updates, (), 1, NOW), good="Ready", bad=["Bad", "Worse"])
    assert found == [
        Announcement(False, "Runs", "Ready is True"),
        Announcement(True, "Worse", "it is worse"),
        Announcement(True, "Silent", "Worse is False"),
    ]
