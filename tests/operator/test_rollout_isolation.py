"""What a rollout leaves alone: autoscalers, the pods of stable, and agents without one."""

import copy
import datetime as dt
import math

import pytest

from omnia_core.files.rollout import parse_schedule
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    DESTINATION_RULE,
    HPA,
    HTTP_ROUTE,
    PDB,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    VIRTUAL_SERVICE,
    ObjectKind,
)
from tests.operator.test_rollout_reconcile import CANARY, Bed, candidate_objects
from tests.operator.test_rollout_traffic import GATEWAY, ISTIO, Split, gateway, mesh, refused

SCALING: JsonObject = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
SCALERS = {
    "hpa": (SCALING, HPA, "helper"),
    "keda": ({**SCALING, "type": "keda"}, SCALED_OBJECT, "helper"),
}


def selects(selector: JsonObject, template: JsonObject) -> bool:
    return bool(selector["matchLabels"].items() <= template["metadata"]["labels"].items())


def desired(bed: Bed, target: str, percent: dict[str, float]) -> int:
    """Return the replicas that an autoscaler computes, as Kubernetes does.

    It counts the pods that the selector of its target finds, whosever they are.

    Args:
        bed: the cluster.
        target: the Deployment that it scales.
        percent: the CPU of a pod of each Deployment, in percent of what it requests.
    """
    spec = bed.cluster.live(DEPLOYMENT, target)["spec"]
    found = [
        percent[name]
        for name in bed.cluster.names(DEPLOYMENT)
        for deployment in [bed.cluster.live(DEPLOYMENT, name)["spec"]]
        if selects(spec["selector"], deployment["template"])
        for _ in range(deployment.get("replicas", 2))
    ]
    return math.ceil(len(found) * (sum(found) / len(found)) / 80)


@pytest.mark.parametrize("case", SCALERS)
async def test_a_candidate_that_burns_cpu_does_not_scale_stable(case: str) -> None:
    scaling, kind, name = SCALERS[case]
    bed = Bed({"runtime": {"autoscaling": scaling, "replicas": 2}})
    idle = copy.deepcopy(bed.manifest)
    idle["spec"]["rollout"].pop("candidate")
    bed.cluster.put(idle)
    await bed.step()
    before = copy.deepcopy(bed.cluster.live(kind, name))
    calm = desired(bed, "helper", {"helper": 40.0})

    bed.cluster.put(bed.manifest)
    bed.cluster.writes.clear()
    await bed.until("Paused")
    assert f"apply {kind} {name}" not in bed.cluster.writes
    assert bed.cluster.live(kind, name) == before
    assert bed.cluster.names(kind) == [name], "the candidate has none of its own"
    assert before["spec"]["scaleTargetRef"]["name"] == "helper"
    assert desired(bed, "helper", {"helper": 40.0, CANARY: 1000.0}) == calm
    budget = bed.cluster.live(PDB)["spec"]["selector"]
    assert not selects(budget, bed.cluster.live(DEPLOYMENT, CANARY)["spec"]["template"])


def shape(bed: Bed, kind: ObjectKind) -> list[str]:
    return bed.cluster.names(kind)


@pytest.mark.parametrize("routing", [None, ISTIO, GATEWAY], ids=["facades", "istio", "gateway"])
async def test_an_agent_with_nothing_to_roll_out_has_nothing_more(
    routing: JsonObject | None,
) -> None:
    without = Bed()
    del without.manifest["spec"]["rollout"]
    without.cluster.put(without.manifest)
    bed = Split(routing, *mesh(), *gateway()).bed if routing else Bed()
    bed.manifest["spec"]["rollout"].pop("candidate")
    bed.cluster.put(bed.manifest)
    for each in (without, bed):
        for _ in range(2):
            await each.step()
    more = ["helper-candidate"] if routing is GATEWAY else []
    assert shape(bed, SERVICE) == [*shape(without, SERVICE), *more]
    for kind in (CONFIG_MAP, DEPLOYMENT, SECRET):
        assert shape(bed, kind) == shape(without, kind)
    # Nor has stable another pod: a file and its volume are there before there is a rollout.
    assert bed.template()["spec"] == without.template()["spec"]
    for container in bed.template()["spec"]["containers"]:
        assert "peer" not in {port["name"] for port in container.get("ports", ())}

    # Nothing is looked at again by itself, and no object of a mesh is read.
    for kind in (VIRTUAL_SERVICE, DESTINATION_RULE, HTTP_ROUTE):
        bed.cluster.forbidden["read", kind] = refused("get", kind.plural)
    requeue = await bed.cluster.reconcile(AGENT_RUNTIME, now=bed.now.isoformat())
    assert requeue.delay is None
    assert "TrafficRouting" not in bed.cluster.conditions()


async def test_no_service_of_a_rollout_has_the_port_of_a_runtime() -> None:
    bed = Bed()
    await bed.until("Paused")
    ports = {
        port["targetPort"]
        for name in bed.cluster.names(SERVICE)
        for port in bed.cluster.live(SERVICE, name)["spec"]["ports"]
    }
    assert ports <= {"facade", "peer"}
    for name in bed.cluster.names(DEPLOYMENT):
        for container in bed.cluster.live(DEPLOYMENT, name)["spec"]["template"]["spec"][
            "containers"
        ]:
            named = {port["name"] for port in container.get("ports", ())}
            assert named <= {"facade", "facade-health", "peer", "runtime-health"}
            variables = {each["name"]: each.get("value", "") for each in container["env"]}
            address = variables.get("OMNIA_RUNTIME_ADDRESS", "127.0.0.1:9000")
            assert address.startswith(("127.0.0.1:", "localhost:"))


async def test_an_abort_ends_the_schedule_within_two_seconds() -> None:
    bed = Bed()
    await bed.until("Paused")
    bed.ask("abort 1")
    began = bed.now

    def over() -> bool:
        files = bed.cluster.live(CONFIG_MAP, "omnia-helper-rollout")["data"]
        return parse_schedule(files["rollout.json"], "").over

    while not over():
        requeue = await bed.cluster.reconcile(AGENT_RUNTIME, now=bed.now.isoformat())
        bed.cluster.run_pods()
        if not over():
            assert requeue.delay is not None
            bed.now += dt.timedelta(seconds=requeue.delay)
    # The kubelet is asked at once to bring the file into the pods.
    assert (bed.now - began).total_seconds() <= 2
    assert "Deployment helper-canary" in candidate_objects(bed.cluster)
