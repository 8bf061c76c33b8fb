"""Pods run as and read only what belongs to their agent."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.files.auth import AuthFile, ManagementAuth
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    HPA,
    LABELLED,
    OWNED,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    ObjectKind,
)
from omnia_operator.labels import OwnedNames
from omnia_operator.manifests import Used, uses
from omnia_operator.reconcile.credentials import with_issuers
from omnia_operator.resolve import Found, NoKeys
from omnia_operator.scheduling import Requeue
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster, config_map, everything, secret, settled, unavailable
from tests.operator.test_external_auth import client_key

KEYS = {"api-key": base64.b64encode(b"key").decode()}
GOLDEN = sorted(path.parent for path in objects.DATA.glob("golden/*/in.yaml"))
OTHER = {"apiVersion": "v1", "kind": "Thing", "name": "other", "uid": "other"}


def shared(document: JsonObject) -> JsonObject:
    granted = objects.merge(document, {"spec": {"allowedNamespaces": ["default"]}})
    return objects.merge(granted, {"metadata": {"namespace": "shared"}})


def agent(change: JsonObject | None = None) -> tuple[JsonObject, ...]:
    """An agent with an object of each kind, and the objects that it refers to."""
    reference = {"name": "default", "providerRef": {"name": "model", "namespace": "shared"}}
    spec = {"providers": [reference], "externalAuth": {"clientKeys": {}}}
    provider = objects.provider({"type": "openai", "model": "m", "secretRef": {"name": "keys"}})
    return (
        *everything(objects.merge(spec, change or {}))[:3],
        shared(provider),
        secret("keys", KEYS, "shared"),
        client_key("ann", "a long key"),
    )


def function() -> tuple[JsonObject, ...]:
    return objects.function(), *everything()[1:]


def foreign(kind: ObjectKind, name: str = "helper", **metadata: object) -> JsonObject:
    """An object of somebody else, which the operator may not change."""
    field = "data" if kind in (CONFIG_MAP, SECRET) else "spec"
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, **metadata},
        field: {"theirs": "eA=="},
    }


POD_OBJECTS = [
    (agent, SERVICE_ACCOUNT, "omnia-helper-agent"),
    (agent, CONFIG_MAP, "omnia-helper-auth"),
    (agent, CONFIG_MAP, "omnia-helper-pack"),
    (agent, CONFIG_MAP, "omnia-helper-providers"),
    (agent, CONFIG_MAP, "omnia-helper-tools"),
    (agent, SECRET, "omnia-helper-auth"),
    (agent, SECRET, "omnia-helper-provider-keys"),
    (everything, SECRET, "omnia-helper-auth"),  # mounted, although the agent has no client keys
    (function, CONFIG_MAP, "omnia-helper-function"),
]
each_pod_object = pytest.mark.parametrize(
    ("documents", "kind", "name"),
    POD_OBJECTS,
    ids=[f"{made.__name__}-{kind}-{name}" for made, kind, name in POD_OBJECTS],
)


@each_pod_object
@pytest.mark.parametrize("owners", [[], [OTHER]], ids=["ownerless", "owned"])
async def test_no_pod_starts_with_an_object_of_somebody_else(
    documents: Any, kind: ObjectKind, name: str, owners: list[JsonObject]
) -> None:
    theirs = foreign(kind, name, ownerReferences=owners)
    cluster = await settled(*documents(), theirs)

    assert cluster.names(DEPLOYMENT) == []
    live = cluster.live(kind, name)
    assert live["metadata"].get("ownerReferences") == owners
    assert "labels" not in live["metadata"]
    assert {**live, "metadata": None} == {**theirs, "metadata": None}
    assert cluster.conditions()["Ready"] == "False: NotOwned"
    assert cluster.status()["phase"] == "Failed"
    for words in (f'{kind} "{name}"', "does not belong to this agent", "rename the agent"):
        assert words in cluster.message("Ready")
    assert "delete" not in cluster.message("Ready")


@each_pod_object
async def test_the_agent_starts_when_the_object_of_somebody_else_is_gone(
    documents: Any, kind: ObjectKind, name: str
) -> None:
    cluster = await settled(*documents(), foreign(kind, name))
    # Nothing announces the end of an object without the operator's labels.
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.with_backoff()

    cluster.remove(kind, name)
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()

    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.NO


@each_pod_object
async def test_pods_end_that_would_run_on_with_an_object_of_somebody_else(
    documents: Any, kind: ObjectKind, name: str
) -> None:
    cluster = await settled(*documents())
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    cluster.objects.pop((kind, ("default", name)), None)
    cluster.put(foreign(kind, name))

    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == []
    assert cluster.writes.count("delete Deployment helper") == 1
    assert cluster.conditions()["Ready"] == "False: NotOwned"


async def test_pods_run_on_when_only_a_change_would_need_an_object_of_somebody_else() -> None:
    cluster = await settled(*everything())
    before = cluster.live(DEPLOYMENT)
    cluster.put(foreign(SECRET, "omnia-helper-provider-keys"))

    cluster.put(*agent())
    await cluster.settle()

    assert cluster.live(DEPLOYMENT) == before
    assert cluster.conditions()["Ready"] == "False: NotOwned"


@pytest.mark.parametrize("scaler", ["hpa", "keda"])
async def test_an_autoscaler_does_not_scale_the_deployment_of_somebody_else(scaler: str) -> None:
    scaling = {"runtime": {"autoscaling": {"enabled": True, "minReplicas": 2, "type": scaler}}}
    theirs = foreign(DEPLOYMENT)
    cluster = await settled(*everything(scaling), theirs)

    assert "ownerReferences" not in cluster.live(DEPLOYMENT)["metadata"]
    assert cluster.names(HPA) == cluster.names(SCALED_OBJECT) == []
    assert cluster.conditions()["Ready"] == "False: NotOwned"
    assert cluster.conditions()["AutoscalingReady"].startswith("False")


@pytest.mark.parametrize("scaler", [HPA, SCALED_OBJECT], ids=str)
async def test_an_autoscaler_ends_with_the_deployment_that_it_scaled(scaler: ObjectKind) -> None:
    kind = "hpa" if scaler == HPA else "keda"
    scaling = {"runtime": {"autoscaling": {"enabled": True, "minReplicas": 2, "type": kind}}}
    cluster = await settled(*everything(scaling))
    assert cluster.names(scaler) == ["helper"]
    del cluster.objects[DEPLOYMENT, ("default", "helper")]
    cluster.put(foreign(DEPLOYMENT))

    await cluster.settle()

    assert cluster.names(scaler) == []


async def test_a_service_of_somebody_else_stops_no_pod() -> None:
    cluster = await settled(*everything(), foreign(SERVICE))

    assert cluster.names(DEPLOYMENT) == ["helper"]
    assert cluster.conditions()["ServiceReady"] == "False: NotOwned"


@pytest.mark.parametrize("kind", OWNED, ids=str)
async def test_an_object_without_an_owner_and_with_the_agents_labels_is_adopted(
    kind: ObjectKind,
) -> None:
    scaler = "keda" if kind == SCALED_OBJECT else "hpa"
    scaling = {"runtime": {"autoscaling": {"enabled": True, "minReplicas": 2, "type": scaler}}}
    cluster = await settled(*agent(scaling))
    for (its, _), live in cluster.objects.items():
        if its == kind and live["metadata"].get("labels") == labels.owned("helper"):
            live["metadata"]["ownerReferences"] = []

    await cluster.settle()

    cluster.run_pods()
    await cluster.settle()
    owners = [live["metadata"].get("ownerReferences") for live in cluster.objects.values()]
    assert [] not in owners
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


async def test_keys_of_clients_that_an_earlier_agent_left_are_deleted() -> None:
    left = foreign(SECRET, "omnia-helper-auth", labels=labels.owned("helper"))
    copied = foreign(SECRET, "omnia-helper-auth-backup", labels=labels.owned("helper"))
    cluster = await settled(*everything(), left, copied)

    assert cluster.names(SECRET) == ["omnia-helper-auth-backup"]
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


@pytest.mark.parametrize("missing", sorted(labels.owned("helper")))
async def test_an_object_that_lacks_one_of_the_labels_is_not_adopted(missing: str) -> None:
    marks = {key: value for key, value in labels.owned("helper").items() if key != missing}
    cluster = await settled(
        *everything(), foreign(SERVICE_ACCOUNT, "omnia-helper-agent", labels=marks)
    )

    assert cluster.names(DEPLOYMENT) == []
    assert cluster.conditions()["Ready"] == "False: NotOwned"


async def test_a_failed_creation_holds_back_what_uses_the_object() -> None:
    cluster = FakeCluster(*everything())
    cluster.refuse[SERVICE_ACCOUNT, "omnia-helper-agent"] = unavailable()
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.with_backoff()
    assert cluster.names(DEPLOYMENT) == []

    cluster.refuse.clear()
    await cluster.settle()
    assert cluster.names(DEPLOYMENT) == ["helper"]


@pytest.mark.parametrize("case", GOLDEN, ids=[path.name for path in GOLDEN])
async def test_every_object_is_applied_after_those_that_it_uses(case: Path) -> None:
    documents = yaml.safe_load_all((case / "in.yaml").read_text(encoding="utf-8"))
    cluster = FakeCluster(*documents)
    await cluster.settle()
    ((namespace, name),) = [key for kind, key in cluster.objects if kind == AGENT_RUNTIME]
    applied = [write.split()[1:] for write in cluster.writes if write.startswith("apply ")]
    order = [Used(kind, word) for plural, word in applied for kind in OWNED if kind.name == plural]

    assert {used.name for used in order} <= OwnedNames(name).every
    for position, applied_object in enumerate(order):
        live = cluster.objects[applied_object.kind, (namespace, applied_object.name)]
        own = {used for used in uses(live) if used.name in OwnedNames(name).every}
        assert own & set(order) <= set(order[:position])
        # Those that may be missing are mounted as optional.
        assert own - set(order) <= {
            Used(SECRET, OwnedNames(name).auth_secret),
            Used(SECRET, OwnedNames(name).peer_secret),
            Used(CONFIG_MAP, OwnedNames(name).config_map("rollout")),
        }


def test_the_fake_hides_what_the_watches_do_not_deliver() -> None:
    assert SERVICE_ACCOUNT in LABELLED
    assert not {CONFIG_MAP, SECRET, SERVICE} & LABELLED


def test_every_kind_of_reference_of_a_pod_is_found() -> None:
    pod = {
        "serviceAccountName": "account",
        "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"name": "a", "configMap": {"name": "map"}},
            {"name": "b", "secret": {"secretName": "secret"}},
            {"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
            {
                "name": "d",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "projected-map"}},
                        {"secret": {"name": "projected-secret"}},
                    ]
                },
            },
        ],
        "containers": [
            {
                "envFrom": [{"configMapRef": {"name": "all-map"}}, {"secretRef": {"name": "all"}}],
                "env": [
                    {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
                    {"name": "b", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "secret", "value": "text"},
                ],
            }
        ],
    }
    found = uses({"kind": "Deployment", "spec": {"template": {"spec": pod}}})
    assert {(used.kind.name, used.name) for used in found} == {
        ("ServiceAccount", "account"),
        *(("ConfigMap", name) for name in ("map", "projected-map", "all-map", "m")),
        *(("Secret", name) for name in ("pull", "secret", "csi", "projected-secret", "all", "s")),
    }
    assert uses({"kind": "Deployment", "spec": {"template": {"spec": {}}}}) == {
        Used(SERVICE_ACCOUNT, "default")
    }


VALUES = st.recursive(
    st.sampled_from([None, True, 0, "", "name", "other"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["configMap", "secret", "secretRef", "name", "secretName", "sources"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(volumes=VALUES)
def test_any_volume_is_searched_for_names(volumes: Any) -> None:
    pod = {"serviceAccountName": "account", "volumes": volumes}
    found = uses({"kind": "Deployment", "spec": {"template": {"spec": pod}}})

    assert all(isinstance(used.name, str) for used in found)
    assert Used(SERVICE_ACCOUNT, "account") in found


async def test_the_keys_in_somebody_elses_file_are_not_taken_for_the_last_known_ones() -> None:
    keys = ManagementAuth("https://evil", "audience", (), ({"kid": "theirs"},))
    file = msgspec.json.encode(AuthFile(keys)).decode()
    cluster = FakeCluster(*everything(), config_map("omnia-helper-auth", {"auth.json": file}))
    cluster.issuer = unavailable()

    found = await with_issuers(
        cluster, world.agent(cluster.live(AGENT_RUNTIME)), cluster.issuers, Found()
    )

    assert isinstance(found.cluster_issuer, NoKeys)
    assert found.cluster_issuer.last is None
