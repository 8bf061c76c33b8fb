"""What the status of an AgentRuntime says."""

from dataclasses import replace
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentPhase, AgentRuntimeStatus
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.api.sessionretentionpolicy import (
    RetentionBounds,
)
from omnia_operator.resolve import Found, Problem, Resolved
from omnia_operator.status import (
    AgentFacts,
    DeploymentState,
    PodState,
    agent_status,
    overriding,
)
from tests.operator import objects, world
from tests.operator.statuses import LATER, NOW, problem, told

RUNNING = DeploymentState(desired=2, ready=2, available=2, updated=2, total=2, current=True)
PARTLY = DeploymentState(desired=3, ready=2, available=2, updated=1, total=3, current=True)


def status_of(
    change: JsonObject | None = None,
    *problems: Problem,
    previous: AgentRuntimeStatus | None = None,
    **more: object,
) -> AgentRuntimeStatus:
    facts = AgentFacts(
        3,
        world.agent(objects.agent(change)),
        problems=problems,
        workload=RUNNING,
        has_service=True,
    )
    return agent_status(replace(facts, **more), previous or AgentRuntimeStatus(), NOW)  # type: ignore[arg-type]


def resolved(
    change: JsonObject | None = None, *documents: JsonObject, found: Found | None = None
) -> Resolved:
    there = found or world.found(objects.pack(), objects.provider(), *documents)
    return world.resolved(objects.agent(change), there)


def test_the_status_of_an_agent_that_runs_is_complete() -> None:
    rollout = RolloutStatus()
    before = AgentRuntimeStatus(rollout=RolloutStatus(active=True))
    status = status_of(resolved=resolved(), previous=before, rollout=rollout)
    assert status.replicas is not None
    numbers = (status.replicas.desired, status.replicas.ready, status.replicas.available)
    assert (numbers, status.phase, status.rollout) == ((2, 2, 2), AgentPhase.RUNNING, rollout)
    assert (status.observed_generation, status.active_version) == (3, "1.0.0")
    assert status.service_endpoint == "helper.default.svc.cluster.local:8080"
    conditions = told(status.conditions)
    del conditions["ExternalAuth"]
    assert conditions == {
        "Ready": ("True", "RuntimeReady", ""),
        "DeploymentReady": ("True", "DeploymentCreated", ""),
        "ServiceReady": ("True", "ServiceCreated", ""),
        "PromptPackReady": ("True", "PromptPackFound", ""),
        "ProviderReady": ("True", "ProviderFound", ""),
        "RolloutActive": ("False", "NoActiveRollout", ""),
    }
    assert {each.observed_generation for each in status.conditions} == {3}


def test_an_agent_that_has_nothing_yet_says_what_it_waits_for() -> None:
    status = status_of(workload=None, has_service=False)
    assert (status.replicas, status.active_version, status.service_endpoint) == (None, None, None)
    conditions = told(status.conditions)
    deployment = "the Deployment is created when everything that the agent refers to exists"
    service = "the Service does not exist yet"
    assert conditions["DeploymentReady"] == ("False", "DeploymentPending", deployment)
    assert conditions["ServiceReady"] == ("False", "ServicePending", service)
    message = f"DeploymentReady: {deployment}. ServiceReady: {service}."
    assert conditions["Ready"] == ("False", "RuntimeNotReady", message)


def test_an_invalid_spec_leaves_the_conditions_of_the_last_valid_one() -> None:
    valid = status_of(resolved=resolved())
    invalid = AgentFacts(4, None, problems=(problem("Ready", "InvalidSpec", "port: no number"),))
    status = agent_status(invalid, valid, LATER)
    assert (status.phase, status.observed_generation) == (AgentPhase.FAILED, 4)
    assert status.service_endpoint == valid.service_endpoint is not None
    assert status.active_version == "1.0.0"
    before, after = told(valid.conditions), told(status.conditions)
    assert after.pop("Ready") == ("False", "InvalidSpec", "port: no number")
    del before["Ready"]
    assert after == before
    times = {each.type: each.last_transition_time for each in status.conditions}
    assert times.pop("Ready") == LATER
    assert set(times.values()) == {NOW}


