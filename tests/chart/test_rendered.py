"""What Helm makes of the chart: text stays text, and the switches reach the operator."""

import copy
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from omnia_core.env import OperatorEnv
from omnia_operator.api.chart import chart_values
from omnia_operator.api.workload import PodDefaults
from omnia_operator.cluster.kinds import CUSTOM, ObjectKind
from omnia_operator.policy import Policy
from omnia_operator.settings import settings_of
from tests.chart.rendering import (
    CHART,
    ENABLED,
    FOREIGN,
    NAMESPACE,
    Object,
    Renderer,
    container,
    environment,
    everything,
    merged,
    named,
    nested,
    of_kind,
    without_definitions,
)
from tests.chart.rights import ISSUER_PATHS, ISTIO_VERBS, STATUSES, VERBS
from tests.cluster.harness.commands import run
from tests.cluster.harness.errors import HarnessError

HOSTILE = ['a"b: c', "a\n  b: c", "{{ .Values }}", "- a", "# a", "a'b", "\\", "&a *b", "yes", "1e3"]


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
    renderer: Renderer, text: str
) -> None:
    written = json.loads((CHART / "values.schema.json").read_text())
    schema = jsonschema.Draft7Validator(written)

    def accepts(values: Object, block: str) -> bool:
        # The rest has not changed.
        return schema.evolve(schema=written["properties"][block]).is_valid(values[block])

    harmless = hostile = everything()
    for path in texts(hostile):
        tried = changed(hostile, path, text), changed(harmless, path, "text")
        if all(accepts(values, str(path[0])) for values in tried):
            hostile, harmless = tried

    assert schema.is_valid(hostile)
    assert hostile["operator"]["image"]["repository"] == text
    assert shape(renderer(hostile)) == shape(renderer(harmless))


def test_a_namespace_that_looks_like_a_number_is_text(renderer: Renderer) -> None:
    values = merged(everything(), {"operator": {"watchNamespaces": ["12"]}})
    for each in renderer(values, namespace="123"):
        namespace = each["metadata"].get("namespace", "")
        assert isinstance(namespace, str), each


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
    renderer: Renderer, values: Object, policy: Policy
) -> None:
    objects = renderer({"policy": values})

    assert settings_of(OperatorEnv.parse(environment(objects))).policy == policy


def test_what_pods_of_all_agents_have_reaches_the_operator(renderer: Renderer) -> None:
    def pods(values: Object) -> PodDefaults:
        objects = renderer({"agents": values})
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


def test_limits_of_the_cpu_reach_every_container(renderer: Renderer) -> None:
    limits = {"resources": {"limits": {"cpu": "2"}}}
    changes = dict.fromkeys(("operator", "history", "facade", "runtime"), limits)
    objects = renderer(merged(ENABLED, changes))

    settings = settings_of(OperatorEnv.parse(environment(objects)))
    assert settings.facade_resources["limits"] == {"cpu": "2", "memory": "256Mi"}
    assert settings.runtime_resources["limits"] == {"cpu": "2", "memory": "512Mi"}
    for deployment in of_kind(objects, "Deployment"):
        (only,) = deployment["spec"]["template"]["spec"]["containers"]
        assert only["resources"]["limits"]["cpu"] == "2"


def policies(objects: list[Object]) -> dict[str, Object]:
    """Return the specs of the NetworkPolicies by name."""
    return {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}


def test_network_policies_close_what_nobody_is_named_for(renderer: Renderer) -> None:
    made = policies(renderer(ENABLED))

    assert set(made) == {"omnia-agents", "omnia-operator", "omnia-history"}
    # The pod of `helm test`, and nobody else.
    (rule,) = made["omnia-operator"]["ingress"]
    (peer,) = rule["from"]
    test = named(renderer(ENABLED))["Pod/omnia-test"]
    assert peer["podSelector"]["matchLabels"].items() <= test["metadata"]["labels"].items()
    clients, asking, relaying = made["omnia-agents"]["ingress"]
    assert relaying["ports"] == [{"port": "peer"}]
    assert relaying["from"] == [{"podSelector": made["omnia-agents"]["podSelector"]}]
    assert clients == {"ports": [{"port": "facade"}]}
    # The operator, which asks whether they reach their session store, and nobody else.
    (peer,) = asking["from"]
    operator = named(renderer(ENABLED))["Deployment/omnia-operator"]["spec"]["template"]
    assert peer["podSelector"]["matchLabels"].items() <= operator["metadata"]["labels"].items()
    ports = ("runtime-health", "facade-health", "evals-health")
    assert asking["ports"] == [{"port": port} for port in ports]
    assert made["omnia-history"]["ingress"] == [{"ports": [{"port": "http"}]}]
    for spec in made.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        blocks = [to["ipBlock"] for to in spec["egress"][0]["to"] if "ipBlock" in to]
        assert ["169.254.0.0/16"] in [block["except"] for block in blocks]
        assert [port["port"] for port in spec["egress"][-1]["ports"]] == [53, 53]


