"""What a world becomes when its resources are reconciled."""

import copy
import itertools

import pytest

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    HPA,
    HTTP_ROUTE,
    INGRESS,
    OWNED,
    PDB,
    POD,
    PROMPT_PACK,
    PROVIDER,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    TOOL_REGISTRY,
)
from omnia_operator.scheduling import Requeue
from tests.operator import objects, world
from tests.operator.cluster import (
    NOW,
    SETTINGS,
    FakeCluster,
    config_map,
    everything,
    pod,
    secret,
    settled,
    unavailable,
)
from tests.operator.objects import BEARER, OPENAI, encoded

NOT_OF_ALL = (SECRET, HPA, INGRESS, HTTP_ROUTE)
SCALED: JsonObject = {"enabled": True, "minReplicas": 2}


def config_hash(cluster: FakeCluster) -> str:
    template = cluster.live(DEPLOYMENT)["spec"]["template"]
    return str(template["metadata"]["annotations"][labels.CONFIG_HASH])


async def test_an_agent_gets_its_objects_and_runs() -> None:
    cluster = await settled(*everything())

    assert cluster.names(DEPLOYMENT) == cluster.names(SERVICE) == ["helper"]
    assert cluster.names(SERVICE_ACCOUNT) == ["omnia-helper-agent"]
    assert cluster.names(CONFIG_MAP) == [
        "omnia-helper-auth",
        "omnia-helper-pack",
        "omnia-helper-providers",
        "omnia-helper-tools",
        "pack-json",
    ]
    status = cluster.status()
    assert status["phase"] == "Running"
    assert status["replicas"] == {"desired": 1, "ready": 1, "available": 1, "current": 1}
    assert status["activeVersion"] == "1.0.0"
    assert status["serviceEndpoint"] == "helper.default.svc.cluster.local:8080"
    assert status["observedGeneration"] == 1
    assert cluster.conditions() == {
        "Ready": "True: RuntimeReady",
        "DeploymentReady": "True: DeploymentCreated",
        "ServiceReady": "True: ServiceCreated",
        "PromptPackReady": "True: PromptPackFound",
        "ProviderReady": "True: ProviderFound",
        "ExternalAuth": "True: DashboardOnly",
    }


async def test_a_second_run_applies_nothing() -> None:
    cluster = await settled(*everything({"toolRegistryRef": {"name": "tools"}}), objects.registry())

    await cluster.settle(now="2027-01-01T00:00:00Z")

    assert cluster.writes == []


ORDERS = list(itertools.permutations(range(4)))


@pytest.mark.parametrize("order", ORDERS, ids=["".join(map(str, order)) for order in ORDERS])
async def test_references_may_appear_in_any_order(order: tuple[int, ...]) -> None:
    documents = everything()
    cluster = FakeCluster()
    for index in order:
        cluster.put(documents[index])
        await cluster.settle()
    cluster.run_pods()
    await cluster.settle()

    assert cluster.status()["phase"] == "Running"


@pytest.mark.parametrize("replicas", [1, 3])
async def test_an_agent_is_ready_when_no_pod_of_an_earlier_version_is_left(replicas: int) -> None:
    cluster = await settled(*everything({"runtime": {"replicas": replicas}}))
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"

    agent = copy.deepcopy(cluster.live(AGENT_RUNTIME))
    agent["spec"]["facade"] = {"image": "registry.example/facade:2"}
    cluster.put(agent)
    await cluster.settle()
    assert cluster.conditions()["Ready"] == "False: RuntimeNotReady"
    cluster.surge()
    await cluster.settle()
    assert cluster.conditions()["Ready"] == "False: RuntimeNotReady"
    assert f"{replicas} of an earlier version serve until then" in cluster.message("Ready")

    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not there"}}}
    cluster.put(pod("helper-2", waiting))
    await cluster.settle()
    assert cluster.conditions()["Ready"] == "False: ImagePullBackOff"
    assert cluster.status()["phase"] == "Failed"
    assert cluster.events[-1] == ("helper", "ImagePullBackOff")

    cluster.remove(POD, "helper-2")
    cluster.run_pods()
    await cluster.settle()
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


