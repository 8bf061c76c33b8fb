"""How long sessions are kept: the policy that is in force, and what it makes of its agents."""

import pytest

from omnia_core.env import RuntimeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    DEPLOYMENT,
    SESSION_RETENTION_POLICY,
    ObjectKind,
)
from omnia_operator.plan import AgentPlan, Settings, plan
from omnia_operator.resolve import RetentionPolicy, in_force
from omnia_operator.status import effective
from tests.operator import objects, world
from tests.operator.cluster import NOW, SETTINGS, FakeCluster, everything, secret

LATER = "2026-02-02T00:00:00Z"
POSTGRES: JsonObject = {"session": {"type": "postgres", "storeRef": {"name": "store"}}}
STORE = secret("store", {"url": "eA=="})
WHOLE: JsonObject = {"retentionDays": 30, "maxMessagesPerSession": 500}


def planned(policy: JsonObject | None, change: JsonObject | None = None) -> AgentPlan:
    bounds = () if policy is None else (objects.policy(policy),)
    secrets = {("default", "store"): frozenset({"url"})}
    there = world.found(objects.pack(), objects.provider(), *bounds, secrets=secrets)
    return plan(world.resolved(objects.agent(change), there), Settings())


def runtime(made: AgentPlan) -> RuntimeEnv:
    assert made.runtime is not None
    return made.runtime.env


async def settled(*documents: JsonObject) -> FakeCluster:
    cluster = FakeCluster(*documents)
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    cluster.writes.clear()
    return cluster


def variables(cluster: FakeCluster, name: str = "helper") -> dict[str, str]:
    """Return what both containers are told of how long sessions are kept."""
    containers = cluster.live(DEPLOYMENT, name)["spec"]["template"]["spec"]["containers"]
    return {
        f"{container['name']} {each['name'].removeprefix('OMNIA_')}": each["value"]
        for container in containers
        for each in container["env"]
        if "RETENTION" in each["name"] or each["name"] == "OMNIA_SESSION_TTL"
    }


def status(cluster: FakeCluster, name: str = "retention") -> JsonObject:
    return cluster.status(name, SESSION_RETENTION_POLICY)


def conditions(cluster: FakeCluster, name: str = "retention") -> dict[str, str]:
    return cluster.conditions(name, SESSION_RETENTION_POLICY)


def message(cluster: FakeCluster, condition: str, name: str = "retention") -> str:
    (found,) = [each for each in status(cluster, name)["conditions"] if each["type"] == condition]
    return str(found["message"])


def config_hash(cluster: FakeCluster, kind: ObjectKind = DEPLOYMENT) -> str:
    annotations = cluster.live(kind)["spec"]["template"]["metadata"]["annotations"]
    return str(annotations[labels.CONFIG_HASH])


@pytest.mark.parametrize(
    ("policy", "own", "ttl"),
    [
        (None, "24h", "24h"),
        ({}, "24h", "1h"),
        ({}, "30m", "30m"),
        ({"ttlAfterInactive": None, "retentionDays": 2}, "72h", "48h"),
        ({"ttlAfterInactive": "72h", "retentionDays": 2}, "96h", "48h"),
        ({"ttlAfterInactive": None, "maxMessagesPerSession": 9}, "24h", "24h"),
        ({"dryRun": True}, "24h", "24h"),
    ],
)
def test_both_containers_are_told_the_shortest_time(
    policy: JsonObject | None, own: str, ttl: str
) -> None:
    made = planned(policy, {"session": {**POSTGRES["session"], "ttl": own}})

    assert runtime(made).session_ttl == made.facade.env.session_ttl == Duration.parse(ttl)


def test_the_runtime_is_told_the_policy_as_it_is_written() -> None:
    env = runtime(planned({**WHOLE, "dryRun": True}))

    assert env.retention_ttl == Duration.parse("1h")
    assert (env.retention_days, env.retention_max_messages) == (30, 500)
    assert env.retention_dry_run
    told = [each.name for each in runtime(planned(None)).render()]
    assert [each for each in told if "RETENTION" in each] == []


def test_the_oldest_policy_of_the_namespace_is_in_force() -> None:
    def policy(name: str, second: int, namespace: str = "here") -> RetentionPolicy:
        (found,) = world.found(
            objects.policy(
                None,
                name,
                namespace=namespace,
                creationTimestamp=f"2026-01-01T00:00:{second:02}Z",
            )
        ).policies
        return found

    twin, old = policy("b", 9), policy("a", 9)
    young, other = policy("0", 10), policy("z", 1, "there")
    for given in ([young, twin, old, other], [other, old, twin, young]):
        assert in_force("here", given) == old
        assert in_force("there", given) == other
        assert in_force("nowhere", given) is None