def test_network_policies_have_the_rules_that_are_given(renderer: Renderer) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]
    egress = [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443}]}]
    given = {
        "scrapers": peers,
        "egress": egress,
        "operator": {"scrapers": peers, "egress": egress},
        "history": {"clients": peers, "egress": egress},
    }
    made = policies(renderer(merged(ENABLED, {"networkPolicy": given})))

    (rule,) = made["omnia-operator"]["ingress"]
    assert (rule["ports"], rule["from"][1:]) == ([{"port": "health"}], peers)
    assert made["omnia-history"]["ingress"] == [{"ports": [{"port": "http"}], "from": peers}]
    for spec in made.values():
        assert spec["egress"][:-1] == egress
        assert [port["port"] for port in spec["egress"][-1]["ports"]] == [53, 53]


def test_without_the_switches_there_is_no_network_policy(renderer: Renderer) -> None:
    assert policies(renderer({})) == {}


def test_helm_finds_nothing_to_complain_about(renderer: Renderer) -> None:
    run(renderer.helm, "lint", "--strict", CHART)


def test_a_misspelt_value_is_refused(renderer: Renderer) -> None:
    with pytest.raises(HarnessError, match="operater"):
        renderer({"operater": {"replicas": 2}})


def test_two_sources_of_certificates_are_refused(renderer: Renderer) -> None:
    with pytest.raises(HarnessError, match="caBundle"):
        renderer(nested("discovery.caBundle", {"configMapName": "a", "secretName": "b"}))


def test_monitors_appear_when_they_are_asked_for(renderer: Renderer) -> None:
    plain, enabled = renderer({}), renderer(ENABLED)
    assert [each["kind"] for each in plain if each["kind"] in FOREIGN] == []
    assert {each["kind"] for each in enabled if each["kind"] in FOREIGN} == set(FOREIGN)


def test_alerts_have_the_thresholds_of_the_values(renderer: Renderer) -> None:
    values = merged(ENABLED, nested("metrics.prometheusRule.thresholds.OmniaTurnsSlow", 45))
    (rules,) = of_kind(renderer(values), "PrometheusRule")
    made = {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}
    given = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    written = {rule["alert"]: rule for group in given for rule in group["rules"]}
    assert made.pop("OmniaTurnsSlow")["expr"].endswith("> 45")
    written.pop("OmniaTurnsSlow")
    assert made == written


def test_the_dashboard_is_what_grafana_reads(renderer: Renderer) -> None:
    (found,) = [
        each
        for each in of_kind(renderer(ENABLED), "ConfigMap")
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    ]
    (text,) = found["data"].values()
    assert json.loads(text) == json.loads((CHART / "files/dashboard.json").read_text())