async def test_an_agent_without_its_references_waits_and_says_for_what() -> None:
    cluster = await settled(objects.agent())

    assert cluster.names(DEPLOYMENT) == []
    assert cluster.status()["phase"] == "Pending"
    assert cluster.conditions() == {
        "Ready": "False: RuntimeNotReady",
        "DeploymentReady": "False: DeploymentPending",
        "ServiceReady": "False: ServicePending",
        "PromptPackReady": "False: PromptPackNotFound",
        "ProviderReady": "False: ProviderNotFound",
    }
    assert "create it, or correct spec.promptPackRef.name" in cluster.message("Ready")
    assert ("helper", "ProviderNotFound") in cluster.events


@pytest.mark.parametrize("kind", [each for each in OWNED if each not in NOT_OF_ALL], ids=str)
async def test_an_owned_object_that_is_deleted_comes_back(kind: object) -> None:
    scaling = {"autoscaling": {**SCALED, "type": "keda"}}
    cluster = await settled(*everything({"runtime": scaling}))
    before = dict(cluster.objects)
    owned = [place for place in before if place[0] == kind and place[1][1] != "pack-json"]
    assert owned
    for place in owned:
        del cluster.objects[place]

    await cluster.settle()

    assert set(cluster.objects) == set(before)


async def test_an_owned_object_that_is_edited_is_mended() -> None:
    cluster = await settled(*everything())
    cluster.live(SERVICE)["spec"]["ports"][0]["port"] = 1
    cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["image"] = "other"

    await cluster.settle()

    assert cluster.live(SERVICE)["spec"]["ports"][0]["port"] == 8080
    containers = cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == SETTINGS.facade_image
    assert [each for each in cluster.writes if "apply" in each] == [
        "apply Service helper",
        "apply Deployment helper",
    ]


async def test_what_others_add_to_an_object_is_left_alone() -> None:
    cluster = await settled(*everything({"runtime": {"autoscaling": SCALED}}))
    cluster.live(DEPLOYMENT)["spec"]["replicas"] = 7
    template = cluster.live(DEPLOYMENT)["spec"]["template"]["metadata"]
    template["annotations"]["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z"
    template["labels"]["mesh"] = "yes"
    cluster.live(SERVICE)["metadata"]["annotations"]["mesh"] = "yes"

    await cluster.settle()

    assert [each for each in cluster.writes if "apply" in each] == []
    assert cluster.live(DEPLOYMENT)["spec"]["replicas"] == 7


async def test_the_api_servers_spelling_is_no_difference() -> None:
    limits = {"requests": {"cpu": "1000m", "memory": "0.5Gi"}, "limits": {"cpu": 2}}
    cluster = await settled(*everything({"runtime": {"resources": limits}}))
    container = cluster.live(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][1]
    container["resources"] = {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"cpu": "2"}}

    await cluster.settle()

    assert cluster.writes == []


async def test_what_is_wanted_no_more_is_deleted() -> None:
    cluster = await settled(*everything({"runtime": {"autoscaling": SCALED}}))
    assert cluster.names(HPA) == cluster.names(PDB) == ["helper"]

    cluster.put(objects.agent())
    await cluster.settle()

    assert cluster.names(HPA) == cluster.names(PDB) == []


async def test_the_other_autoscaler_takes_over() -> None:
    cluster = await settled(*everything({"runtime": {"autoscaling": SCALED}}))

    cluster.put(objects.agent({"runtime": {"autoscaling": {**SCALED, "type": "keda"}}}))
    await cluster.settle()

    assert (cluster.names(HPA), cluster.names(SCALED_OBJECT)) == ([], ["helper"])
    assert cluster.conditions()["AutoscalingReady"] == "True: Scaling"


@pytest.mark.parametrize(("fewest", "pods"), [(0, 1), (1, 1), (2, 2)])
async def test_without_keda_the_agent_runs_unscaled_and_says_so(fewest: int, pods: int) -> None:
    scaling = {**SCALED, "type": "keda", "minReplicas": fewest}
    cluster = await settled(*everything({"runtime": {"autoscaling": scaling}}), keda=False)

    assert cluster.live(DEPLOYMENT)["spec"]["replicas"] == pods
    assert cluster.names(PDB) == (["helper"] if pods > 1 else [])
    assert cluster.conditions()["AutoscalingReady"] == "False: KEDANotInstalled"
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert ("helper", "KEDANotInstalled") in cluster.events