@pytest.mark.parametrize("condition", ["PromptPackReady", "ProviderReady", "ServiceReady"])
def test_the_first_problem_of_a_condition_is_its_message(condition: str) -> None:
    status = status_of(None, problem(condition, "First", "a"), problem(condition, "Second", "b"))
    conditions = told(status.conditions)
    assert conditions[condition] == ("False", "First", "a")
    assert conditions["Ready"] == ("False", "RuntimeNotReady", f"{condition}: a.")
    assert status.phase is AgentPhase.PENDING


def test_a_condition_without_a_message_is_named_by_its_reason() -> None:
    status = status_of(None, problem("ProviderReady", "ProviderNotFound", ""))
    assert told(status.conditions)["Ready"][2] == "ProviderReady: ProviderNotFound."


@pytest.mark.parametrize(
    ("change", "condition", "reason"),
    [
        ({"toolRegistryRef": {"name": "tools"}}, "ToolRegistryReady", "ToolRegistryFound"),
        ({}, "ToolRegistryReady", None),
        (
            {"session": {"type": "redis", "storeRef": {"name": "redis"}}},
            "SessionStoreReady",
            "SecretFound",
        ),
        ({"session": {"type": "memory"}}, "SessionStoreReady", None),
        (
            {"session": {"type": "sqlite"}, "facade": {"handler": "echo"}},
            "SessionStoreReady",
            "NotNeeded",
        ),
        ({"facade": {"handler": "echo"}}, "ProviderReady", "NotNeeded"),
        ({"facade": {"handler": "echo"}}, "PromptPackReady", "NotNeeded"),
        ({"runtime": {"autoscaling": {"enabled": False}}}, "AutoscalingReady", None),
        ({"runtime": {"autoscaling": {"enabled": True}}}, "AutoscalingReady", "Scaling"),
    ],
)
def test_a_status_has_the_conditions_that_the_spec_asks_for(
    change: JsonObject, condition: str, reason: str | None
) -> None:
    found = told(status_of(change).conditions).get(condition)
    assert found is None if reason is None else found == ("True", reason, "")


@pytest.mark.parametrize(("fewest", "warned"), [(0, True), (1, False)])
def test_scaling_to_zero_says_what_happens_to_the_first_request(fewest: int, warned: bool) -> None:
    scaling = {"enabled": True, "type": "keda", "minReplicas": fewest}
    message = told(status_of({"runtime": {"autoscaling": scaling}}).conditions)["AutoscalingReady"]
    zero = "at zero replicas the first request fails: nothing queues it until a pod is ready"
    assert message == ("True", "Scaling", zero if warned else "")


@pytest.mark.parametrize(
    "condition", ["AutoscalingReady", "ExternalAuth", "OIDCJWKSReady", "MediaReady"]
)
def test_what_does_not_keep_pods_from_running_leaves_an_agent_ready(condition: str) -> None:
    change = {
        "runtime": {"autoscaling": {"enabled": True, "maxReplicas": 3}},
        "externalAuth": {"oidc": {"issuer": "https://i.example", "audience": "a"}},
        "facade": {"media": {"enabled": True, "publicURL": "https://a.example"}},
    }
    status = status_of(change, problem(condition), resolved=resolved(change))
    assert told(status.conditions)[condition][0] == "False"
    assert status.phase is AgentPhase.RUNNING


