"""A rollout in a cluster: the candidate's objects, what stable's pods see of it, both ends."""

import contextlib
import copy
import datetime as dt
from typing import Any

import orjson
import pytest

from omnia_core.files.rollout import parse_schedule
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    HPA,
    PDB,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from tests.operator import objects, world
from tests.operator.cluster import (
    FakeCluster,
    config_map,
    everything,
    pod,
    secret,
    unavailable,
)

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STEPS: list[JsonObject] = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]
CANARY = "helper-canary"


def versions() -> list[JsonObject]:
    """Two versions of the pack, of which the second says so."""
    found = []
    for major in (1, 2):
        text = world.PACK_TEXT.replace('"1.0.0"', f'"{major}.0.0"')
        name = f"pack-{major}"
        found += [config_map(name, {"pack.json": text}), objects.pack()]
        found[-1]["metadata"]["name"] = name
        found[-1]["spec"] |= {
            "packName": "pack",
            "version": f"{major}.0.0",
            "source": {"type": "configmap", "configMapRef": {"name": name}},
        }
    return found


class Bed:
    """A cluster with a rollout, and a clock."""

    def __init__(self, change: JsonObject | None = None, **rollout: Any) -> None:
        self.now = START
        agent, *_ = everything(
            {
                "promptPackRef": {"name": "pack", "version": "1.0.0"},
                "rollout": {
                    "candidate": {"promptPackVersion": "2.0.0"},
                    "steps": STEPS,
                    **rollout,
                },
                **(change or {}),
            }
        )
        self.manifest = copy.deepcopy(agent)
        self.cluster = FakeCluster(agent, *versions(), objects.provider())

    @property
    def rollout(self) -> JsonObject:
        agent = self.cluster.live(AGENT_RUNTIME)
        found: JsonObject = agent.get("status", {}).get("rollout", {})
        return found

    async def step(self, *, pods: bool = True) -> JsonObject:
        self.now += dt.timedelta(seconds=5)
        await self.cluster.reconcile(AGENT_RUNTIME, now=self.now.isoformat())
        if pods:
            self.cluster.run_pods()
        return self.rollout

    async def until(self, phase: str, limit: int = 40) -> JsonObject:
        for _ in range(limit):
            if (await self.step())["phase"] == phase:
                return self.rollout
        raise AssertionError(self.rollout)

    def ask(self, request: str) -> None:
        agent = self.cluster.objects[AGENT_RUNTIME, ("default", "helper")]
        agent["metadata"]["annotations"] = {labels.ROLLOUT_REQUEST: request}

    def template(self) -> JsonObject:
        found: JsonObject = copy.deepcopy(self.cluster.live(DEPLOYMENT)["spec"]["template"])
        return found

    def edit(self, **rollout: Any) -> None:
        live = copy.deepcopy(self.cluster.live(AGENT_RUNTIME))
        live["spec"]["rollout"] |= rollout
        self.cluster.put(live)


def candidate_objects(cluster: FakeCluster) -> list[str]:
    return sorted(
        f"{kind} {key[1]}"
        for (kind, key), live in cluster.objects.items()
        if live["metadata"].get("labels", {}).get(labels.INSTANCE) == CANARY
    )


