"""Pods that fit a platform: what the chart gives all agents, what each asks for, how it scales."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.env import OperatorEnv
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import InvalidResource
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.crd import definition
from omnia_operator.api.workload import PodDefaults
from omnia_operator.cluster.kinds import DEPLOYMENT, SERVICE, SERVICE_ACCOUNT
from omnia_operator.labels import selector
from omnia_operator.manifests import render
from omnia_operator.plan import PodPlan, Settings, plan
from omnia_operator.policy import Policy
from omnia_operator.resolve import Resolved, resolve
from omnia_operator.settings import settings_of
from tests.operator import objects, world
from tests.operator.cluster import SETTINGS, FakeCluster, everything, pod, settled
from tests.operator.test_findings_of_anything import places, replaced

ENV = OperatorEnv(facade_image="facade:1", runtime_image="runtime:1")
CHART: JsonObject = {
    "podLabels": {"team": "platform", "cost": "shared"},
    "podAnnotations": {"a": "chart"},
    "serviceAccountAnnotations": {"role": "chart"},
    "priorityClassName": "chart",
    "nodeSelector": {"disk": "ssd", "zone": "a"},
    "tolerations": [{"key": "chart"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"topologyKey": "chart"}],
}
SPREAD = {"labelSelector": {"matchLabels": selector("helper")}}
PROXY = {"name": "proxy", "image": "registry.example/proxy:1"}


def settings(chart: JsonObject) -> Settings:
    text = msgspec.json.encode(chart).decode()
    return settings_of(msgspec.structs.replace(ENV, pod_defaults=text))


def pods(runtime: JsonObject, chart: JsonObject | None = None) -> PodPlan:
    there = world.found(objects.pack(), objects.provider())
    agent = world.resolved(objects.agent({"runtime": runtime}), there)
    return plan(agent, settings(chart or {})).pods


def test_pods_have_what_the_chart_gives_to_all() -> None:
    made = pods({}, CHART)

    assert made.labels == CHART["podLabels"]
    assert made.annotations == CHART["podAnnotations"]
    assert made.service_account_annotations == CHART["serviceAccountAnnotations"]
    assert made.priority_class == "chart"
    assert made.node_selector == CHART["nodeSelector"]
    assert list(made.tolerations) == CHART["tolerations"]
    assert made.affinity == CHART["affinity"]
    assert list(made.topology) == [{**SPREAD, "topologyKey": "chart"}]


def test_what_an_agent_asks_for_wins_and_maps_are_merged() -> None:
    own: JsonObject = {
        "podLabels": {"team": "support"},
        "podAnnotations": {"b": "own"},
        "serviceAccountAnnotations": {"role": "own"},
        "priorityClassName": "own",
        "nodeSelector": {"zone": "b"},
        "tolerations": [{"key": "own"}],
        "affinity": {"podAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "own", "labelSelector": {}}],
    }
    made = pods(own, CHART)

    assert made.labels == {"team": "support", "cost": "shared"}
    assert made.annotations == {"a": "chart", "b": "own"}
    assert made.service_account_annotations == {"role": "own"}
    assert made.priority_class == "own"
    assert made.node_selector == {"disk": "ssd", "zone": "b"}
    assert list(made.tolerations) == [{"key": "own"}]
    assert made.affinity == {"podAffinity": {}}
    assert list(made.topology) == [{"topologyKey": "own", "labelSelector": {}}]


def test_empty_values_of_the_chart_are_no_values() -> None:
    empty: JsonObject = {
        "podLabels": {},
        "priorityClassName": "",
        "affinity": {},
        "nodeSelector": None,
        "tolerations": [],
        "topologySpreadConstraints": [],
    }
    assert settings(empty).pods == PodDefaults()
    assert len(pods({}, empty).topology) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ('{"podLabel": {"a": "b"}}', "podLabel: unknown field podLabel; did you mean podLabels"),
        ('{"podLabels": {"a": 1}}', "podLabels.a: expected a string, found 1"),
        ('{"podLabels": {"app.kubernetes.io/name": "x"}}', "podLabels: the labels app.kubern"),
        ('{"tolerations": {"key": "a"}}', "tolerations: expected a list"),
        ('{"pod_labels": {"a": "b"}}', "unknown field pod_labels; did you mean podLabels"),
    ],
)
def test_values_of_the_chart_that_cannot_work_end_the_operator(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_of(msgspec.structs.replace(ENV, pod_defaults=text))
    assert "OMNIA_POD_DEFAULTS: " in str(refused.value)
    assert said in str(refused.value)


def test_images_are_pulled_with_the_secrets_of_chart_and_agent() -> None:
    there = world.found(objects.pack(), objects.provider())
    own = {"runtime": {"imagePullSecrets": [{"name": "own"}, {"name": "shared"}]}}
    chart = Settings(image_pull_secrets=("shared", "chart"))
    made = plan(world.resolved(objects.agent(own), there), chart)

    assert [each["name"] for each in made.pods.pull_secrets] == ["shared", "chart", "own"]


def template(cluster: FakeCluster) -> Any:
    return cluster.live(DEPLOYMENT)["spec"]["template"]


async def test_no_label_and_no_annotation_replaces_one_of_the_operator() -> None:
    cluster = await settled(*everything({"runtime": {"podLabels": {"a": "b"}}}))
    metadata = template(cluster)["metadata"]

    assert metadata["labels"]["a"] == "b"
    chosen = cluster.live(SERVICE)["spec"]["selector"]
    assert chosen == cluster.live(DEPLOYMENT)["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= metadata["labels"].items()


async def test_pods_run_as_the_account_of_the_user_where_the_policy_allows_it() -> None:
    allowing = replace(SETTINGS, policy=Policy(custom_service_accounts=True))
    cluster = await settled(*everything())
    assert cluster.names(SERVICE_ACCOUNT) == ["omnia-helper-agent"]

    cluster.put(objects.agent({"runtime": {"serviceAccountName": "mine"}}))
    await cluster.settle(allowing)

    assert template(cluster)["spec"]["serviceAccountName"] == "mine"
    assert template(cluster)["spec"]["automountServiceAccountToken"] is False
    assert cluster.names(SERVICE_ACCOUNT) == []


async def test_an_init_container_that_cannot_start_is_told() -> None:
    cluster = FakeCluster(*everything({"runtime": {"initContainers": [PROXY]}}))
    await cluster.settle()
    waiting = {"name": "proxy", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    started = pod("helper-1")
    cluster.put({**started, "status": {"initContainerStatuses": [waiting]}})

    await cluster.settle()

    assert cluster.conditions()["Ready"] == "False: ImagePullBackOff"
    assert "container proxy of pod helper-1" in cluster.message("Ready")


async def test_a_volume_of_an_extra_container_is_there_without_a_runtime() -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    runtime = {
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "unused", "emptyDir": {}}],
        "extraContainers": [{**PROXY, "volumeMounts": mounts}],
    }
    change = {"promptPackRef": None, "providers": None, "facade": {"handler": "echo"}}
    cluster = await settled(objects.agent({**change, "runtime": runtime}))

    names = [each["name"] for each in template(cluster)["spec"]["volumes"]]
    assert "data" in names
    assert "unused" not in names


async def test_a_change_of_the_number_of_pods_replaces_none() -> None:
    cluster = await settled(*everything({"runtime": {"replicas": 1}}))
    before = template(cluster)

    cluster.put(objects.agent({"runtime": {"replicas": 3}}))
    await cluster.settle()

    assert cluster.live(DEPLOYMENT)["spec"]["replicas"] == 3
    assert template(cluster) == before


PLATFORM = objects.documents(objects.DATA / "golden" / "platform" / "in.yaml")[0]
POWERS: JsonObject = {
    "privileged": True,
    "runAsUser": 0,
    "runAsNonRoot": False,
    "allowPrivilegeEscalation": True,
    "capabilities": {"add": ["SYS_ADMIN"]},
    "seccompProfile": {"type": "Unconfined"},
    "hostNetwork": True,
    "hostPID": True,
    "automountServiceAccountToken": True,
    "mountPropagation": "Bidirectional",
    "containers": [{"name": "facade", "image": "theirs"}],
}


def with_powers(document: JsonObject, place: tuple[str | int, ...], names: list[str]) -> JsonObject:
    """Return a document with powers in the object at a place, or in its place."""
    value: Any = document
    for step in place:
        value = value[step]
    powers = {name: POWERS[name] for name in names}
    new = {**value, **powers} if isinstance(value, dict) else powers
    made: JsonObject = replaced(document, place, new)
    return made


@given(
    place=st.sampled_from([each for each in places(PLATFORM) if "spec" in each]),
    names=st.lists(st.sampled_from(sorted(POWERS)), min_size=1, unique=True),
)
def test_no_document_gives_a_container_powers(
    place: tuple[str | int, ...], names: list[str]
) -> None:
    try:
        agent = world.agent(with_powers(PLATFORM, place, names))
    except InvalidResource:
        return
    outcome = resolve(agent, world.found())
    if not isinstance(outcome, Resolved):
        return
    (deployment,) = [each for each in render(plan(outcome, Settings())) if each.kind == DEPLOYMENT]
    spec = deployment.body["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID"} & spec.keys()
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == 65532
    assert [each["name"] for each in spec["containers"]] == ["facade", "log-shipper"]
    for container in (*spec["containers"], *spec["initContainers"]):
        security = container["securityContext"]
        chosen = {"runAsUser", "runAsGroup", "readOnlyRootFilesystem"}
        assert set(security) <= chosen | {"allowPrivilegeEscalation", "capabilities"}
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security.get("runAsUser") != 0
        for mount in container.get("volumeMounts", ()):
            assert set(mount) <= {"name", "mountPath", "readOnly", "subPath"}


def at(document: JsonObject, path: str) -> Any:
    for name in path.removeprefix(".").split("."):
        document = document[name]
    return document


async def test_an_agent_is_scaled_by_the_paths_of_its_scale_subresource() -> None:
    (version,) = definition(AgentRuntime)["spec"]["versions"]
    scale = version["subresources"]["scale"]
    schema = version["schema"]["openAPIV3Schema"]
    for path in scale.values():
        field = schema
        for name in path.removeprefix(".").split("."):
            field = field["properties"][name]
    spec = schema["properties"]["spec"]["properties"]
    assert spec["runtime"]["default"] == {"replicas": 1}  # without a number it cannot be scaled
    assert spec["runtime"]["properties"]["replicas"]["default"] == 1

    cluster = await settled(*everything({"runtime": {"replicas": 2}}))
    live = {"spec": {"runtime": {"replicas": 2}}, "status": cluster.status()}
    assert at(live, scale["specReplicasPath"]) == at(live, scale["statusReplicasPath"]) == 2
    chosen = dict(each.split("=") for each in at(live, scale["labelSelectorPath"]).split(","))
    assert chosen == cluster.live(DEPLOYMENT)["spec"]["selector"]["matchLabels"]

    cluster.surge()
    await cluster.settle()
    assert cluster.status()["replicas"]["current"] == 3


async def test_a_number_of_pods_that_an_autoscaler_overrides_is_told() -> None:
    scaling = {"autoscaling": {"enabled": True, "minReplicas": 2}, "replicas": 5}
    cluster = await settled(*everything({"runtime": scaling}))

    assert cluster.conditions()["AutoscalingReady"] == "True: Scaling"
    assert "runtime.replicas (5) has no effect" in cluster.message("AutoscalingReady")

    cluster.put(objects.agent({"runtime": {**scaling, "replicas": 1}}))
    await cluster.settle()
    assert cluster.message("AutoscalingReady") == ""