@pytest.mark.parametrize(
    ("workload", "pods", "expected"),
    [
        (
            PARTLY,
            (),
            "2 of 3 pods are available, 1 are up to date, 2 of an earlier version serve until then",
        ),
        (
            replace(PARTLY, updated=3),
            (PodState("p", "Unschedulable", "no node fits", stuck=False),),
            "2 of 3 pods are available, 3 are up to date; pod p: no node fits",
        ),
        (
            # The numbers of the generation before would say that all pods are up to date.
            replace(PARTLY, current=False, available=3, updated=3),
            (),
            (
                "the Deployment has changed, and Kubernetes has not counted its pods since;"
                " 3 were available before"
            ),
        ),
    ],
)
def test_a_rollout_says_how_far_it_is(
    workload: DeploymentState, pods: tuple[PodState, ...], expected: str
) -> None:
    conditions = told(status_of(workload=workload, pods=pods).conditions)
    assert conditions["DeploymentReady"] == ("False", "DeploymentProgressing", expected)


STUCK = PodState("q", "ImagePullBackOff", "no such image", stuck=True)
WAITING = PodState("p", "Unschedulable", "no node fits", stuck=False)


@pytest.mark.parametrize(
    ("problems", "workload", "expected"),
    [
        ((problem("DeploymentReady", "Forbidden", "no"),), RUNNING, ("Forbidden", "no")),
        (
            (problem("ProviderReady"),),
            replace(PARTLY, failure="exceeded quota"),
            ("DeploymentFailed", "exceeded quota"),
        ),
        ((), PARTLY, ("ImagePullBackOff", "no such image")),
    ],
)
def test_a_failure_is_the_reason_of_its_agent(
    problems: tuple[Problem, ...], workload: DeploymentState, expected: tuple[str, str]
) -> None:
    status = status_of(None, *problems, workload=workload, pods=(WAITING, STUCK))
    conditions = told(status.conditions)
    assert conditions["DeploymentReady"] == ("False", *expected)
    assert conditions["Ready"][1] == expected[0]
    assert f"DeploymentReady: {expected[1]}." in conditions["Ready"][2]
    assert status.phase is AgentPhase.FAILED


def test_pods_of_a_complete_deployment_are_no_failure() -> None:
    status = status_of(workload=replace(RUNNING, failure="exceeded quota"), pods=(STUCK,))
    assert status.phase is AgentPhase.RUNNING


def test_an_inline_prompt_has_no_version() -> None:
    change: JsonObject = {"promptPackRef": None, "prompt": {"system": "Be kind."}}
    status = status_of(change, resolved=resolved(change))
    assert status.active_version is None


def test_the_version_stays_while_something_else_is_missing() -> None:
    status = status_of(previous=AgentRuntimeStatus(active_version="0.9.0"))
    assert status.active_version == "0.9.0"


def test_versions_that_do_not_fit_are_named() -> None:
    found = resolved()
    assert found.pack is not None
    cramped = replace(found, pack=replace(found.pack, left_out=("2.0.0", "1.0.0")))
    message = told(status_of(resolved=cramped).conditions)["PromptPackReady"]
    assert message == (
        "True",
        "PromptPackFound",
        (
            "version 2.0.0, 1.0.0 does not fit into the ConfigMap beside the newer ones (1 MiB for"
            " all): its sessions continue with another version; delete PromptPacks of"
            " versions that are"
            " no longer used"
        ),
    )


# Conditions of an AgentRuntime that do not affect its pods

OPEN = (
    "the agent accepts requests without credentials, which is for development only: remove"
    " agents.allowUnauthenticated from the chart's values, or"
    " OMNIA_FACADE_ALLOW_UNAUTHENTICATED from facade.extraEnv or the Deployment"
)
OIDC: JsonObject = {"oidc": {"issuer": "https://i.example", "audience": "a"}}
KEYS: JsonObject = {"clientKeys": {}}
EDGE: JsonObject = {"edgeTrust": {}}
NO_MANAGEMENT = {"management": {"enabled": False}}