async def test_a_policy_changes_the_pods_of_its_namespace_and_no_others() -> None:
    elsewhere = [objects.merge(each, {"metadata": {"namespace": "far"}}) for each in everything()]
    cluster = await settled(*everything(), *elsewhere)
    before = config_hash(cluster)
    far = cluster.objects[DEPLOYMENT, ("far", "helper")]

    cluster.put(objects.policy(WHOLE))
    await cluster.settle()

    assert variables(cluster) == {
        "runtime SESSION_TTL": "1h",
        "runtime RETENTION_TTL": "1h",
        "runtime RETENTION_DAYS": "30",
        "runtime RETENTION_MAX_MESSAGES": "500",
    }
    assert config_hash(cluster) != before
    assert cluster.objects[DEPLOYMENT, ("far", "helper")] == far
    assert not any("far" in each for each in cluster.writes)

    cluster.remove(SESSION_RETENTION_POLICY, "retention")
    await cluster.settle()
    assert (variables(cluster), config_hash(cluster)) == ({}, before)
    assert "SessionRetention" not in cluster.conditions()


async def test_a_policy_says_for_how_many_agents_it_holds() -> None:
    echo = objects.agent({"facade": {"handler": "echo"}}, name="echo")
    cluster = await settled(*everything(POSTGRES), STORE, echo, objects.policy(WHOLE))

    found = status(cluster)
    assert (found["phase"], found["agents"], found["observedGeneration"]) == ("Active", 1, 1)
    assert conditions(cluster) == {"Active": "True: InForce", "Effective": "True: EveryBound"}
    assert ("retention", "InForce") in cluster.events

    await cluster.settle(now=LATER)
    assert cluster.writes == []
    cluster.remove(AGENT_RUNTIME, "helper")
    await cluster.settle()
    assert status(cluster)["agents"] == 0


async def test_the_agent_says_what_the_policy_makes_of_its_sessions() -> None:
    cluster = await settled(*everything(POSTGRES), STORE, objects.policy(WHOLE))

    assert cluster.conditions()["SessionRetention"] == "True: Enforced"
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert cluster.message("SessionRetention") == (
        'SessionRetentionPolicy "retention": sessions end 1h after their last use, instead of 24h;'
        " their data is deleted 30 days after it; 500 messages of each are kept"
    )
    cluster.put(objects.policy({"ttlAfterInactive": None, "retentionDays": 30, "dryRun": True}))
    cluster.put(objects.agent())
    await cluster.settle()
    assert cluster.conditions()["SessionRetention"] == "True: DryRun"
    assert cluster.message("SessionRetention") == (
        'SessionRetentionPolicy "retention" is a dry run, nothing changes: sessions end 24h after'
        " their last use; retentionDays has no effect: memory keeps no data of ended sessions"
    )


async def test_on_trial_nothing_ends_and_the_phase_says_so() -> None:
    cluster = await settled(*everything(), objects.policy({"dryRun": True}))

    assert variables(cluster) == {
        "runtime RETENTION_TTL": "1h",
        "runtime RETENTION_DRY_RUN": "true",
    }
    assert status(cluster)["phase"] == "DryRun"
    assert conditions(cluster)["Active"] == "True: DryRun"


async def test_a_younger_policy_waits_until_the_older_one_is_deleted() -> None:
    young = objects.policy({"ttlAfterInactive": "2m"}, "a-young", creationTimestamp=LATER)
    cluster = await settled(*everything(), objects.policy(), young)

    assert variables(cluster)["runtime SESSION_TTL"] == "1h"
    found = status(cluster, "a-young")
    assert (found["phase"], found["agents"]) == ("Superseded", 0)
    assert conditions(cluster, "a-young") == {"Active": "False: Superseded"}
    assert 'the older SessionRetentionPolicy "retention" is in force' in message(
        cluster, "Active", "a-young"
    )
    assert ("a-young", "Superseded") in cluster.events

    cluster.remove(SESSION_RETENTION_POLICY, "retention")
    await cluster.settle()
    assert variables(cluster)["runtime SESSION_TTL"] == "2m"
    assert status(cluster, "a-young")["phase"] == "Active"


