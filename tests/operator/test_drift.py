"""The objects of an agent stay as the operator wrote them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ObjectKind,
)
from omnia_operator.cluster.manifest import Addition, Manifest, removal
from omnia_operator.reconcile.drift import (
    CORRECTIONS,
    WINDOW,
    Corrections,
    Kept,
    correction,
    drifted,
    keep,
)
from tests.operator import objects
from tests.operator.cluster import NOW, FakeCluster, everything, settled
from tests.operator.defaults import container, defaulted, pod, spec
from tests.operator.test_ownership import agent

OPEN = "OMNIA_FACADE_ALLOW_UNAUTHENTICATED"
A_IS_B = {"name": "A", "value": "b"}
OPENED = {"name": OPEN, "value": "true"}
HPA_SCALING = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
PROXY: JsonObject = {"name": "proxy", "image": "proxy:1", "env": [{"name": "A", "value": "1"}]}
CONTAINERS: JsonObject = {
    "extraContainers": [PROXY],
    "initContainers": [{"name": "seed", "image": "seed:1"}],
}
KEDA_SCALING = {**HPA_SCALING, "type": "keda"}


@pytest.mark.parametrize("case", ["platform", "gateway"])
async def test_what_kubernetes_fills_in_of_fitted_pods_is_no_drift(case: str) -> None:
    documents = objects.documents(objects.DATA / "golden" / case / "in.yaml")
    for service in ({}, {"loadBalancerClass": None}):
        change = {"spec": {"facade": {"service": service}}} if case == "platform" else {}
        cluster = await settled(*(objects.merge(each, change) for each in documents))
        for (kind, _), live in cluster.objects.items():
            defaulted(kind, live)

        for kind, (_, name) in list(cluster.objects):
            if kind == AGENT_RUNTIME:
                await cluster.reconcile(kind, name, namespace="agents")

        assert [each for each in cluster.writes if not each.startswith("status")] == []


@pytest.mark.parametrize("scaling", [{}, HPA_SCALING, KEDA_SCALING], ids=["none", "hpa", "keda"])
async def test_what_kubernetes_fills_in_is_no_drift(scaling: JsonObject) -> None:
    change = {"runtime": {"autoscaling": scaling}} if scaling else {}
    cluster = await settled(*agent(change))
    for (kind, _), live in cluster.objects.items():
        defaulted(kind, live)

    await cluster.settle()

    assert cluster.writes == []
    assert "DriftCorrected" not in {reason for _, reason in cluster.events}
    assert "ObjectsInSync" not in cluster.conditions()


EDITS: list[tuple[str, ObjectKind, str, Callable[[JsonObject], Any]]] = [
    ("selector", SERVICE, "helper", lambda live: spec(live)["selector"].update(a="b")),
    ("selector-empty", SERVICE, "helper", lambda live: spec(live)["selector"].update({"a/b": ""})),
    (
        "service-port",
        SERVICE,
        "helper",
        lambda live: spec(live)["ports"].append({"name": "x", "port": 99}),
    ),
    ("external-ip", SERVICE, "helper", lambda live: spec(live).update(externalIPs=["192.0.2.1"])),
    ("env", DEPLOYMENT, "helper", lambda live: container(live)["env"].append(OPENED)),
    ("env-first", DEPLOYMENT, "helper", lambda live: container(live)["env"].insert(0, OPENED)),
    (
        "env-twice",
        DEPLOYMENT,
        "helper",
        lambda live: container(live)["env"].append({**container(live)["env"][0], "value": "x"}),
    ),
    (
        "env-from",
        DEPLOYMENT,
        "helper",
        lambda live: container(live).update(envFrom=[{"secretRef": {"name": "x"}}]),
    ),
    ("args", DEPLOYMENT, "helper", lambda live: container(live, 1).update(args=["-m", "other"])),
    ("command", DEPLOYMENT, "helper", lambda live: container(live).update(command=["sh"])),
    (
        "container",
        DEPLOYMENT,
        "helper",
        lambda live: pod(live)["containers"].insert(0, {"name": "mesh", "image": "x"}),
    ),
    (
        "init-container",
        DEPLOYMENT,
        "helper",
        lambda live: pod(live).update(initContainers=[{"name": "x", "image": "x"}]),
    ),
    (
        "volume",
        DEPLOYMENT,
        "helper",
        lambda live: pod(live)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ),
    (
        "mount",
        DEPLOYMENT,
        "helper",
        lambda live: container(live)["volumeMounts"].append(
            {"name": "omnia-auth", "mountPath": "/x"}
        ),
    ),
    ("host-network", DEPLOYMENT, "helper", lambda live: pod(live).update(hostNetwork=True)),
    (
        "root",
        DEPLOYMENT,
        "helper",
        lambda live: container(live)["securityContext"].update(runAsUser=0),
    ),
    (
        "capability",
        DEPLOYMENT,
        "helper",
        lambda live: container(live)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    ),
    (
        "token",
        DEPLOYMENT,
        "helper",
        lambda live: pod(live).pop("automountServiceAccountToken"),
    ),
    (
        "limit",
        DEPLOYMENT,
        "helper",
        lambda live: container(live)["resources"]["limits"].update(cpu="1m"),
    ),
    ("node", DEPLOYMENT, "helper", lambda live: pod(live).update(nodeSelector={"none": "such"})),
    (
        "config-map",
        CONFIG_MAP,
        "omnia-helper-auth",
        lambda live: live["data"].update({"more.json": ""}),
    ),
    ("secret", SECRET, "omnia-helper-auth", lambda live: live["data"].update(intruder="eA==")),
    (
        "budget",
        PDB,
        "helper",
        lambda live: spec(live)["selector"]["matchLabels"].update(a="b"),
    ),
    (
        "hpa",
        HPA,
        "helper",
        lambda live: spec(live)["metrics"].append({"type": "Resource", "resource": {}}),
    ),
]


# Edits of an agent with containers of the user.
FITTED_EDITS: list[tuple[str, ObjectKind, str, Callable[[JsonObject], Any]]] = [
    ("beside", DEPLOYMENT, "helper", lambda live: container(live, 2)["env"].append(OPENED)),
    (
        "before",
        DEPLOYMENT,
        "helper",
        lambda live: pod(live)["initContainers"][0].update(command=["sh"]),
    ),
    (
        "privilege",
        DEPLOYMENT,
        "helper",
        lambda live: container(live, 2)["securityContext"].update(privileged=True),
    ),
]
FITTED = [each[3] for each in FITTED_EDITS]
EDITS += FITTED_EDITS


@pytest.mark.parametrize(
    ("kind", "name", "edit"), [each[1:] for each in EDITS], ids=[each[0] for each in EDITS]
)
async def test_what_others_change_is_put_back_and_told(
    kind: ObjectKind, name: str, edit: Callable[[JsonObject], Any]
) -> None:
    more = CONTAINERS if edit in FITTED else {}
    cluster = await settled(*agent({"runtime": {"autoscaling": HPA_SCALING, **more}}))
    for (its, _), live in cluster.objects.items():
        defaulted(its, live)
    before = copy.deepcopy(cluster.live(kind, name))

    edit(cluster.live(kind, name))
    assert cluster.live(kind, name) != before
    await cluster.settle()

    after = cluster.live(kind, name)
    assert {**after, "metadata": None, "status": None} == {
        **before,
        "metadata": None,
        "status": None,
    }
    written = [each for each in cluster.writes if each.split()[0] in ("apply", "remove")]
    assert len(written) == 1
    assert cluster.events.count(("helper", "DriftCorrected")) == 1
    assert "ObjectsInSync" not in cluster.conditions()


async def test_several_entries_are_removed_at_once() -> None:
    cluster = await settled(*everything())
    before = copy.deepcopy(container(cluster.live(DEPLOYMENT))["env"])
    env = container(cluster.live(DEPLOYMENT))["env"]
    for place in range(0, 12, 2):
        env.insert(place, {"name": f"THEIRS_{place}", "value": "x"})

    await cluster.settle()

    assert container(cluster.live(DEPLOYMENT))["env"] == before
    assert [each for each in cluster.writes if "status" not in each] == [
        "remove Deployment helper",
    ]


async def test_a_variable_that_a_new_spec_drops_is_no_drift() -> None:
    cluster = await settled(
        *everything(
            {"runtime": {"extraEnv": [{"name": "A", "value": "b"}], "nodeSelector": {"a": "b"}}}
        )
    )

    cluster.put(objects.agent())
    await cluster.settle()

    assert "A" not in {each["name"] for each in container(cluster.live(DEPLOYMENT), 1)["env"]}
    assert "nodeSelector" not in pod(cluster.live(DEPLOYMENT))
    assert ("helper", "DriftCorrected") not in cluster.events


async def test_an_addition_beside_a_new_spec_is_removed_too() -> None:
    cluster = await settled(*agent())
    container(cluster.live(DEPLOYMENT))["env"].append(OPENED)

    cluster.put(objects.merge(agent()[0], {"spec": {"runtime": {"extraEnv": [A_IS_B]}}}))
    await cluster.reconcile(AGENT_RUNTIME)

    assert OPEN not in {each["name"] for each in container(cluster.live(DEPLOYMENT))["env"]}
    assert "A" in {each["name"] for each in container(cluster.live(DEPLOYMENT), 1)["env"]}


async def test_an_object_that_is_deleted_while_it_is_applied_is_no_drift() -> None:
    cluster = await settled(*agent())

    def deletes(kind: ObjectKind, live: JsonObject) -> None:
        cluster.objects.pop((kind, ("default", live["metadata"]["name"])))

    cluster.webhooks.append(deletes)
    cluster.put(objects.merge(agent()[0], {"spec": {"runtime": {"extraEnv": [A_IS_B]}}}))
    await cluster.reconcile(AGENT_RUNTIME)

    assert [each for each in cluster.writes if " Deployment " in each] == [
        "apply Deployment helper"
    ]
    assert ("helper", "DriftCorrected") not in cluster.events


def test_places_that_were_put_back_long_ago_are_forgotten() -> None:
    corrections, kept = Corrections(), Manifest(SERVICE, ("a", "b"), {})
    for minute in range(CORRECTIONS):
        corrections.made(kept, ["x"], f"2026-01-01T00:0{minute}:00Z")
    assert corrections.allowed(kept, ["x", "y"], "2026-01-01T00:09:59Z") == {"y"}
    assert corrections.allowed(kept, ["x"], "2026-01-01T00:10:00Z") == {"x"}

    corrections.made(kept, ["y"], "2026-01-01T00:10:01Z")
    assert corrections.allowed(kept, ["x"], "2026-01-01T00:09:59Z") == frozenset()


async def test_an_opened_agent_says_so_until_its_pods_are_closed_again() -> None:
    cluster = await settled(*agent())
    assert cluster.conditions()["ExternalAuth"] == "True: DataPlaneConfigured"
    container(cluster.live(DEPLOYMENT))["env"].append(OPENED)
    cluster.surge()

    await cluster.settle()
    assert OPEN not in {each["name"] for each in container(cluster.live(DEPLOYMENT))["env"]}
    assert cluster.conditions()["ExternalAuth"] == "False: Unauthenticated"
    assert ("helper", "Unauthenticated") in cluster.events

    cluster.run_pods()
    await cluster.settle()
    assert cluster.conditions()["ExternalAuth"] == "True: DataPlaneConfigured"


@pytest.mark.parametrize(
    "change", [{"facade": {"type": "none"}}, {"promptPackRef": {"name": "no"}}]
)
async def test_an_agent_that_cannot_be_planned_says_that_it_was_opened(change: JsonObject) -> None:
    cluster = await settled(*agent())
    cluster.put(objects.agent(change))
    container(cluster.live(DEPLOYMENT))["env"].append(OPENED)

    await cluster.settle()

    assert cluster.conditions()["ExternalAuth"] == "False: Unauthenticated"


def mesh(kind: ObjectKind, live: JsonObject) -> None:
    names = [each["name"] for each in container(live)["env"]] if kind == DEPLOYMENT else [OPEN]
    if OPEN not in names:
        container(live)["env"].append(OPENED)


def mirror(kind: ObjectKind, live: JsonObject) -> None:
    if kind == DEPLOYMENT:
        container(live)["image"] = "mirror/facade"


async def rounds(cluster: FakeCluster, now: str, count: int = 20) -> int:
    """Reconcile as if for `count` events; return the number of writes to the Deployment."""
    before = len(cluster.writes)
    for _ in range(count):
        await cluster.reconcile(AGENT_RUNTIME, now=now)
    return len([each for each in cluster.writes[before:] if " Deployment " in each])


@pytest.mark.parametrize("webhook", [mesh, mirror])
async def test_a_webhook_that_changes_an_object_each_time_is_told_and_not_fought_for_ever(
    webhook: Callable[[ObjectKind, JsonObject], None],
) -> None:
    cluster = await settled(*agent())
    cluster.webhooks.append(webhook)
    webhook(DEPLOYMENT, cluster.live(DEPLOYMENT))

    assert await rounds(cluster, "2026-01-01T00:00:00Z") == 5
    assert cluster.conditions()["ObjectsInSync"] == "False: Drifted"
    assert cluster.events.count(("helper", "Drifted")) == 1
    assert "containers[facade]" in cluster.message("ObjectsInSync")
    cluster.run_pods()
    await cluster.reconcile(AGENT_RUNTIME)
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    if webhook is mesh:
        assert cluster.conditions()["ExternalAuth"] == "False: Unauthenticated"

    assert await rounds(cluster, "2026-01-01T00:10:01Z") == CORRECTIONS  # it is tried again

    cluster.webhooks.clear()
    await cluster.settle(now="2026-01-01T00:30:00Z")
    cluster.run_pods()
    await cluster.settle(now="2026-01-01T00:30:00Z")
    assert "ObjectsInSync" not in cluster.conditions()
    assert cluster.conditions()["ExternalAuth"] == "True: DataPlaneConfigured"


async def test_a_fight_about_one_place_does_not_leave_another_place_changed() -> None:
    cluster = await settled(*agent())
    cluster.webhooks.append(mirror)
    mirror(DEPLOYMENT, cluster.live(DEPLOYMENT))
    await rounds(cluster, "2026-01-01T00:00:00Z")

    container(cluster.live(DEPLOYMENT))["env"].append(OPENED)
    await cluster.settle()

    assert OPEN not in {each["name"] for each in container(cluster.live(DEPLOYMENT))["env"]}


async def test_corrections_are_counted_by_kind() -> None:
    cluster, counted = await settled(*agent()), list[ObjectKind]()
    cluster.corrections = Corrections(counted.append)
    container(cluster.live(DEPLOYMENT))["env"].append(OPENED)
    spec(cluster.live(SERVICE))["selector"]["a"] = "b"

    await cluster.settle()

    assert counted == [SERVICE, DEPLOYMENT]
    assert WINDOW == 600


OWNER = {"apiVersion": "a/v1", "kind": "AgentRuntime", "name": "helper", "uid": "u1"}
OTHER = {**OWNER, "name": "other", "uid": "u2"}


def kept_service(version: str = "1", **selector: str) -> Manifest:
    """A Service, with what the operator writes on each object."""
    metadata = {
        "namespace": "space",
        "name": "helper",
        "labels": labels.owned("helper"),
        "annotations": {labels.MANIFEST_HASH: version},
        "ownerReferences": [OWNER],
    }
    body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    return Manifest(SERVICE, ("space", "helper"), {**body, "spec": {"selector": selector}})


class Bed:
    """A cluster with one object, and what becomes of it."""

    def __init__(self, *manifests: Manifest) -> None:
        self.cluster = FakeCluster(*(each.body for each in manifests))
        self.corrections = Corrections()

    @property
    def live(self) -> JsonObject:
        return self.cluster.objects[SERVICE, ("space", "helper")]

    @property
    def selector(self) -> JsonObject:
        return dict(self.live["spec"]["selector"])

    async def keep(self, manifest: Manifest) -> Kept:
        live = await self.cluster.get(SERVICE, manifest.key)
        return await keep(self.cluster, manifest, live, self.corrections, NOW)


async def test_an_object_that_is_not_there_is_created() -> None:
    bed = Bed()
    assert await bed.keep(kept_service(a="b")) == Kept(written=True)
    assert bed.selector == {"a": "b"}
    assert await bed.keep(kept_service(a="b")) == Kept()


async def test_an_object_of_somebody_else_that_was_not_seen_yet_is_not_taken() -> None:
    bed = Bed(kept_service(a="b"))
    bed.live["metadata"]["ownerReferences"] = [OTHER]
    with pytest.raises(ClusterError):
        await keep(bed.cluster, kept_service(a="c"), None, bed.corrections, NOW)
    assert bed.selector == {"a": "b"}


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_object_that_was_given_another_owner_is_taken_back(version: str) -> None:
    bed = Bed(kept_service(a="b"))
    bed.live["metadata"]["ownerReferences"] = [OTHER]
    assert (await bed.keep(kept_service(version, a="b"))).written
    assert OWNER in bed.live["metadata"]["ownerReferences"]


async def test_a_new_manifest_is_no_correction() -> None:
    bed = Bed(kept_service(a="b"))
    assert await bed.keep(kept_service("2", a="c")) == Kept(written=True)
    assert bed.selector == {"a": "c"}


async def test_what_was_changed_added_and_put_back_is_told_with_its_places() -> None:
    bed = Bed(kept_service(a="b", c="d"))
    bed.live["spec"]["selector"].update(a="x", e="f")
    expected = ("spec.selector.a", "spec.selector.e")
    assert await bed.keep(kept_service(a="b", c="d")) == Kept(written=True, corrected=expected)
    assert bed.selector == {"a": "b", "c": "d"}


async def test_what_is_added_while_a_change_is_put_back_is_removed_too() -> None:
    bed = Bed(kept_service(a="b"))
    bed.live["spec"]["selector"]["a"] = "x"
    left = [{"e": "f"}]

    def adds_once(_: ObjectKind, live: JsonObject) -> None:
        live["spec"]["selector"].update(left.pop() if left else {})

    bed.cluster.webhooks.append(adds_once)
    expected = ("spec.selector.a", "spec.selector.e")
    assert await bed.keep(kept_service(a="b")) == Kept(written=True, corrected=expected)
    assert bed.selector == {"a": "b"}


async def test_what_is_changed_each_time_is_put_back_five_times_and_told() -> None:
    bed = Bed(kept_service(a="b"))

    def changes(_: ObjectKind, live: JsonObject) -> None:
        live["spec"]["selector"]["a"] = "x"

    changes(SERVICE, bed.live)
    bed.cluster.webhooks.append(changes)
    for _ in range(5):
        found = await bed.keep(kept_service(a="b"))
        assert found == Kept(written=True, drifted=("spec.selector.a",))
    assert await bed.keep(kept_service(a="b")) == Kept(drifted=("spec.selector.a",))


def test_an_event_and_a_condition_name_the_object_and_its_places() -> None:
    event = correction(kept_service(), ["spec.b", "spec.a"])
    assert (event.warning, event.reason) == (True, "DriftCorrected")
    assert event.message == (
        'Service "helper" was changed by somebody else and is put back: spec.a, spec.b'
    )
    problem = drifted(kept_service(), ["spec.b", "spec.a"])
    assert (problem.condition, problem.reason, problem.retry) == ("ObjectsInSync", "Drifted", False)
    assert problem.message.startswith('Service "helper" is changed by somebody else each time')
    assert "tried 5 times in 10 minutes: spec.a, spec.b; find" in problem.message
    assert "kubectl get service helper -o yaml" in problem.message


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_patch_removes_exactly_what_was_added(theirs: list[bool]) -> None:
    entries = [{"name": str(index)} for index in range(len(theirs))]
    added = [
        Addition("", f"/list/{index}", entries[index]) for index, each in enumerate(theirs) if each
    ]
    for operation in removal(added):
        index = int(operation["path"].rpartition("/")[2])
        if operation["op"] == "test":
            assert entries[index] == operation["value"]
        else:
            del entries[index]
    assert [int(each["name"]) for each in entries] == [
        index for index, each in enumerate(theirs) if not each
    ]
