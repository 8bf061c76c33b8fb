"""Objects of an agent get other names, and no conversation ends because of that."""

import json
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
)
from omnia_operator.labels import OwnedNames, former_name
from omnia_operator.manifests import uses
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster, config_map, pod, settled, unavailable
from tests.operator.test_external_auth import client_key
from tests.operator.test_ownership import agent, foreign, function

NAMES = OwnedNames("helper")
KINDS = (CONFIG_MAP, SECRET, SERVICE_ACCOUNT)


async def of_an_earlier_operator(*documents: JsonObject) -> FakeCluster:
    """An agent that runs, with a pod, as an operator without the prefix left it."""
    cluster = await settled(*documents)
    for place, live in list(cluster.objects.items()):
        kind, (namespace, name) = place
        text = json.dumps(live).replace('"omnia-helper-', '"helper-')
        del cluster.objects[place]
        if kind == DEPLOYMENT:
            text = text.replace(config_hash(live), "earlier")
        new = former_name(name) if kind in KINDS else name
        cluster.objects[kind, (namespace, new)] = json.loads(text)
    cluster.put(running("old", "earlier"))
    return cluster


def running(name: str, config: str) -> JsonObject:
    annotations = {labels.CONFIG_HASH: config}
    return objects.merge(pod(name), {"metadata": {"annotations": annotations}})


def config_hash(deployment: JsonObject) -> str:
    found: str = deployment["spec"]["template"]["metadata"]["annotations"][labels.CONFIG_HASH]
    return found


def of(cluster: FakeCluster, prefix: str) -> set[tuple[str, str]]:
    """Return kind and name of the objects of the agent whose names begin with a prefix."""
    return {
        (kind.name, name)
        for (kind, (_, name)), live in cluster.objects.items()
        if kind in KINDS
        and name.startswith(prefix)
        and live["metadata"].get("labels") == labels.owned("helper")
    }


def replaced(cluster: FakeCluster) -> None:
    """Let the new pods be ready and the old one go."""
    cluster.run_pods()
    cluster.remove(POD, "old")
    cluster.put(running("new", config_hash(cluster.live(DEPLOYMENT))))


@pytest.mark.parametrize("documents", [agent, function])
async def test_the_pods_are_replaced_once_and_keep_their_objects_until_then(
    documents: Any,
) -> None:
    cluster = await of_an_earlier_operator(*documents())
    former = of(cluster, "helper-")
    assert len(former) >= 4
    assert of(cluster, "omnia-helper-") == set()

    await cluster.settle()

    assert of(cluster, "helper-") == former
    assert {former_name(name) for _, name in of(cluster, "omnia-helper-")} == {
        name for _, name in former
    }
    used = {used.name for used in uses(cluster.live(DEPLOYMENT)) if "helper" in used.name}
    assert all(name.startswith("omnia-helper-") for name in used)

    cluster.run_pods()
    await cluster.settle()
    assert of(cluster, "helper-") == former, "the old pod still ends its conversations"

    replaced(cluster)
    await cluster.settle()
    assert of(cluster, "helper-") == set()
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert cluster.writes.count("apply Deployment helper") == 1
    assert [write for write in cluster.writes if write.startswith("delete Deployment")] == []


async def test_what_changes_meanwhile_reaches_the_old_pods_too() -> None:
    cluster = await of_an_earlier_operator(*agent())
    await cluster.settle()

    cluster.put(config_map("pack-json", {"pack.json": world.PACK_TEXT.replace("kind", "brief")}))
    cluster.put(client_key("bob", "another key"))
    await cluster.settle()

    for prefix in ("helper", "omnia-helper"):
        assert "Be brief." in cluster.live(CONFIG_MAP, f"{prefix}-pack")["data"]["1.0.0.json"]
        assert "bob.keyHash" in cluster.live(SECRET, f"{prefix}-auth")["data"]


async def test_the_last_key_that_is_revoked_meanwhile_is_gone_from_the_old_pods_at_once() -> None:
    cluster = await of_an_earlier_operator(*agent())
    await cluster.settle()

    cluster.remove(SECRET, "ann")
    await cluster.settle()

    assert not {("Secret", name) for name in ("helper-auth", NAMES.auth_secret)} & of(cluster, "")
    assert "annotate Pod old" in cluster.writes


async def test_an_evicted_pod_keeps_nothing() -> None:
    cluster = await of_an_earlier_operator(*agent())
    cluster.put(objects.merge(running("evicted", "earlier"), {"status": {"phase": "Failed"}}))
    await cluster.settle()
    replaced(cluster)
    await cluster.settle()

    assert of(cluster, "helper-") == set()


async def test_old_pods_keep_their_objects_while_a_new_name_is_taken() -> None:
    cluster = await of_an_earlier_operator(*agent())
    former = of(cluster, "helper-")
    before = cluster.live(DEPLOYMENT)
    cluster.put(foreign(CONFIG_MAP, NAMES.config_map("pack")))

    await cluster.settle()

    assert cluster.live(DEPLOYMENT) == before
    assert of(cluster, "helper-") == former
    assert cluster.conditions()["Ready"] == "False: NotOwned"


async def test_an_agent_runs_beside_a_pack_with_the_name_that_it_would_have_taken() -> None:
    theirs = foreign(CONFIG_MAP, "helper-pack"), foreign(SERVICE_ACCOUNT, "helper-agent")
    cluster = await settled(*agent(), *theirs)

    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert cluster.live(CONFIG_MAP, "helper-pack")["data"] == {"theirs": "eA=="}


async def test_the_pods_that_ran_as_somebody_elses_account_are_replaced() -> None:
    cluster = await of_an_earlier_operator(*agent())
    del cluster.objects[SERVICE_ACCOUNT, ("default", "helper-agent")]
    cluster.put(foreign(SERVICE_ACCOUNT, "helper-agent"))

    await cluster.settle()
    replaced(cluster)
    await cluster.settle()

    spec = cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == NAMES.service_account
    assert "ownerReferences" not in cluster.live(SERVICE_ACCOUNT, "helper-agent")["metadata"]
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


async def test_the_last_known_keys_of_the_cluster_are_found_under_the_former_name() -> None:
    cluster = await of_an_earlier_operator(*agent())
    cluster.issuer = unavailable()
    cluster.issuers = FakeCluster().issuers  # another operator, which remembers nothing

    await cluster.settle()

    assert "c1" in cluster.live(CONFIG_MAP, NAMES.config_map("auth"))["data"]["auth.json"]


async def test_an_object_under_a_former_name_that_nobody_owns_is_deleted() -> None:
    left = foreign(CONFIG_MAP, "helper-tools", labels=labels.owned("helper"))
    cluster = await settled(*agent(), left)

    assert of(cluster, "helper-") == set()
    assert (AGENT_RUNTIME, ("default", "helper")) in cluster.objects
