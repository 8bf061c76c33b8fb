"""What values make of the chart: text stays text, and the switches reach the operator."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from omnia_core.env import OperatorEnv
from omnia_operator.api.workload import PodDefaults
from omnia_operator.policy import Policy
from omnia_operator.settings import settings_of
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import run
from tests.cluster.test_chart import CHART, Object, of_kind

ENABLED = {
    "history": {"enabled": True, "database": {"secretName": "history", "key": "url"}},
    "imagePullSecrets": ["pull"],
    "agents": {
        "imagePullSecrets": ["pull"],
        "podLabels": {"team": "text"},
        "priorityClassName": "conversations",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "tracing": {"enabled": True, "endpoint": "http://collector:4317"},
    "prometheus": {"address": "http://prometheus:9090"},
    "operator": {"priorityClassName": "high", "watchNamespaces": ["agents"]},
    "serviceAccount": {"name": "account", "annotations": {"role": "text"}},
    "networkPolicy": {
        "enabled": True,
        "namespaces": ["agents"],
        "operator": {"enabled": True},
        "history": {"enabled": True},
    },
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"a": "text"}},
        "podMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
}
HOSTILE = ['a"b: c', "a\n  b: c", "{{ .Values }}", "- a", "# a", "a'b", "\\", "&a *b", "yes", "1e3"]


def render(
    cluster: Cluster, folder: Path, values: Object, namespace: str = "omnia"
) -> list[Object]:
    """Return the objects of the chart with these values."""
    file = folder / "values.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    rendered = run(
        cluster.helm, "template", "omnia", CHART, f"--namespace={namespace}", f"--values={file}"
    )
    return [each for each in yaml.safe_load_all(rendered) if each]


def merged(base: Object, change: Object) -> Object:
    """Return `base` with `change` on top."""
    result = copy.deepcopy(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def everything() -> Object:
    """Return all values of the chart with every part of it enabled."""
    return merged(yaml.safe_load((CHART / "values.yaml").read_text()), ENABLED)


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each text in some values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path


def changed(values: Object, path: tuple[str | int, ...], text: str) -> Object:
    """Return the values with another text at a path."""
    result = copy.deepcopy(values)
    place: Any = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = text
    return result


def shape(value: Any) -> Any:
    """Return a value with the type of each leaf in its place."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_of_the_values_changes_the_structure_of_an_object(
    cluster: Cluster, tmp_path: Path, text: str
) -> None:
    plain = everything()
    schema = json.loads((CHART / "values.schema.json").read_text())
    accepts = jsonschema.Draft7Validator(schema).is_valid
    hostile = plain
    for path in texts(plain):
        tried = changed(hostile, path, text)
        hostile = tried if accepts(tried) else hostile

    assert hostile["operator"]["image"]["repository"] == text
    assert shape(render(cluster, tmp_path, hostile)) == shape(render(cluster, tmp_path, plain))


def test_a_namespace_that_looks_like_a_number_is_text(cluster: Cluster, tmp_path: Path) -> None:
    values = merged(everything(), {"operator": {"watchNamespaces": ["12"]}})
    for each in render(cluster, tmp_path, values, namespace="123"):
        namespace = each["metadata"].get("namespace", "")
        assert isinstance(namespace, str), each