def check_candidate(cluster: FakeCluster, volume: JsonObject) -> None:
    """Its pods are those of the agent, and only facades of the agent reach them."""
    canary = cluster.live(DEPLOYMENT, CANARY)["spec"]
    assert canary["replicas"] == 1
    template = canary["template"]
    assert template["spec"]["serviceAccountName"] == "omnia-helper-agent"
    assert volume in template["spec"]["volumes"]
    assert {
        name: template["metadata"]["labels"][name]
        for name in (labels.INSTANCE, labels.AGENT_NAME, labels.TRACK, labels.VARIANT)
    } == {
        labels.INSTANCE: CANARY,
        labels.AGENT_NAME: "helper",
        labels.TRACK: "canary",
        labels.VARIANT: "candidate",
    }
    facade, runtime = template["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in facade["env"]}
    assert variables["OMNIA_AGENT_NAME"] == "helper"
    assert (variables["OMNIA_VARIANT"], variables["OMNIA_PEER_PORT"]) == ("candidate", "8082")
    assert {each["name"] for each in facade["ports"]} == {"facade", "facade-health", "peer"}
    assert "OMNIA_VARIANT" in {each["name"] for each in runtime["env"]}
    service = cluster.live(SERVICE, CANARY)["spec"]
    assert (service["clusterIP"], service["ports"][0]["port"]) == ("None", 8082)
    assert service["selector"][labels.INSTANCE] == CANARY
    assert cluster.live(SERVICE)["spec"]["selector"][labels.INSTANCE] == "helper"
    packs = cluster.live(CONFIG_MAP, "omnia-helper-canary-pack")["data"]
    assert orjson.loads(packs["placement.json"])["stable"] == "2.0.0"


def check_schedule(cluster: FakeCluster, status: JsonObject) -> None:
    """The facades of stable read what the status says."""
    files = cluster.live(CONFIG_MAP, "omnia-helper-rollout")["data"]
    schedule = parse_schedule(files["rollout.json"], "")
    assert schedule.candidate == "helper-canary.default.svc:8082"
    ((begins, weight),) = schedule.steps
    assert (weight, schedule.over) == (10, False)
    assert begins == int(dt.datetime.fromisoformat(status["weights"][0]["time"]).timestamp()) * 1000


async def test_a_rollout_from_its_beginning_to_its_promotion() -> None:
    bed = Bed({"runtime": {"replicas": 3}})
    cluster = bed.cluster
    idle = copy.deepcopy(bed.manifest)
    idle["spec"]["rollout"].pop("candidate")
    cluster.put(idle)
    await bed.step()
    before = bed.template()
    assert candidate_objects(cluster) == []
    assert "omnia-helper-rollout" not in cluster.names(CONFIG_MAP)

    cluster.put(bed.manifest)
    await bed.until("Paused")
    assert bed.template() == before, "no pod of stable is replaced"
    assert candidate_objects(cluster) == [
        "ConfigMap omnia-helper-canary-auth",
        "ConfigMap omnia-helper-canary-pack",
        "ConfigMap omnia-helper-canary-providers",
        "ConfigMap omnia-helper-canary-tools",
        "Deployment helper-canary",
        "Service helper-canary",
    ]
    assert cluster.names(SERVICE_ACCOUNT) == ["omnia-helper-agent"]
    status = bed.rollout
    assert (status["active"], status["currentStep"], status["currentWeight"]) == (True, 1, 10)
    assert (status["stableVersion"], status["candidateVersion"]) == ("1.0.0", "2.0.0")
    assert status["step"] == "2/3"
    assert cluster.conditions()["RolloutActive"] == "True: PauseStep"
    await bed.step()

    check_schedule(cluster, status)
    token = cluster.live(SECRET, "omnia-helper-peer")["data"]["token"]
    (volume,) = [each for each in before["spec"]["volumes"] if each["name"] == "omnia-rollout"]
    assert volume["projected"]["sources"] == [
        {"configMap": {"name": "omnia-helper-rollout", "optional": True}},
        {"secret": {"name": "omnia-helper-peer", "optional": True}},
    ]

    check_candidate(cluster, volume)

    bed.ask("promote 1")
    await bed.until("Promoting")
    assert cluster.live(AGENT_RUNTIME)["spec"]["promptPackRef"]["version"] == "1.0.0"
    cluster.writes.clear()
    await bed.until("Idle")
    assert cluster.writes.count("edit AgentRuntime helper") == 1
    assert cluster.live(SECRET, "omnia-helper-peer")["data"]["token"] == token
    spec = cluster.live(AGENT_RUNTIME)["spec"]
    assert spec["promptPackRef"]["version"] == "2.0.0"
    assert spec["rollout"] == bed.manifest["spec"]["rollout"], "nothing else was written"
    await bed.step()
    assert candidate_objects(cluster) == []
    assert "omnia-helper-rollout" not in cluster.names(CONFIG_MAP)
    assert "omnia-helper-peer" not in cluster.names(SECRET)
    assert bed.template() == before, "a pack alone replaces no pod, not even at the end"
    assert bed.rollout["last"]["result"] == "Promoted"
    assert [reason for _, reason in cluster.events].count("RolloutPromoted") == 1
    settled = len(cluster.writes)
    await bed.step()
    assert len(cluster.writes) == settled


async def test_an_abort_leaves_stable_alone_and_ends_the_schedule_before_the_pods() -> None:
    bed = Bed()
    cluster = bed.cluster
    await bed.until("Paused")
    before = bed.template()
    bed.ask("abort 1 the tone is wrong")
    await bed.until("RollingBack")
    await bed.step()
    files = cluster.live(CONFIG_MAP, "omnia-helper-rollout")["data"]
    assert parse_schedule(files["rollout.json"], "").over
    assert "Deployment helper-canary" in candidate_objects(cluster)
    await bed.until("Idle")
    await bed.step()
    assert candidate_objects(cluster) == []
    assert bed.template() == before
    assert bed.rollout["last"]["reason"] == "the tone is wrong"
    spec = cluster.live(AGENT_RUNTIME)["spec"]
    assert spec["rollout"]["candidate"] == {"promptPackVersion": "1.0.0"}

    # Git restores the candidate: it is not tried again, and nothing is written.
    cluster.put(bed.manifest)
    cluster.writes.clear()
    for _ in range(5):
        await bed.step()
    assert cluster.conditions()["RolloutActive"] == "False: RolledBack"
    assert "edit AgentRuntime helper" not in cluster.writes
    assert candidate_objects(cluster) == []


async def test_git_that_restores_the_manifest_after_the_promotion_rolls_nothing() -> None:
    bed = Bed(steps=[{"setWeight": 100}])
    cluster = bed.cluster
    await bed.step()
    await bed.until("Idle")
    await bed.step()
    before, pack = bed.template(), cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"]
    cluster.writes.clear()
    for _ in range(10):
        cluster.put(bed.manifest)
        await bed.step()
    assert cluster.conditions()["RolloutActive"] == "False: PromotedHeld"
    assert "edit AgentRuntime helper" not in cluster.writes
    assert bed.template() == before
    assert cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"] == pack
    follows = copy.deepcopy(bed.manifest)
    follows["spec"]["promptPackRef"]["version"] = "2.0.0"
    del follows["spec"]["rollout"]["candidate"]
    cluster.put(follows)
    await bed.step()
    assert "held" not in bed.rollout
    assert bed.template() == before


class Died(Exception):
    """The operator has ended at a write."""


async def test_an_operator_that_dies_at_every_change_of_the_status_ends_in_the_same_state() -> None:
    """Each status is lost once, after everything else was done; so is the answer to the write."""
    bed = Bed(steps=[{"setWeight": 50}, {"setWeight": 100}])
    cluster = bed.cluster
    lost: list[JsonObject] = []
    put_status, edit = cluster.put_status, cluster.edit

    async def dying(kind: Any, key: Any, status: JsonObject) -> None:
        phase = (status.get("rollout") or {}).get("phase"), (status.get("rollout") or {}).get("id")
        step = status.get("rollout", {}).get("currentStep"), status.get("rollout", {}).get("over")
        if (seen := {"is": (*phase, *step)}) not in lost:
            lost.append(seen)
            raise Died
        await put_status(kind, key, status)

    async def half(kind: Any, key: Any, operations: Any) -> None:
        await edit(kind, key, operations)
        if {"is": "edit"} not in lost:
            lost.append({"is": "edit"})
            raise Died

    cluster.put_status, cluster.edit = dying, half  # type: ignore[method-assign] # the deaths
    for _ in range(45):
        with contextlib.suppress(Died):
            await bed.step()
        if bed.rollout.get("last") and not candidate_objects(cluster):
            break
    assert bed.rollout["last"]["result"] == "Promoted"
    assert len(lost) >= 7
    assert cluster.live(AGENT_RUNTIME)["spec"]["promptPackRef"]["version"] == "2.0.0"
    assert cluster.writes.count("edit AgentRuntime helper") == 1


async def test_pods_that_are_stuck_end_the_rollout_by_themselves() -> None:
    bed = Bed(rollback={"mode": "automatic"})
    await bed.step(pods=False)
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not there"}}}
    stuck = pod("helper-canary-1", waiting)
    stuck["metadata"]["labels"] = {labels.INSTANCE: CANARY}
    bed.cluster.put(stuck)
    for _ in range(8):
        await bed.step(pods=False)
    assert bed.rollout["last"]["result"] == "RolledBack"
    assert "ImagePullBackOff" in bed.rollout["last"]["reason"]
    assert bed.rollout.get("weights", []) == []


async def test_a_candidate_that_does_not_exist_waits_and_says_so() -> None:
    bed = Bed(candidate={"promptPackVersion": "3.0.0"}, rollback={"mode": "automatic"})
    for _ in range(5):
        await bed.step()
    assert bed.rollout["phase"] == "Progressing"
    assert bed.rollout["currentWeight"] == 0
    assert "has no version 3.0.0" in bed.cluster.message("RolloutActive")
    assert bed.cluster.conditions()["Ready"] == "True: RuntimeReady"


async def test_a_spec_that_may_not_be_written_is_promoted_all_the_same() -> None:
    bed = Bed(steps=[{"setWeight": 100}])
    refused = 0

    async def forbidden(*_: Any) -> None:
        nonlocal refused
        refused += 1
        raise unavailable()

    bed.cluster.edit = forbidden  # type: ignore[method-assign,assignment] # a role without the verb
    await bed.step()
    for _ in range(20):
        with contextlib.suppress(ClusterError):
            await bed.step()
        if bed.rollout.get("last"):
            break
    assert bed.rollout["last"]["result"] == "Promoted"
    assert refused == 2
    await bed.step()
    assert bed.cluster.conditions()["RolloutActive"] == "False: PromotedHeld"


async def test_a_candidate_whose_grant_is_withdrawn_loses_its_pods_and_its_key() -> None:
    shared = objects.provider({"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}})
    shared["metadata"] |= {"name": "shared", "namespace": "models"}
    shared["spec"]["allowedNamespaces"] = ["default"]
    given = {"name": "shared", "namespace": "models"}
    bed = Bed(candidate={"providerRefs": [{"name": "default", "providerRef": given}]})
    bed.cluster.put(shared, secret("keys", {"api-key": "c2VjcmV0"}, "models"))
    await bed.until("Paused")
    assert "Secret omnia-helper-canary-provider-keys" in candidate_objects(bed.cluster)
    withdrawn = copy.deepcopy(shared)
    withdrawn["spec"]["allowedNamespaces"] = []
    bed.cluster.put(withdrawn)
    await bed.step()
    assert candidate_objects(bed.cluster) == []
    assert bed.cluster.names(DEPLOYMENT) == ["helper"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"promptPackRef": {"name": "pack"}}, "highest version"),
        ({"facade": {"type": "websocket", "handler": "echo"}}, "no runtime"),
        ({"facade": {"type": "websocket", "port": 8082}}, "8082"),
        (
            {
                "session": {
                    "type": "sqlite",
                    "persistentVolumeClaim": {"claimName": "sessions"},
                }
            },
            "SQLite",
        ),
    ],
)
async def test_an_agent_that_cannot_have_a_candidate(change: JsonObject, said: str) -> None:
    bed = Bed(change)
    await bed.step()
    await bed.step()
    assert bed.cluster.conditions()["RolloutActive"] == "False: NotPossible"
    assert said in bed.cluster.message("RolloutActive")
    assert candidate_objects(bed.cluster) == []


async def test_an_autoscaler_and_a_budget_see_stable_only() -> None:
    scaling = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
    bed = Bed({"runtime": {"autoscaling": scaling}})
    await bed.until("Paused")
    assert bed.cluster.names(HPA) == ["helper"]
    assert bed.cluster.names(PDB) == ["helper"]
    target = bed.cluster.live(HPA)["spec"]["scaleTargetRef"]
    assert target["name"] == "helper"


async def test_an_agent_whose_rollout_is_removed_loses_its_candidate() -> None:
    bed = Bed()
    await bed.until("Paused")
    live = copy.deepcopy(bed.cluster.live(AGENT_RUNTIME))
    del live["spec"]["rollout"]
    bed.cluster.put(live)
    for _ in range(8):
        await bed.step()
    assert candidate_objects(bed.cluster) == []
    assert "rollout" not in bed.cluster.status()
    assert "RolloutActive" not in bed.cluster.conditions()


def test_a_long_name_has_a_candidate_and_services_with_names_of_their_own() -> None:
    for named in (labels.canary_name, labels.candidate_service, labels.stable_service):
        names = {named("a" * length) for length in range(1, 64)}
        assert len(names) == 63
        assert max(map(len, names)) == 63