async def test_somebody_elses_object_is_left_alone() -> None:
    theirs = config_map("omnia-helper-tools", {"tools.yaml": "mine"})
    cluster = await settled(*everything(), theirs)

    assert cluster.live(CONFIG_MAP, "omnia-helper-tools")["data"] == {"tools.yaml": "mine"}
    assert cluster.conditions()["DeploymentReady"] == "False: NotOwned"
    assert "does not belong to this agent" in cluster.message("Ready")
    assert cluster.status()["phase"] == "Failed"


async def test_deleting_an_agent_leaves_nothing() -> None:
    cluster = await settled(*everything())
    cluster.remove(AGENT_RUNTIME, "helper")

    await cluster.settle()

    assert [place for place in cluster.objects if place[0] in OWNED] == [
        (CONFIG_MAP, ("default", "pack-json"))
    ]


async def test_an_agent_on_its_way_out_is_let_go() -> None:
    agent = objects.agent(None, deletionTimestamp=NOW, finalizers=["x/y"])
    cluster = await settled(agent, *everything()[1:])

    assert cluster.names(DEPLOYMENT) == []


async def test_a_new_prompt_changes_a_file_and_not_the_pods() -> None:
    cluster = await settled(*everything(), pod("helper-1"))
    before = config_hash(cluster)

    cluster.put(config_map("pack-json", {"pack.json": world.PACK_TEXT.replace("kind", "brief")}))
    await cluster.settle()

    assert "Be brief." in cluster.live(CONFIG_MAP, "omnia-helper-pack")["data"]["1.0.0.json"]
    assert config_hash(cluster) == before
    assert [each for each in cluster.writes if "PromptPack" not in each] == [
        "apply ConfigMap omnia-helper-pack",
        "annotate Pod helper-1",
    ]
    assert labels.FILES_HASH in cluster.live(POD, "helper-1")["metadata"]["annotations"]


async def test_a_new_tool_changes_a_file_and_not_the_pods() -> None:
    agent = everything({"toolRegistryRef": {"name": "tools"}})
    cluster = await settled(*agent, objects.registry())
    before = config_hash(cluster)

    clock = objects.handler({"name": "clock", "tool": {"name": "clock"}})
    cluster.put(objects.registry(objects.handler(), clock))
    await cluster.settle()

    assert "clock" in cluster.live(CONFIG_MAP, "omnia-helper-tools")["data"]["tools.yaml"]
    assert config_hash(cluster) == before


async def test_a_new_key_rolls_the_pods() -> None:
    there = [*everything()[:3], objects.provider(OPENAI)]
    cluster = await settled(*there, secret("keys", {"api-key": encoded("one")}))
    before = config_hash(cluster)

    cluster.put(secret("keys", {"api-key": encoded("two")}))
    await cluster.settle()

    assert config_hash(cluster) != before
    assert encoded("two") not in str(cluster.live(DEPLOYMENT))


async def test_another_key_of_the_same_secret_rolls_nothing() -> None:
    there = [*everything()[:3], objects.provider(OPENAI)]
    cluster = await settled(*there, secret("keys", {"api-key": encoded("one")}))

    cluster.put(secret("keys", {"api-key": encoded("one"), "other": encoded("x")}))
    await cluster.settle()

    assert cluster.writes == []


async def test_a_new_credential_of_a_tool_rolls_nothing() -> None:
    agent = everything({"toolRegistryRef": {"name": "tools"}})
    registry = objects.registry(objects.handler({"auth": BEARER}))
    cluster = await settled(*agent, registry, secret("crm", {"token": encoded("one")}))
    before = cluster.live(DEPLOYMENT)

    cluster.put(secret("crm", {"token": encoded("two")}))
    await cluster.settle()

    assert cluster.live(DEPLOYMENT) == before
    assert not [each for each in cluster.writes if "Deployment" in each]
    for kind in (DEPLOYMENT, CONFIG_MAP):
        for name in cluster.names(kind):
            text = str(cluster.live(kind, name))
            assert encoded("one") not in text
            assert encoded("two") not in text


async def test_a_credential_of_a_granted_registry_is_copied_and_follows_without_a_new_pod() -> None:
    reference = {"toolRegistryRef": {"name": "tools", "namespace": "shared"}}
    handlers = [objects.handler({"auth": BEARER})]
    registry = objects.registry(*handlers, allowedNamespaces=["default"])
    foreign = objects.merge(registry, {"metadata": {"namespace": "shared"}})
    cluster = await settled(
        *everything(reference), foreign, secret("crm", {"token": encoded("one")}, "shared")
    )
    name = "omnia-helper-provider-keys"
    assert cluster.live(SECRET, name)["data"] == {"tool.weather": encoded("one")}
    before = config_hash(cluster)

    cluster.put(secret("crm", {"token": encoded("two")}, "shared"))
    await cluster.settle()

    assert cluster.live(SECRET, name)["data"] == {"tool.weather": encoded("two")}
    assert config_hash(cluster) == before