@pytest.mark.parametrize(
    ("auth", "more", "problems", "expected"),
    [
        ({}, {"open_to_all": True}, (), ("False", "Unauthenticated", OPEN)),
        (OIDC, {}, (problem("ExternalAuth"),), ("False", "Broken", "it is broken")),
        (OIDC, {}, (), ("True", "DataPlaneConfigured", "accepted: management, oidc")),
        (
            EDGE | OIDC | KEYS,
            {},
            (),
            (
                "True",
                "DataPlaneConfigured",
                "accepted: management, clientKeys, oidc, edgeTrust",
            ),
        ),
        (OIDC | NO_MANAGEMENT, {}, (), ("True", "DataPlaneConfigured", "accepted: oidc")),
        (
            {},
            {},
            (),
            (
                "True",
                "DashboardOnly",
                "accepted: ServiceAccount tokens for omnia://default/helper",
            ),
        ),
        (
            NO_MANAGEMENT,
            {},
            (),
            (
                "False",
                "Unreachable",
                (
                    "the agent accepts no credentials: enable management, clientKeys, oidc"
                    " or edgeTrust"
                    " in spec.externalAuth"
                ),
            ),
        ),
    ],
)
def test_an_agent_says_whose_credentials_it_accepts(
    auth: JsonObject,
    more: dict[str, Any],
    problems: tuple[Problem, ...],
    expected: tuple[str, str, str],
) -> None:
    change: JsonObject = {"externalAuth": auth}
    status = status_of(change, *problems, resolved=resolved(change), **more)
    assert told(status.conditions)["ExternalAuth"] == expected


@pytest.mark.parametrize(
    ("workload", "reason"),
    [(PARTLY, "Unauthenticated"), (RUNNING, "DashboardOnly"), (None, "DashboardOnly")],
)
def test_pods_that_were_open_to_all_are_told_until_they_are_gone(
    workload: DeploymentState | None, reason: str
) -> None:
    before = status_of(resolved=resolved(), open_to_all=True)
    after = status_of(resolved=resolved(), previous=before, workload=workload)
    assert told(after.conditions)["ExternalAuth"][1] == reason
    closed = status_of(resolved=resolved(), previous=after, workload=RUNNING)
    assert told(closed.conditions)["ExternalAuth"][1] == "DashboardOnly"


def test_an_agent_that_was_never_open_is_not_said_to_be_so_during_a_rollout() -> None:
    before = status_of(resolved=resolved())
    after = status_of(resolved=resolved(), previous=before, workload=PARTLY)
    assert told(after.conditions)["ExternalAuth"][1] == "DashboardOnly"


def test_the_keys_of_an_openid_provider_have_a_condition() -> None:
    change: JsonObject = {"externalAuth": OIDC}
    good = told(status_of(change, resolved=resolved(change)).conditions)
    bad = told(status_of(change, problem("OIDCJWKSReady"), resolved=resolved(change)).conditions)
    assert good["OIDCJWKSReady"] == ("True", "JWKSFetched", "")
    assert bad["OIDCJWKSReady"] == ("False", "Broken", "it is broken")
    assert "OIDCJWKSReady" not in told(status_of(resolved=resolved()).conditions)


MEDIA = {"enabled": True, "publicURL": "https://a.example"}
CLAIM = {"persistentVolumeClaim": {"claimName": "files"}}


@pytest.mark.parametrize(
    ("media", "runtime", "message"),
    [
        (MEDIA, {}, "uploads are deleted with the pod, because facade.media.persistentVolumeClaim"),
        (MEDIA, {"replicas": 2}, "each pod keeps its own uploads, and other pods cannot read them"),
        (MEDIA, {"autoscaling": {"enabled": True, "maxReplicas": 2}}, "each pod keeps its own"),
        (MEDIA, {"autoscaling": {"enabled": False, "maxReplicas": 2}}, "uploads are deleted"),
        (MEDIA | CLAIM, {"replicas": 2}, ""),
    ],
)
def test_uploads_say_how_long_they_are_kept(
    media: JsonObject, runtime: JsonObject, message: str
) -> None:
    status = status_of({"facade": {"media": media}, "runtime": runtime})
    found = told(status.conditions)["MediaReady"][2]
    assert found.startswith(message)
    assert bool(found) is bool(message)


