"""What can be said about the chart without Helm."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from omnia_core.env import HistoryEnv, OperatorEnv
from omnia_operator.api.workload import PodDefaults
from omnia_operator.plan import Settings
from omnia_operator.policy import Policy
from omnia_operator.settings import settings_of
from tests.operator.objects import parsed

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/omnia"


def values() -> dict[str, Any]:
    return parsed((CHART / "values.yaml").read_text())


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def image(**changes: str) -> dict[str, str]:
    return {**values()["operator"]["image"], **changes}


def test_the_chart_has_the_resource_definitions_as_they_are_generated() -> None:
    generated = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    in_chart = {path.name: path.read_text() for path in (CHART / "files/crds").glob("*.yaml")}
    assert in_chart == generated, "charts/omnia/files/crds is stale: run `make crds`"


def test_the_values_are_what_their_schema_says() -> None:
    jsonschema.validate(values(), schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize("block", sorted(values()))
def test_every_value_is_known_to_the_schema(block: str) -> None:
    assert block in schema()["properties"]


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("operater", {}),
        ("tracing", {"enabled": True, "endpoint": ""}),
        ("tracing", {"sampleRate": 2}),
        ("networkPolicy", {"enabled": True, "namespaces": []}),
        ("networkPolicy", {"operator": {"enabled": "yes"}}),
        ("policy", {"volumes": ["configMap"]}),
        ("policy", {**values()["policy"], "volumes": ["config-map"]}),
        ("policy", {**values()["policy"], "customImages": "no"}),
        ("policy", {**values()["policy"], "hostPath": True}),
        ("operator", {**values()["operator"], "serviceAccount": {"name": "a: b"}}),
        ("operator", {**values()["operator"], "image": image(digest="sha256:abc")}),
        ("operator", {**values()["operator"], "image": image(tag="a b")}),
        ("operator", {**values()["operator"], "service": {"type": "ExternalName"}}),
        ("operator", {**values()["operator"], "extraEnv": [{"value": "nameless"}]}),
        ("operator", {**values()["operator"], "extraVolumeMounts": [{"name": "pathless"}]}),
        ("operator", {**values()["operator"], "podLabels": {"a": "b c"}}),
        ("operator", {**values()["operator"], "terminationGracePeriodSeconds": -1}),
        ("operator", {**values()["operator"], "topologySpreadConstraints": [{"maxSkew": 1}]}),
        ("operator", {**values()["operator"], "replica": 1}),
        ("history", {**values()["history"], "replica": 1}),
        ("history", {**values()["history"], "image": {"tag": "1"}}),
        ("imagePullSecrets", [{"nam": "registry"}]),
        ("imagePullSecrets", [1]),
        ("nameOverride", "Upper"),
        ("fullnameOverride", "a" * 54),
        ("namespaceOverride", "a.b"),
        ("commonLabels", {"a": 1}),
        ("commonLabels", {"a": "b c"}),
        ("crds", {"install": "yes", "keep": True}),
        ("crds", {"install": True}),
        ("discovery", {"proxy": {"https": "proxy:3128"}}),
        ("discovery", {"proxy": {"noProxy": ["a,b"]}}),
        ("discovery", {"caBundle": {"configMapName": "a", "secretName": "b", "key": "c"}}),
        ("rbac", {"aggregateClusterRoles": "yes"}),
        ("policy", {**values()["policy"], "hostPorts": "no"}),
        ("agents", {"podLabels": {"team": 1}}),
        ("agents", {"tolerations": {"key": "gpu"}}),
        ("agents", {"serviceAccountName": "mine"}),
        ("history", {"enabled": True, "database": {"secretName": "", "key": "url"}}),
        ("facade", {"image": {"repository": "", "tag": "1", "pullPolicy": "Always"}}),
        ("facade", {"image": {"repository": "omnia-facade", "pullPolicy": "Sometimes"}}),
    ],
)
def test_a_value_that_cannot_work_is_refused(block: str, value: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values(), block: value}, schema(), jsonschema.Draft7Validator)


def test_the_defaults_of_the_policy_are_those_of_the_operator() -> None:
    chart = {
        re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name): value
        for name, value in values()["policy"].items()
    }
    defaults = OperatorEnv(facade_image="facade", runtime_image="runtime")
    assert {**chart, "volumes": tuple(chart["volumes"])} == dataclasses.asdict(Policy())
    assert settings_of(defaults).policy == Policy()


@pytest.mark.parametrize("container", ["facade", "runtime"])
def test_the_resources_of_agents_are_those_of_the_operator(container: str) -> None:
    assert values()[container]["resources"] == getattr(Settings(), f"{container}_resources")


def test_the_chart_gives_pods_every_default_that_the_operator_knows_and_no_other() -> None:
    text = (CHART / "templates/_environment.tpl").read_text()
    picked = re.search(r"\$pods := pick .Values.agents ([^}]+)\}\}", text)
    assert picked is not None
    names = set(re.findall(r'"(\w+)"', picked[1]))
    agents = values()["agents"]
    assert names == {field.alias for field in PodDefaults.model_fields.values()}
    assert names == agents.keys() - {"allowUnauthenticated", "console", "imagePullSecrets"}
    defaults = {name: agents[name] for name in names}
    env = OperatorEnv(
        facade_image="facade", runtime_image="runtime", pod_defaults=json.dumps(defaults)
    )
    assert settings_of(env).pods == PodDefaults()


def test_the_chart_sets_only_variables_that_the_operator_reads() -> None:
    text = (CHART / "templates/_environment.tpl").read_text().partition("omnia.historyEnv")[0]
    written = set(re.findall(r"^- name: (\w+)", text, re.MULTILINE))
    assert written <= {each.name for each in OperatorEnv.reference()}


def test_the_chart_sets_every_variable_that_the_operator_needs() -> None:
    text = (CHART / "templates/_environment.tpl").read_text()
    needed = {each.name for each in OperatorEnv.reference() if each.required}
    assert needed <= set(re.findall(r"^- name: (\w+)", text, re.MULTILINE))


def test_the_chart_sets_only_variables_that_the_history_reads() -> None:
    text = (
        (CHART / "templates/_environment.tpl").read_text().partition("omnia.historyEnvironment")[2]
    )
    written = set(re.findall(r"^ *- name: ([A-Z_]+)$", text, re.MULTILINE))
    needed = {each.name for each in HistoryEnv.reference() if each.required}
    assert needed <= written <= {each.name for each in HistoryEnv.reference()}