async def test_an_agent_runs_without_the_secret_of_a_tool() -> None:
    agent = everything({"toolRegistryRef": {"name": "tools"}})
    cluster = await settled(*agent, objects.registry(objects.handler({"auth": BEARER})))
    assert cluster.status()["phase"] == "Running"


async def test_a_function_with_other_schemas_is_rolled() -> None:
    cluster = await settled(objects.function(), *everything()[1:])
    before = config_hash(cluster)

    cluster.put(objects.function({"inputSchema": {"type": "object", "required": ["a"]}}))
    await cluster.settle()

    assert config_hash(cluster) != before


async def test_a_granted_key_of_another_namespace_is_copied_and_follows() -> None:
    foreign = objects.merge(
        objects.provider(OPENAI | {"allowedNamespaces": ["default"]}),
        {"metadata": {"namespace": "shared"}},
    )
    reference = {"name": "default", "providerRef": {"name": "model", "namespace": "shared"}}
    cluster = await settled(
        *everything({"providers": [reference]})[:3],
        foreign,
        secret("keys", {"api-key": encoded("one"), "other": encoded("x")}, "shared"),
    )
    name = "omnia-helper-provider-keys"
    assert cluster.live(SECRET, name)["data"] == {"default": encoded("one")}
    before = config_hash(cluster)

    cluster.put(secret("keys", {"api-key": encoded("two")}, "shared"))
    await cluster.settle()

    assert cluster.live(SECRET, name)["data"] == {"default": encoded("two")}
    assert config_hash(cluster) != before
    cluster.live(SECRET, name)["data"] = {"default": encoded("edited")}
    await cluster.settle()
    assert cluster.live(SECRET, name)["data"] == {"default": encoded("two")}


@pytest.mark.parametrize("kind", ["redis", "postgres"])
async def test_a_session_store_needs_its_address(kind: str) -> None:
    session = {"session": {"type": kind, "storeRef": {"name": "store"}}}
    cluster = await settled(*everything(session))
    assert cluster.conditions()["SessionStoreReady"] == "False: SecretNotFound"

    cluster.put(secret("store", {"url": encoded("x://r")}))
    await cluster.settle()

    assert cluster.conditions()["SessionStoreReady"] == "True: SecretFound"
    text = str(cluster.live(DEPLOYMENT))
    assert f"'OMNIA_SESSION_TYPE', 'value': '{kind}'" in text
    assert "{'name': 'store', 'key': 'url'}" in text


async def test_an_invalid_spec_is_told_and_the_pods_run_on() -> None:
    cluster = await settled(*everything())

    cluster.put(objects.function({"inputSchema": {"type": "no such type"}}))
    await cluster.settle()

    assert cluster.status()["phase"] == "Failed"
    assert cluster.conditions()["Ready"] == "False: InvalidSpec"
    assert cluster.conditions()["DeploymentReady"] == "True: DeploymentCreated"
    assert "spec.inputSchema" in cluster.message("Ready")
    assert cluster.names(DEPLOYMENT) == ["helper"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"inputSchema": {"properties": {"a/b": {"minimum": "x"}}}},
            ["spec.inputSchema", "/properties/a~1b/minimum", '"x" is not of type "number"'],
        ),
        ({"outputSchema": {"$ref": "#/$defs/gone"}}, ["spec.outputSchema", "/$defs/gone"]),
        (
            {"outputSchema": {"$ref": "https://example.com/s.json"}},
            ["spec.outputSchema", "another document", 'put it under "$defs"'],
        ),
    ],
)
async def test_a_schema_that_does_not_compile_is_a_condition_that_says_where(
    change: JsonObject, said: list[str]
) -> None:
    cluster = await settled(*everything())

    cluster.put(objects.function(change))
    await cluster.settle()

    assert cluster.conditions()["Ready"] == "False: InvalidSpec"
    assert [each for each in said if each not in cluster.message("Ready")] == []