def test_sessions_in_a_file_say_what_a_change_costs() -> None:
    status = status_of({"session": {"type": "sqlite"} | CLAIM})
    state, reason, message = told(status.conditions)["SessionStoreReady"]
    assert (state, reason) == ("True", "PersistentVolumeClaim")
    assert message.startswith("one pod writes the file: a change ends it before the next one")
    assert "the history of the chart does not read the file" in message


@pytest.mark.parametrize(
    ("policy", "change", "expected"),
    [
        (
            {"ttlAfterInactive": "1h"},
            {},
            ("True", "Enforced", "sessions end 1h after their last use, instead of 24h"),
        ),
        (
            {"ttlAfterInactive": "24h", "maxMessagesPerSession": 40},
            {},
            (
                "True",
                "Enforced",
                "sessions end 24h after their last use; 40 messages of each are kept",
            ),
        ),
        (
            {"retentionDays": 3},
            {"session": {"type": "postgres", "storeRef": {"name": "pg"}}},
            (
                "True",
                "Enforced",
                (
                    "sessions end 1h after their last use, instead of 24h; their data is"
                    " deleted 3 days"
                    " after it"
                ),
            ),
        ),
        (
            {"retentionDays": 3, "dryRun": True},
            {},
            (
                "True",
                "DryRun",
                (
                    "sessions end 1h after their last use, instead of 24h; retentionDays"
                    " has no effect:"
                    " memory keeps no data of ended sessions"
                ),
            ),
        ),
        (
            {},
            {
                "facade": {"extraEnv": [{"name": "OMNIA_SESSION_TTL", "value": "9h"}]},
                "runtime": {"extraEnv": [{"name": "OMNIA_RETENTION_DAYS", "value": "9"}]},
            },
            (
                "False",
                "Overridden",
                (
                    "OMNIA_SESSION_TTL of spec.facade.extraEnv, OMNIA_RETENTION_DAYS of"
                    " spec.runtime.extraEnv"
                ),
            ),
        ),
    ],
)
def test_an_agent_says_what_its_retention_policy_does(
    policy: JsonObject, change: JsonObject, expected: tuple[str, str, str]
) -> None:
    secrets = {("default", "pg"): ["url"]}
    there = world.found(objects.pack(), objects.provider(), objects.policy(policy), secrets=secrets)
    status = status_of(change, resolved=resolved(change, found=there))
    name = 'SessionRetentionPolicy "retention"'
    text = {
        "Enforced": f"{name}: {expected[2]}",
        "DryRun": f"{name} is a dry run, nothing changes: {expected[2]}",
        "Overridden": f"{name} is overridden by {expected[2]}: remove it to apply the policy",
    }[expected[1]]
    assert told(status.conditions)["SessionRetention"] == (*expected[:2], text)


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        ({"ttl_after_inactive": "1h"}, [("facade", 1), ("runtime", 0)]),
        ({"retention_days": 3}, [("facade", 1), ("runtime", 0)]),
        ({"max_messages_per_session": 3}, []),
    ],
)
def test_only_a_bound_of_time_is_overridden_by_the_time_of_an_agent(
    bounds: JsonObject, found: list[tuple[str, int]]
) -> None:
    ttl = {"name": "OMNIA_SESSION_TTL", "value": "9h"}
    other = {"name": "OTHER", "value": "x"}
    agent = world.agent(
        objects.agent({"facade": {"extraEnv": [other, ttl]}, "runtime": {"extraEnv": [ttl]}})
    )
    assert [*overriding(agent.spec, RetentionBounds.model_validate(bounds))] == [
        (container, index, "OMNIA_SESSION_TTL") for container, index in found
    ]
