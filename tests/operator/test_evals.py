"""Where an agent's conversations are evaluated, and what its status says about it."""

import json

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.cluster.kinds import DEPLOYMENT
from omnia_operator.plan import AgentPlan, Settings, hashed, plan
from omnia_operator.resolve import Found, Problem
from omnia_operator.rollout.candidate import as_candidate
from omnia_operator.status import EVALS_READY, AgentFacts, DeploymentState, PodState, agent_status
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster, config_map, everything, secret
from tests.operator.objects import encoded
from tests.operator.statuses import NOW, told

GREETS: JsonObject = {
    "id": "greets",
    "type": "contains",
    "trigger": "every_turn",
    "params": {"patterns": ["hi"]},
}
JUDGED: JsonObject = {
    "id": "kind",
    "type": "llm_judge",
    "trigger": "every_turn",
    "params": {"criteria": "Kind."},
}
WHOLE: JsonObject = {**GREETS, "id": "whole", "trigger": "on_session_complete"}
ON: JsonObject = {"evals": {"enabled": True}}
REDIS: JsonObject = {"session": {"type": "redis", "storeRef": {"name": "store"}}}
CUSTOM: JsonObject = {"framework": {"type": "custom", "image": "registry/mine:1"}}
JUDGE: JsonObject = {
    "providers": [
        {"name": "default", "providerRef": {"name": "model"}},
        {"name": "judge", "providerRef": {"name": "model"}},
    ]
}
RUNS = DeploymentState(desired=1, ready=1, available=1, updated=1, total=1, current=True)


def there(*evals: JsonObject) -> Found:
    return world.found(
        objects.pack(),
        objects.provider(),
        config_maps={"pack-json": declaring(*evals)},
        secrets={("default", "store"): ["url"]},
    )


def declaring(*evals: JsonObject) -> dict[str, str]:
    return {"pack.json": json.dumps({**world.PACK, "evals": list(evals)})}


def planned(change: JsonObject, *evals: JsonObject) -> AgentPlan:
    return plan(world.resolved(objects.agent(change), there(*evals)), Settings())


@pytest.mark.parametrize(
    ("change", "evals", "worker", "deployment"),
    [
        (REDIS | JUDGE, [JUDGED, WHOLE], False, False),
        (ON | REDIS | JUDGE, [], False, False),
        (ON | REDIS | JUDGE, [GREETS], False, False),
        (ON | REDIS | JUDGE, [GREETS, JUDGED], True, True),
        (ON | REDIS, [WHOLE], True, True),
        (ON | JUDGE, [JUDGED], True, False),
        (ON | REDIS | CUSTOM, [GREETS], True, True),
        (ON | CUSTOM, [GREETS], False, False),
    ],
    ids=["off", "nothing", "light", "judged", "whole", "memory", "custom", "custom-memory"],
)
def test_there_is_a_worker_only_where_one_is_needed(
    change: JsonObject, evals: list[JsonObject], worker: bool, deployment: bool
) -> None:
    made = planned(change, *evals)
    assert made.runtime
    assert made.runtime.env.evals_worker is worker
    assert (made.evals is not None) is deployment


def test_the_worker_is_the_runtime_with_its_files_and_keys_and_nothing_more() -> None:
    made = planned(ON | REDIS | JUDGE, JUDGED)
    assert made.evals
    assert made.runtime
    container = made.evals.container
    assert (made.evals.name, container.image) == ("helper-evals", made.runtime.image)
    assert container.env.session_url == made.runtime.env.session_url
    assert container.env.provider_api_keys == made.runtime.env.provider_api_keys
    assert [each.path for each in container.mounts] == ["/etc/omnia/pack", "/etc/omnia/providers"]
    assert made.evals.pods.strategy == {"type": "Recreate"}
    assert made.evals.pods.replicas == 1
    # No Service of the agent leads to it.
    assert not made.selector.items() <= made.evals.pod_labels.items()


