"""What an agent becomes in a cluster: custom resources in, manifests out, both as YAML files.

`UPDATE_GOLDEN=1 make test` writes the expected files anew; read their diff.
"""

import os
from pathlib import Path

import pytest
import yaml
from jinja2 import UndefinedError

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CUSTOM, OWNED, kind_of
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.manifests import render, rendering
from omnia_operator.plan import plan
from tests.operator import objects, structural, world
from tests.operator.cluster import SETTINGS, FakeCluster

GOLDEN = objects.DATA / "golden"
TEMPLATES = Path(rendering.__file__).parent / "templates"
FOREIGN = ("HTTPRoute", "ScaledObject")  # tests/cluster/foreign has their definitions
CASES = sorted(each.name for each in GOLDEN.iterdir())


async def made(case: str) -> list[JsonObject]:
    text = (GOLDEN / case / "in.yaml").read_text(encoding="utf-8")
    cluster = FakeCluster(*yaml.safe_load_all(text))
    ((_, key),) = [place for place in cluster.objects if place[0] == AGENT_RUNTIME]
    cluster.objects[AGENT_RUNTIME, key]["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    there = set(cluster.objects)
    await cluster.settle()
    return [_plain(live) for place, live in cluster.objects.items() if place not in there]


def _plain(live: JsonObject) -> JsonObject:
    metadata = {k: v for k, v in live["metadata"].items() if k not in ("uid", "generation")}
    return {**live, "metadata": metadata}


@pytest.mark.parametrize("case", CASES)
async def test_an_agent_becomes_these_objects(case: str) -> None:
    expected = GOLDEN / case / "out.yaml"
    text = yaml.safe_dump_all(await made(case), sort_keys=False, width=100, allow_unicode=True)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
async def test_kubernetes_accepts_the_objects(case: str) -> None:
    import kubernetes_validate as validate  # type: ignore[import-untyped] # noqa: PLC0415

    for each in await made(case):
        if each["kind"] not in FOREIGN:
            validate.validate(each, "1.28", strict=True)


@pytest.mark.parametrize(("case", "kind"), [("gateway", "HTTPRoute"), ("keda", "ScaledObject")])
async def test_the_definitions_of_others_accept_their_objects(case: str, kind: str) -> None:
    (found,) = [each for each in await made(case) if each["kind"] == kind]
    group, plural = found["apiVersion"].partition("/")[0], f"{kind.lower()}s"
    crd = objects.load(Path(__file__).parents[1] / f"cluster/foreign/{plural}.{group}.yaml")
    (version,) = crd["spec"]["versions"]
    assert f"{group}/{version['name']}" == found["apiVersion"]
    assert structural.violations(version["schema"]["openAPIV3Schema"], found) == []


@pytest.mark.parametrize("case", CASES)
async def test_every_object_names_its_agent_and_its_owner(case: str) -> None:
    for each in await made(case):
        assert kind_of(each["apiVersion"], each["kind"]) in OWNED
        (owner,) = each["metadata"]["ownerReferences"]
        assert owner["controller"]
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "omnia-operator"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == owner["name"]


@pytest.mark.parametrize(
    "value",
    ["a\nkind: Pod\nx: y", "=0", "{{ agent }}", "😀 \u0085\u2028", "1e-07", "yes", '"', "{a: b}"],
)
def test_a_value_stays_what_it_is(value: str) -> None:
    there = world.found(objects.pack(), objects.provider())
    extra = {"extraEnv": [{"name": "A", "value": value}], "nodeSelector": {"a": value}}
    agent = objects.agent({"runtime": extra}, uid="u")
    manifests = render(plan(world.resolved(agent, there), SETTINGS))

    (deployment,) = [each.body for each in manifests if each.kind.name == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"a": value}
    assert {"name": "A", "value": value} in pod["containers"][1]["env"]


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendering._ENVIRONMENT.from_string("a: {{ agent.name }}").render(
            agent=object(), **{rendering._VALUES: []}
        )


def test_an_object_without_an_owner_is_an_error() -> None:
    metadata = {"name": "a", "namespace": "b", "labels": {"c": "d"}}
    with pytest.raises(ValueError, match=r"ConfigMap lacks metadata\.ownerReferences"):
        Manifest.of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def test_templates_are_short_and_know_one_variable() -> None:
    for template in TEMPLATES.glob("*.j2"):
        lines = template.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 60
        assert "|" not in "".join(line for line in lines if "{{" in line), template.name
        assert sum(line.startswith("kind: ") for line in lines) == 1


def test_the_custom_resources_are_no_objects_of_an_agent() -> None:
    assert not set(CUSTOM) & set(OWNED)