def environment(objects: list[Object]) -> dict[str, str]:
    """Return the environment of the operator."""
    deployment = next(
        each for each in of_kind(objects, "Deployment") if "operator" in each["metadata"]["name"]
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize(
    ("values", "policy"),
    [
        ({}, Policy()),
        (
            {
                "volumes": ["emptyDir", "hostPath"],
                "serviceAccountTokens": True,
                "customImages": False,
                "extraEnvironment": False,
                "unauthenticatedAgents": True,
                "customServiceAccounts": True,
                "extraContainers": False,
                "hostPorts": True,
                "exposure": False,
            },
            Policy(
                ("emptyDir", "hostPath"),
                service_account_tokens=True,
                custom_images=False,
                extra_environment=False,
                unauthenticated_agents=True,
                custom_service_accounts=True,
                extra_containers=False,
                host_ports=True,
                exposure=False,
            ),
        ),
        ({"volumes": []}, Policy(())),
    ],
)
def test_the_policy_of_the_values_reaches_the_operator(
    cluster: Cluster, tmp_path: Path, values: Object, policy: Policy
) -> None:
    objects = render(cluster, tmp_path, {"policy": values})

    assert settings_of(OperatorEnv.parse(environment(objects))).policy == policy


def test_what_pods_of_all_agents_have_reaches_the_operator(
    cluster: Cluster, tmp_path: Path
) -> None:
    def pods(values: Object) -> PodDefaults:
        objects = render(cluster, tmp_path, {"agents": values})
        return settings_of(OperatorEnv.parse(environment(objects))).pods

    assert pods({}) == PodDefaults()
    made = pods(
        {
            "podLabels": {"team": "a", "number": "1e3"},
            "podAnnotations": {"text": 'a"b: <c> & {{ d }}'},
            "serviceAccountAnnotations": {"role": "r"},
            "priorityClassName": "high",
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [{"maxSkew": 1}],
        }
    )
    assert made == PodDefaults(
        pod_labels={"team": "a", "number": "1e3"},
        pod_annotations={"text": 'a"b: <c> & {{ d }}'},
        service_account_annotations={"role": "r"},
        priority_class_name="high",
        node_selector={"disk": "ssd"},
        tolerations=({"key": "gpu", "operator": "Exists"},),
        affinity={"nodeAffinity": {}},
        topology_spread_constraints=({"maxSkew": 1},),
    )


def test_limits_of_the_cpu_reach_every_container(cluster: Cluster, tmp_path: Path) -> None:
    limits = {"resources": {"limits": {"cpu": "2"}}}
    changes = dict.fromkeys(("operator", "history", "facade", "runtime"), limits)
    objects = render(cluster, tmp_path, merged(ENABLED, changes))

    settings = settings_of(OperatorEnv.parse(environment(objects)))
    assert settings.facade_resources["limits"] == {"cpu": "2", "memory": "256Mi"}
    assert settings.runtime_resources["limits"] == {"cpu": "2", "memory": "512Mi"}
    for deployment in of_kind(objects, "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"] == "2"


def policies(objects: list[Object]) -> dict[str, Object]:
    """Return the specs of the NetworkPolicies by name."""
    return {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}


def test_network_policies_close_what_nobody_is_named_for(cluster: Cluster, tmp_path: Path) -> None:
    made = policies(render(cluster, tmp_path, ENABLED))

    assert set(made) == {"omnia-agents", "omnia-operator", "omnia-history"}
    assert "ingress" not in made["omnia-operator"]
    assert made["omnia-agents"]["ingress"] == [{"ports": [{"port": "facade"}]}]
    assert made["omnia-history"]["ingress"] == [{"ports": [{"port": "http"}]}]
    for spec in made.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        blocks = [to["ipBlock"] for to in spec["egress"][0]["to"] if "ipBlock" in to]
        assert ["169.254.0.0/16"] in [block["except"] for block in blocks]
        assert [port["port"] for port in spec["egress"][-1]["ports"]] == [53, 53]


def test_network_policies_have_the_rules_that_are_given(cluster: Cluster, tmp_path: Path) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]
    egress = [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443}]}]
    given = {
        "scrapers": peers,
        "egress": egress,
        "operator": {"scrapers": peers, "egress": egress},
        "history": {"clients": peers, "egress": egress},
    }
    made = policies(render(cluster, tmp_path, merged(ENABLED, {"networkPolicy": given})))

    assert made["omnia-operator"]["ingress"] == [{"ports": [{"port": "health"}], "from": peers}]
    assert made["omnia-history"]["ingress"] == [{"ports": [{"port": "http"}], "from": peers}]
    for spec in made.values():
        assert spec["egress"][:-1] == egress
        assert [port["port"] for port in spec["egress"][-1]["ports"]] == [53, 53]


def test_without_the_switches_there_is_no_network_policy(cluster: Cluster, tmp_path: Path) -> None:
    assert policies(render(cluster, tmp_path, {})) == {}