def test_a_custom_runtime_is_evaluated_by_our_image() -> None:
    made = planned(ON | REDIS | CUSTOM, GREETS)
    assert made.evals
    assert made.evals.container.image == Settings().runtime_image
    assert made.evals.container.env.evals_light


def test_the_sessions_of_a_candidate_are_evaluated_by_the_worker_of_its_agent() -> None:
    made = planned({**ON, **REDIS, **JUDGE}, JUDGED)
    assert made.evals
    assert as_candidate(made, "helper", "digest").evals is None


def test_settings_of_the_worker_do_not_replace_the_pods_of_the_agent() -> None:
    slower = {"evals": {"enabled": True, "rateLimit": {"maxConcurrentJudgeCalls": 1}}}
    one, other = (hashed(planned(change | REDIS | JUDGE, JUDGED), {}) for change in (ON, slower))
    assert one.evals
    assert other.evals
    assert one.evals.config_hash != other.evals.config_hash
    assert one.config_hash == other.config_hash


def conditions(
    change: JsonObject, *evals: JsonObject, problems: tuple[Problem, ...] = (), **more: object
) -> dict[str, tuple[str, str, str]]:
    document = objects.agent(change)
    facts = AgentFacts(
        1,
        world.agent(document),
        world.resolved(document, there(*evals)),
        problems,
        workload=RUNS,
        has_service=True,
        **more,  # type: ignore[arg-type]
    )
    status = agent_status(facts, AgentRuntimeStatus(), NOW)
    assert told(status.conditions)["Ready"][0] == "True"
    return told(status.conditions)


@pytest.mark.parametrize(
    ("change", "evals", "expected"),
    [
        (ON, [], ("True", "NothingDeclared", "no evaluations")),
        (ON, [GREETS], ("True", "Ready", "after its answer")),
        (ON | JUDGE, [JUDGED], ("True", "InProcess", "when the pod ends")),
        (ON, [JUDGED], ("False", "JudgeMissing", "- {name: judge, providerRef:")),
        (ON, [{**GREETS, "type": "contians"}], ("False", "UnknownEval", "contians")),
        (ON | CUSTOM, [GREETS], ("False", "SessionsNotShared", "redis, postgres or mongodb")),
    ],
)
def test_the_status_says_what_becomes_of_evaluations(
    change: JsonObject, evals: list[JsonObject], expected: tuple[str, str, str]
) -> None:
    status, reason, message = conditions(change, *evals)[EVALS_READY]
    assert (status, reason) == expected[:2]
    assert expected[2] in message


def test_the_status_says_why_the_worker_does_not_run() -> None:
    change = ON | REDIS | JUDGE
    assert conditions(change, JUDGED, evals=RUNS)[EVALS_READY][:2] == ("True", "Ready")
    pod = PodState("helper-evals-1", "ImagePullBackOff", "no such image", stuck=True)
    waiting = conditions(change, JUDGED, evals=DeploymentState(desired=1), evals_pods=(pod,))
    assert waiting[EVALS_READY][:2] == ("False", "NotReady")
    assert "no such image" in waiting[EVALS_READY][2]
    taken = Problem(EVALS_READY, "NotOwned", "somebody else's", retry=True)
    found = conditions(change, JUDGED, problems=(taken,))
    assert found[EVALS_READY] == ("False", "NotOwned", "somebody else's")


def test_without_evaluations_the_status_says_nothing_of_them() -> None:
    assert EVALS_READY not in conditions({}, JUDGED)


async def test_the_worker_comes_and_goes_with_what_is_declared() -> None:
    change, worker = ON | REDIS | JUDGE, (DEPLOYMENT, ("default", "helper-evals"))
    cluster = FakeCluster(*everything(change), secret("store", {"url": encoded("x://r")}))
    cluster.put(config_map("pack-json", declaring(JUDGED)))
    await cluster.settle()
    assert worker in cluster.objects
    assert cluster.conditions()[EVALS_READY] == "False: NotReady"
    cluster.put(config_map("pack-json", declaring(GREETS)))
    await cluster.settle()
    assert worker not in cluster.objects
    assert cluster.conditions()[EVALS_READY] == "True: Ready"