async def test_a_registry_that_cannot_be_used_is_named() -> None:
    broken = objects.handler({"tool": {"inputSchema": {"type": "no such type"}}})
    agent = everything({"toolRegistryRef": {"name": "tools"}})
    cluster = await settled(*agent, objects.registry(broken))

    assert cluster.conditions()["ToolRegistryReady"] == "False: ToolRegistryInvalid"
    assert cluster.status("tools", TOOL_REGISTRY)["phase"] == "Failed"


async def test_a_refusal_by_the_api_server_is_told_and_the_rest_is_made() -> None:
    cluster = FakeCluster(*everything())
    refusal = ClusterError(Code.INVALID_ARGUMENT, "quota exceeded", transient=False)
    cluster.refuse[DEPLOYMENT, "helper"] = refusal
    await cluster.settle()

    assert cluster.names(SERVICE) == ["helper"]
    assert cluster.conditions()["DeploymentReady"] == "False: DeploymentFailed"
    assert "quota exceeded" in cluster.message("Ready")


async def test_a_failure_that_passes_is_tried_again() -> None:
    cluster = FakeCluster(*everything())
    cluster.refuse[SERVICE, "helper"] = unavailable()

    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.with_backoff()
    cluster.refuse.clear()
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.NO
    assert cluster.names(SERVICE) == ["helper"]


async def test_an_event_is_written_once() -> None:
    cluster = await settled(*everything())
    told = list(cluster.events)
    assert told.count(("helper", "RuntimeReady")) == 1

    cluster.put(objects.agent({"runtime": {"extraEnv": [{"name": "A", "value": "1"}]}}))
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()

    assert cluster.events.count(("helper", "RuntimeReady")) <= 2


async def test_a_pack_knows_who_uses_it() -> None:
    cluster = await settled(*everything())

    status = cluster.status("pack", PROMPT_PACK)
    assert (status["phase"], status["activeVersion"]) == ("Active", "1.0.0")
    assert cluster.conditions("pack", PROMPT_PACK) == {
        "SourceValid": "True: SourceValid",
        "SchemaValid": "True: SchemaValid",
        "AgentsNotified": "True: AgentsNotified",
    }
    cluster.remove(AGENT_RUNTIME, "helper")
    await cluster.settle()
    conditions = cluster.conditions("pack", PROMPT_PACK)
    assert conditions["AgentsNotified"] == "True: NoAgentsToNotify"


async def test_the_highest_version_that_can_be_used_is_active() -> None:
    cluster = await settled(
        *everything(),
        objects.pack({"packName": "pack", "version": "1.1.0"}, name="next"),
        config_map("next-json", {"pack.json": world.PACK_TEXT}),
    )
    assert cluster.status("pack", PROMPT_PACK)["phase"] == "Superseded"
    assert cluster.status("next", PROMPT_PACK)["phase"] == "Active"
    assert cluster.status()["activeVersion"] == "1.1.0"

    cluster.put(config_map("next-json", {"pack.json": "{"}))
    await cluster.settle()

    assert cluster.status("next", PROMPT_PACK)["phase"] == "Failed"
    assert cluster.conditions("next", PROMPT_PACK)["SchemaValid"] == "False: SchemaValidationFailed"
    assert cluster.status("pack", PROMPT_PACK)["phase"] == "Active"
    assert cluster.status()["activeVersion"] == "1.0.0"


@pytest.mark.parametrize(
    ("document", "data", "phase", "conditions"),
    [
        (OPENAI, {"api-key": "eA=="}, "Ready", ["True: SecretFound", "True: CredentialConfigured"]),
        (OPENAI, {"x": ""}, "Error", ["False: SecretKeyMissing", "False: CredentialRequired"]),
        (OPENAI, None, "Error", ["False: SecretNotFound", "False: CredentialRequired"]),
        ({}, None, "Ready", ["True: NoSecretRequired", "True: NoCredentialRequired"]),
        ({"mock": {"configMapRef": {"name": "no"}}}, None, "Error", ["False: ProviderNotReady"]),
    ],
)
async def test_a_provider_says_whether_it_can_be_used(
    document: JsonObject, data: dict[str, str] | None, phase: str, conditions: list[str]
) -> None:
    secrets = [] if data is None else [secret("keys", data)]
    cluster = await settled(objects.provider(document), *secrets)

    assert cluster.status("model", PROVIDER)["phase"] == phase
    assert list(cluster.conditions("model", PROVIDER).values()) == conditions