def test_an_operator_of_some_namespaces_has_no_rights_in_others(renderer: Renderer) -> None:
    objects = renderer(nested("operator.watchNamespaces", ["one", "two"]))
    assert list(of_kind(objects, "ClusterRoleBinding")) == []
    bound = {each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")}
    assert bound == {"one", "two", NAMESPACE}


def test_the_resource_definitions_are_the_generated_ones(renderer: Renderer) -> None:
    made = {}
    for each in of_kind(renderer(ENABLED), "CustomResourceDefinition"):
        metadata = each["metadata"]
        assert metadata.pop("annotations") == {"helm.sh/resource-policy": "keep", "owner": "agents"}
        assert metadata.pop("labels")["team"] == "agents"
        made[f"{metadata['name']}.yaml"] = each
    written = {
        path.name: yaml.safe_load(path.read_text()) for path in (CHART / "files/crds").iterdir()
    }
    assert made == written
    assert len(made) == len(CUSTOM)


def test_an_image_has_the_version_of_the_chart_unless_the_values_say_another(
    renderer: Renderer,
) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    objects = renderer(ENABLED)
    settings = settings_of(OperatorEnv.parse(environment(objects)))
    for image in (
        container(objects)["image"],
        container(objects, "history")["image"],
        settings.facade_image,
        settings.runtime_image,
    ):
        assert image.rpartition(":")[2] == version


def test_the_history_runs_the_operators_image_or_its_own(renderer: Renderer) -> None:
    operator = nested("operator.image", {"repository": "mine", "tag": "1", "pullPolicy": "Always"})
    shared = merged(ENABLED, operator)
    own = merged(shared, nested("history.image", {"repository": "other", "tag": "2"}))
    assert container(renderer(shared), "history")["image"] == "mine:1"
    assert container(renderer(shared), "history")["imagePullPolicy"] == "Always"
    assert container(renderer(own), "history")["image"] == "other:2"
    with pytest.raises(HarnessError, match="repository"):
        renderer(merged(ENABLED, nested("history.image.tag", "2")))


def test_a_variable_of_the_values_takes_the_place_of_the_charts_own(renderer: Renderer) -> None:
    proxy = {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}
    objects = renderer(merged(ENABLED, nested("operator.extraEnv", [proxy])))
    names = [each["name"] for each in container(objects)["env"]]
    assert len(names) == len(set(names))
    assert proxy in container(objects)["env"]


def test_no_label_of_the_values_selects_pods_or_hides_the_owner(renderer: Renderer) -> None:
    reserved = {
        "app.kubernetes.io/name": "mine",
        "app.kubernetes.io/instance": "mine",
        "app.kubernetes.io/managed-by": "mine",
    }
    changes = {
        "commonLabels": reserved,
        "operator": {"podLabels": reserved},
        "history": {"podLabels": reserved},
    }
    plain, changed_ = renderer(ENABLED), renderer(merged(ENABLED, changes))
    for before, after in zip(
        of_kind(plain, "Deployment"), of_kind(changed_, "Deployment"), strict=True
    ):
        assert after["spec"]["selector"] == before["spec"]["selector"]
        labels = after["spec"]["template"]["metadata"]["labels"]
        assert before["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for each in changed_:
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize("release", ["omnia", "a" * 53])
def test_names_and_labels_are_as_short_as_kubernetes_wants_them(
    renderer: Renderer, release: str
) -> None:
    values = merged(ENABLED, nested("nameOverride", "b" * 53))
    for each in renderer(values, release=release):
        metadata = each["metadata"]
        # RFC 1035 for Services and what pods are named after, else RFC 1123.
        limit = 63 if each["kind"] in ("Service", "Deployment", "Pod") else 253
        assert len(metadata["name"]) <= limit, metadata["name"]
        assert all(len(value) <= 63 for value in metadata["labels"].values())


def test_every_name_of_the_release_is_found_where_it_is_used(renderer: Renderer) -> None:
    values = merged(
        ENABLED,
        {
            "fullnameOverride": "ai",
            "namespaceOverride": "elsewhere",
            "operator": {"serviceAccount": {"name": ""}},
        },
    )
    objects = renderer(values)
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    for each in of_kind(objects, "Deployment"):
        assert each["spec"]["template"]["spec"]["serviceAccountName"] in accounts
    roles = {
        each["metadata"]["name"] for each in objects if each["kind"] in ("Role", "ClusterRole")
    }
    for each in of_kind(objects, "RoleBinding"):
        assert each["roleRef"]["name"] in roles
        for subject in each["subjects"]:
            assert subject["name"] in accounts
            assert subject["namespace"] == "elsewhere"
    (lease,) = of_kind(objects, "Lease")
    env = OperatorEnv.parse(environment_of(objects, "Deployment/ai-operator"))
    assert (env.lease_namespace, env.lease_name) == (
        lease["metadata"]["namespace"],
        lease["metadata"]["name"],
    )
    (role,) = of_kind(objects, "Role")
    assert role["rules"][1]["resourceNames"] == [lease["metadata"]["name"]]


def environment_of(objects: list[Object], deployment: str) -> dict[str, str]:
    """Return the literal variables of the only container of a Deployment."""
    (found,) = named(objects)[deployment]["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in found["env"] if "value" in each}


def test_the_aggregated_roles_give_the_custom_resources_and_nothing_else(
    renderer: Renderer,
) -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    given: dict[str, dict[str, set[str]]] = {"view": {}, "edit": {}, "admin": {}}
    for role in of_kind(renderer({}), "ClusterRole"):
        for name, allowed in given.items():
            if role["metadata"]["labels"].get(prefix + name) == "true":
                for rule in role["rules"]:
                    assert rule["apiGroups"] == ["omnia.altairalabs.ai"]
                    for resource in rule["resources"]:
                        allowed.setdefault(resource, set()).update(rule["verbs"])
    read = {"get", "list", "watch"}
    write = {"create", "delete", "deletecollection", "patch", "update"}
    kinds = {kind.plural for kind in CUSTOM}
    statuses = {f"{kind}/status": {"get"} for kind in kinds}
    scale = {"agentruntimes/scale": {"get"}}
    assert given["view"] == dict.fromkeys(kinds, read) | statuses | scale
    scale = {"agentruntimes/scale": {"get", "patch", "update"}}
    assert given["edit"] == dict.fromkeys(kinds, read | write) | statuses | scale
    assert given["admin"] == given["edit"]


def test_the_test_of_the_installation_asks_the_operators_service(renderer: Renderer) -> None:
    objects = named(renderer({}))
    test, service = objects["Pod/omnia-test"], objects["Service/omnia-operator"]
    (only,) = test["spec"]["containers"]
    (port,) = service["spec"]["ports"]
    place = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert only["args"] == [f"http://{place}:{port['port']}/readyz"]
    assert only["image"] == container(renderer({}))["image"]
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "helm test omnia --namespace omnia-system"),
        (nested("crds.install", value=False), "crds.install is false"),
        (nested("crds.keep", value=False), "crds.keep is false"),
        (nested("agents.allowUnauthenticated", value=True), "for development only"),
        (nested("operator.watchNamespaces", ["shop"]), "namespace: shop"),
    ],
)
def test_the_notes_say_what_to_do_next(
    renderer: Renderer, tmp_path: Path, values: Object, said: str
) -> None:
    # Without a cluster Helm shows no notes, so they are rendered as a value of an object.
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "templates/NOTES.txt").rename(chart / "files/NOTES.txt")
    template = 'kind: Notes\ntext: {{ tpl (.Files.Get "files/NOTES.txt") . | toJson }}\n'
    (chart / "templates/notes.yaml").write_text(template)
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    output = run(
        *(renderer.helm, "template", "omnia", chart, f"--namespace={NAMESPACE}"),
        *(f"--values={file}", "--show-only=templates/notes.yaml"),
    )
    notes = yaml.safe_load(output)["text"]
    assert said.lower() in notes.lower()
    document = notes.partition("<<END\n")[2].partition("END")[0]
    assert yaml.safe_load(document)["kind"] == "AgentRuntime"