async def test_an_edit_that_cannot_be_used_leaves_what_was_valid_in_force() -> None:
    cluster = await settled(*everything(), objects.policy())
    before = config_hash(cluster)

    cluster.put(objects.policy({"ttlAfterInactive": "0s", "retentionDays": 0}))
    await cluster.settle()

    assert config_hash(cluster) == before
    found = status(cluster)
    assert (found["phase"], found["agents"], found["observedGeneration"]) == ("Failed", 1, 2)
    assert found["lastValidSpec"] == {"ttlAfterInactive": "1h", "dryRun": False}
    assert conditions(cluster)["Active"] == "False: InvalidSpec"
    said = message(cluster, "Active")
    assert "spec.retentionDays: expected at least 1, found 0" in said
    assert "the last valid spec stays in force" in said
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"

    cluster.put(objects.policy({"ttlAfterInactive": "2h"}))
    await cluster.settle()
    assert variables(cluster)["runtime SESSION_TTL"] == "2h"
    assert status(cluster)["phase"] == "Active"


async def test_a_policy_that_was_never_valid_bounds_nothing_and_supersedes_nobody() -> None:
    broken = objects.policy({"ttlAfterInactive": None})
    cluster = await settled(*everything(), broken)

    assert variables(cluster) == {}
    assert status(cluster)["phase"] == "Failed"
    assert "nothing is bounded until the spec is corrected" in message(cluster, "Active")
    cluster.put(objects.policy(None, "young", creationTimestamp=LATER))
    await cluster.settle()
    assert variables(cluster)["runtime SESSION_TTL"] == "1h"
    assert status(cluster, "young")["phase"] == "Active"
    assert 'SessionRetentionPolicy "young" is in force' in message(cluster, "Active")


async def test_days_that_a_store_cannot_keep_are_a_warning() -> None:
    cluster = await settled(*everything(), objects.policy({"retentionDays": 30}))

    assert conditions(cluster)["Effective"] == "False: NothingIsKept"
    assert "for helper retentionDays only bounds how long a session can be continued" in message(
        cluster, "Effective"
    )
    assert "set session.type: postgres" in message(cluster, "Effective")
    assert ("retention", "NothingIsKept") in cluster.events
    assert status(cluster)["phase"] == "Active"

    cluster.put(objects.agent(POSTGRES), STORE)
    await cluster.settle()
    assert conditions(cluster)["Effective"] == "True: EveryBound"


def test_of_many_agents_ten_are_named() -> None:
    (policy,) = world.found(objects.policy({"retentionDays": 3})).policies
    agents = [(f"agent-{number}", "redis") for number in range(12)]

    said = effective(policy.bounds, agents).message
    assert "agent-9 and 2 more" in said
    assert "agent-10" not in said


async def test_a_policy_on_its_way_out_holds_until_it_is_gone() -> None:
    going = objects.policy(None, deletionTimestamp=NOW, finalizers=["x/y"])
    cluster = await settled(*everything(), going)

    assert variables(cluster)["runtime SESSION_TTL"] == "1h"
    assert "status" not in cluster.live(SESSION_RETENTION_POLICY, "retention")


async def test_a_function_keeps_replies_no_longer_than_the_policy_allows() -> None:
    cluster = await settled(objects.function(), *everything()[1:], objects.policy())

    assert variables(cluster) == {
        "facade SESSION_TTL": "1h",
        "runtime SESSION_TTL": "1h",
        "runtime RETENTION_TTL": "1h",
    }
    assert cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["image"] == (
        SETTINGS.facade_image
    )


async def test_a_variable_of_the_agents_own_that_undoes_the_policy_is_a_warning() -> None:
    def own(name: str) -> JsonObject:
        return {"extraEnv": [{"name": "MORE", "value": "1"}, {"name": name, "value": "99h"}]}

    both = {"facade": own("OMNIA_SESSION_TTL"), "runtime": own("OMNIA_RETENTION_TTL")}
    cluster = await settled(*everything(both), objects.policy())

    assert cluster.conditions()["SessionRetention"] == "False: Overridden"
    assert cluster.message("SessionRetention") == (
        'SessionRetentionPolicy "retention" is overridden by OMNIA_SESSION_TTL of'
        " spec.facade.extraEnv, OMNIA_RETENTION_TTL of spec.runtime.extraEnv: remove it to"
        " apply the policy"
    )
    assert ("helper", "Overridden") in cluster.events
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"

    cluster.put(objects.agent({"runtime": own("OMNIA_SESSION_TTL")}))
    await cluster.settle()
    assert cluster.conditions()["SessionRetention"] == "False: Overridden"
    cluster.put(objects.policy({"ttlAfterInactive": None, "maxMessagesPerSession": 9}))
    await cluster.settle()
    assert cluster.conditions()["SessionRetention"] == "True: Enforced"
    cluster.remove(SESSION_RETENTION_POLICY, "retention")
    await cluster.settle()
    assert "SessionRetention" not in cluster.conditions()