@pytest.mark.parametrize(
    ("values", "verbs"), [({}, VERBS), (nested("istio.enabled", value=True), VERBS | ISTIO_VERBS)]
)
def test_the_role_allows_what_the_operator_does_and_nothing_more(
    renderer: Renderer, values: Object, verbs: dict[ObjectKind, set[str]]
) -> None:
    role = named(renderer(values))[f"ClusterRole/{NAMESPACE}:omnia-operator"]
    allowed: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in role["rules"]:
        for group, resource in product(rule.get("apiGroups", ()), rule.get("resources", ())):
            allowed[group, resource] |= set(rule["verbs"])
    done = {(kind.group, kind.plural): each for kind, each in verbs.items()}
    assert allowed == {**done, **STATUSES}
    (paths,) = [rule for rule in role["rules"] if "nonResourceURLs" in rule]
    assert paths == {"nonResourceURLs": ISSUER_PATHS, "verbs": ["get"]}


def without(values: Object, name: str) -> Object:
    """Return the values with null in one place, as `--set NAME=null` has it."""
    return merged(values, nested(name, None))


# What a pod, a monitor or a label may lack; everything else has to have a value.
OPTIONAL = [
    each.name
    for each in chart_values(CHART)
    if (
        each.default in ("", [], {})
        or each.path[-1] in ("resources", "podSecurityContext", "securityContext")
    )
    and each.name != "history.database.secretName"
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_value_may_be_null(renderer: Renderer, name: str) -> None:
    given = without_definitions({"history": ENABLED["history"]}, name)
    assert renderer(without(given, name))
